"""``influxops templates``: the templates that come with influxops."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from influxops.cli.output import colored
from influxops.settings import ConfigError

app = typer.Typer(
    name="templates", help="The templates that come with influxops, for spec.template.library.", no_args_is_help=True
)


class Output(StrEnum):
    """The forms of a template."""

    TEXT = "text"
    JSON = "json"


def _names() -> list[str]:
    from influxops.api.template import Library  # here, so that --help starts fast

    return [name.value for name in Library]


_Output = Annotated[Output, typer.Option("-o", "--output", help="Form of the answer.")]


@app.command("list")
def list_(output: _Output = Output.TEXT) -> None:
    """List the templates: what each is for."""
    from influxops.cli.table import table
    from influxops.library.catalogue import TEMPLATES
    from influxops.library.show import as_json

    if output is Output.JSON:
        typer.echo(as_json(list(TEMPLATES.values())), nl=False)
        return
    rows = [(entry.name.value, entry.summary) for entry in TEMPLATES.values()]
    typer.echo(table(("NAME", "WHAT IT DOES"), rows, color=colored()), nl=False)


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A template, as influxops templates list has it.", autocompletion=_names),
    ],
    text: Annotated[
        bool, typer.Option("--text", help="Print the template itself, to begin one of your own with.")
    ] = False,
    output: _Output = Output.TEXT,
) -> None:
    """Show a template: its values with their defaults, what InfluxDB computes in its storage, and an example manifest."""
    from influxops.library.catalogue import TEMPLATES
    from influxops.library.show import as_json, as_text

    entry = next((entry for entry in TEMPLATES.values() if entry.name.value == name), None)
    if entry is None:
        raise ConfigError(f"{name!r} is no template; there are {', '.join(_names())}")
    if text:
        typer.echo(entry.text, nl=False)
    elif output is Output.JSON:
        typer.echo(as_json([entry]), nl=False)
    else:
        typer.echo(as_text(entry), nl=False)
