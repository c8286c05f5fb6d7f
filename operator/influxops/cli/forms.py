"""The forms in which commands that list something print it: ``-o table|wide|json|yaml``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any

import typer

from influxops.cli.output import colored, write
from influxops.cli.table import table


class Form(StrEnum):
    """The forms of a list."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


Output = Annotated[
    Form, typer.Option("-o", "--output", help="table; wide: with more columns; json or yaml: everything, for programs.")
]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    wide: bool = False
    """True for a column that only ``-o wide`` shows."""


@dataclass(slots=True)
class Listing:
    """What a command lists: rows for people, items for programs, and what both should know besides."""

    columns: Sequence[Column]
    rows: list[Sequence[str]] = field(default_factory=list)
    items: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is missing, and why: in json and yaml part of the answer, else on standard error."""
    footer: str = ""
    empty: str = "nothing found"
    """Said on standard error in place of a table without rows."""


def show(listing: Listing, form: Form) -> None:
    """Print a listing in the form that a user wants."""
    if form in {Form.JSON, Form.YAML}:
        write(dump({"items": listing.items, "notes": listing.notes}, form), None)
        return
    shown = [number for number, column in enumerate(listing.columns) if form is Form.WIDE or not column.wide]
    header = [listing.columns[number].title for number in shown]
    if listing.rows:
        write(table(header, ([row[number] for number in shown] for row in listing.rows), color=colored()), None)
    else:
        typer.echo(listing.empty, err=True)
    if listing.footer and listing.rows:
        write(f"\n{listing.footer}\n", None)
    for note in listing.notes:
        typer.echo(f"Note: {note}", err=True)


def dump(data: dict[str, Any], form: Form) -> str:
    """Data as JSON or YAML."""
    if form is Form.JSON:
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    from influxops.preview.yamltext import document  # here, so that tables do not wait for it

    return document(data)
