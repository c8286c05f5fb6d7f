"""Completion for shells: ``influxops completion``, and the helper by which kubectl completes ``kubectl influx``."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from typer import Typer

PROGRAM = "influxops"
VARIABLE = "_INFLUXOPS_COMPLETE"
"""Says what a shell wants; the scripts set it."""
NO_FILES = ":4"
"""How kubectl is told not to offer files: cobra's ShellCompDirectiveNoFileComp."""


class Shell(StrEnum):
    """Shells that there are scripts for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")]) -> None:
    """Print a script that makes a shell complete commands, options, and names from the cluster.

    For bash: source <(influxops completion bash). For zsh: influxops completion zsh > "${fpath[1]}/_influxops". For fish:
    influxops completion fish > ~/.config/fish/completions/influxops.fish. As a kubectl plugin it is completed by kubectl's
    own completion, which calls kubectl_complete-influx.
    """
    from influxops.cli.main import app

    os.environ[VARIABLE] = f"source_{shell.value}"
    answer(app)


def answer(app: Typer, environ: Mapping[str, str] = os.environ) -> None:
    """Answer a shell that asks for completion, and exit; return when none does."""
    if environ.get(VARIABLE):
        # It registers the shells, which Typer does only for programs that have its own --install-completion.
        from typer.completion import get_completion_inspect_parameters

        get_completion_inspect_parameters()
        app(args=[], prog_name=PROGRAM)


def kubectl() -> None:
    """The entry point ``kubectl_complete-influx WORD... LAST``: prints what LAST may become, as kubectl wants it."""
    from influxops.cli.main import app

    *words, last = sys.argv[1:] or [""]
    # A last word that is empty must not be quoted: it is what stands behind the last blank.
    os.environ["_TYPER_COMPLETE_ARGS"] = f"{shlex.join([PROGRAM, *words])} {shlex.quote(last) if last else ''}"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ[VARIABLE] = "complete_fish"
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        answer(app)
    for line in filter(None, said.getvalue().splitlines()):
        typer.echo(line)
    typer.echo(NO_FILES)
