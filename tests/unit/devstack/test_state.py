"""What `up` leaves for the other commands."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

import pytest

from devstack import cli
from devstack.errors import DevstackError
from devstack.locks import FileLock
from devstack.state import Place, ServerState, State


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place("mine", tmp_path)


def example() -> State:
    texts = {name: name for name in State.__dataclass_fields__ if name not in {"servers", "supervisor_pid"}}
    server = ServerState("etcd", 11, 2379, "/l/etcd.log", "http://127.0.0.1:2379/health")
    return State(**texts, supervisor_pid=10, servers=[server])


def test_the_state_survives_writing_and_reading(place: Place) -> None:
    example().write(place.state)
    assert State.read(place.state) == example()


def test_the_state_holds_tokens_and_is_for_its_user_only(place: Place) -> None:
    example().write(place.state)
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', '{"servers": [{"a": 1}]}'])
def test_a_broken_state_is_told_with_the_remedy(place: Place, text: str) -> None:
    place.state.write_text(text)
    with pytest.raises(DevstackError, match=r"cannot be read .* down`, then `up`"):
        State.read(place.state)


def test_a_state_without_its_supervisor_counts_for_nothing(place: Place) -> None:
    example().write(place.state)
    with pytest.raises(DevstackError, match="is not up: start it with `python -m devstack up --name mine`"):
        place.load()
    lock = FileLock.take(place.lock)
    assert lock is not None
    assert place.load() == example()
    lock.release()
    assert not place.running()


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "ports", "run-x", "a" * 33, "ä"])
def test_names_that_are_no_stack(name: str) -> None:
    with pytest.raises(DevstackError, match="cannot be named"):
        Place.of(name)


def test_exports_are_safe_to_eval(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "a b'c\"$(touch /tmp/x)`y`"
    monkeypatch.setattr(State, "exports", lambda _: {"INFLUX_TOKEN": nasty})
    monkeypatch.setattr(Place, "load", lambda _: example())
    assert cli.main(["env"]) == 0
    export, assignment = shlex.split(capsys.readouterr().out)
    assert (export, assignment) == ("export", f"INFLUX_TOKEN={nasty}")


def test_the_exports_have_the_names_that_others_know() -> None:
    assert list(example().exports()) == [
        "KUBECONFIG", "INFLUX_HOST", "INFLUX_TOKEN", "INFLUX_ORG", "KUBEBUILDER_ASSETS", "INFLUXD",
    ]  # fmt: skip


def test_an_error_is_one_message_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert cli.main(["env", "--name", "nobody"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("devstack: Stack nobody is not up")


def test_tables_line_up() -> None:
    assert cli.table(("A", "LONG"), [("xyz", "1"), ("y", "22")]).splitlines() == ["A     LONG", "xyz   1", "y     22"]
