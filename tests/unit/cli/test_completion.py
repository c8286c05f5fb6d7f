"""Completion without a cluster: by a real bash, and as kubectl asks for it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import command
from tests.support.command import COMPLETE, in_bash

NOWHERE = {"KUBECONFIG": "/nowhere/config"}


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("influxops run", {"run", "runs"}),
        ("influxops orphans ", {"list", "delete"}),
        ("influxops runs cpu --li", {"--limit"}),
        ("influxops top -o ", {"table", "wide", "json", "yaml"}),
        ("influxops completion ", {"bash", "zsh", "fish"}),
        ("influxops runs ", set()),
        ("influxops logs cpu ", set()),
    ],
)
def test_bash(line: str, offered: set[str]) -> None:
    """Commands, options, choices; names only when a cluster answers, and silence when none does."""
    assert set(in_bash(line, **NOWHERE)) == offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("",), {"plan", "runs", "completion", "suspend"}),
        (("sus",), {"suspend"}),
        (("top", "--sort", "f"), {"failed"}),
        (("runs", ""), set()),
        (("runs", "it's", "-"), {"--since"}),
    ],
)
def test_kubectl(words: tuple[str, ...], offered: set[str]) -> None:
    """One choice a line, then the directive that no files are meant."""
    done = command.influxops(*words, program=COMPLETE, **NOWHERE)
    *lines, last = done.stdout.splitlines()
    assert (done.returncode, last, done.stderr) == (0, ":4", "")
    assert offered <= {line.partition("\t")[0] for line in lines}
    assert "" not in lines
    if not offered:
        assert lines == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts(shell: str, tmp_path: Path) -> None:
    """One for each shell, for this program; a shell that is here takes it."""
    done = command.influxops("completion", shell)
    assert done.returncode == 0
    assert "influxops" in done.stdout
    assert "_INFLUXOPS_COMPLETE" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        file = tmp_path / "script"
        file.write_text(done.stdout, encoding="utf-8")
        subprocess.run([program, "-n", str(file)], check=True, timeout=30)


def test_an_unknown_shell() -> None:
    """Names those that there are."""
    done = command.influxops("completion", "tcsh")
    assert done.returncode == 2
    assert "'bash', 'zsh', 'fish'" in done.stderr
