"""The command line as a process: exit status, stdout and stderr."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from influxops import __version__
from influxops.settings import Settings, flag

SOURCE = Path(__file__).parents[3] / "operator"


def influxops(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXOPS_")}
    return subprocess.run(
        [sys.executable, "-m", "influxops", *args],
        env=clean | {"PYTHONPATH": str(SOURCE), "COLUMNS": "100"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("args", [["--version"], ["version"]])
def test_version(args: list[str]) -> None:
    """On stdout, for scripts."""
    done = influxops(*args)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"influxops {__version__}\n", "")


def test_help_of_operator_names_every_option_in_full() -> None:
    """With its default and without cut words."""
    done = influxops("operator", "--help")
    assert done.returncode == 0
    for name in Settings.model_fields:
        assert flag(name) in done.stdout
    assert "--no-leader-elect" in done.stdout
    assert "Default: 32." in done.stdout
    assert "…" not in done.stdout


@pytest.mark.parametrize(
    ("args", "variables", "message"),
    [
        (["operator", "--namespaces", "a"], {}, "influxops: --namespaces needs --instance-id"),
        (["operator"], {"INFLUXOPS_WORKERS": "x"}, "influxops: --workers (or INFLUXOPS_WORKERS): 'x': input should be"),
        (["operator", "--nonsense"], {}, "No such option: --nonsense"),
        (["start"], {}, "No such command 'start'"),
        (["operator", "extra"], {}, "unexpected extra argument"),
    ],
)
def test_a_mistake_ends_with_status_2_and_no_traceback(
    args: list[str], variables: dict[str, str], message: str
) -> None:
    """Whether it is in a flag, a variable or the command."""
    done = influxops(*args, **variables)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_no_arguments_show_the_help() -> None:
    """A new user is told what there is."""
    done = influxops()
    assert "operator" in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
