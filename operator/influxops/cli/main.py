"""The command line: ``influxops``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from influxops import __version__
from influxops.cli import orphans, templates
from influxops.cli.backfill import backfill
from influxops.cli.completion import answer, completion
from influxops.cli.explain import explain
from influxops.cli.force import retry, run
from influxops.cli.graph import graph
from influxops.cli.import_ import import_
from influxops.cli.objects import approve, reconcile, recreate, release, resume, suspend
from influxops.cli.operate import operator
from influxops.cli.plan import plan
from influxops.cli.runs import logs, runs
from influxops.cli.top import top
from influxops.cli.tree import tree
from influxops.cli.validate import validate
from influxops.cli.windows import windows
from influxops.settings import ConfigError

USAGE = 2
"""Exit status for a mistake in flags, variables or files of the user."""

app = typer.Typer(
    name="influxops",
    help="InfluxDB 2.x tasks and bucket settings as Kubernetes resources.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the panels of rich cut long flags off
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("operator")(operator)
app.command("plan")(plan)
_ON_RUNS: tuple[Callable[..., None], ...] = (runs, logs, retry, run, backfill, tree, top, windows, graph)
for wanted in _ON_RUNS:
    app.command()(wanted)
app.command("validate")(validate)
app.command()(explain)
app.command("import")(import_)
for command in (approve, reconcile, recreate, suspend, resume, release):
    app.command()(command)
app.command()(completion)
app.add_typer(orphans.app)
app.add_typer(templates.app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"influxops {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """InfluxDB 2.x tasks and bucket settings as Kubernetes resources."""


@app.command("version")
def print_version() -> None:
    """Print the version and exit."""
    typer.echo(f"influxops {__version__}")


def main() -> None:
    """The entry point. A user's mistake is one sentence on stderr and exit status 2, never a traceback."""
    try:
        answer(app)
        app()
    except ConfigError as error:
        typer.echo(f"influxops: {error}", err=True)
        sys.exit(USAGE)
