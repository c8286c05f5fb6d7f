"""Flags from the fields of Settings, so that help, names and defaults are written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import get_args

import typer
from pydantic.fields import FieldInfo

from influxops.settings import Settings, flag


def settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that takes ``**flags`` one option for each setting; options that are not given arrive as None."""
    parameters = [_parameter(name, field) for name, field in Settings.model_fields.items()]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters} | {"return": None}
    return command


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    # Numbers and choices arrive as text: Settings reads them as it reads variables, with one wording for mistakes.
    kind = bool if field.annotation is bool else str
    names = f"{flag(name)}/--no-{name.replace('_', '-')}" if kind is bool else flag(name)
    option = typer.Option(
        None, names, help=_help(field), metavar=None if kind is bool else _metavar(field), show_default=False
    )
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=option, annotation=kind | None)


def _metavar(field: FieldInfo) -> str:
    if field.annotation in (int, float):
        return "NUMBER"
    return "|".join(item for item in get_args(field.annotation) if isinstance(item, str)) or "TEXT"


def _help(field: FieldInfo) -> str:
    default = field.get_default() if field.default_factory is None else ""
    if default in ("", ()):
        return str(field.description)
    shown = (
        str(default).lower() if isinstance(default, bool) else f"{default:g}" if isinstance(default, float) else default
    )
    return f"{field.description} Default: {shown}."
