"""Folders, locks and ports."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devstack import paths
from devstack.errors import DevstackError
from devstack.locks import FileLock, is_held
from devstack.ports import FIRST, LAST, Ports, is_free


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("INFLUXOPS_CACHE", raising=False)
    assert paths.cache_directory() == Path("/h/.cache/influxops")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert paths.cache_directory() == Path("/x/influxops")
    monkeypatch.setenv("INFLUXOPS_CACHE", "/own")
    assert paths.cache_directory() == Path("/own")


def test_stacks_lie_in_a_private_folder() -> None:
    assert paths.stacks_directory().stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_a_link_of_somebody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    base = paths.stacks_directory()
    base.rmdir()
    base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DevstackError, match="is not a folder of yours"):
        paths.stacks_directory()


def test_the_tail_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(map(str, range(50))))
    assert paths.tail(tmp_path / "log", 2) == "48\n49"
    assert paths.tail(tmp_path / "none") == ""


def test_a_lock_is_held_by_one_and_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = "import sys\nfrom pathlib import Path\nfrom devstack.locks import FileLock\n"
    program += "lock = FileLock.take(Path(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()\n"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(path)],
        cwd=paths.SERVERS.parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert is_held(path)
        assert FileLock.take(path) is None
        holder.kill()
    assert not is_held(path)


def test_ports_are_free_apart_and_outside_of_the_kernels_range() -> None:
    ports = Ports()
    taken = [ports.take() for _ in range(50)]
    assert len(set(taken)) == 50
    assert all(FIRST <= port <= LAST and is_free(port) for port in taken)
    ports.release()


def test_a_port_on_which_somebody_listens_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not is_free(server.getsockname()[1])
