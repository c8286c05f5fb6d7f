"""The reference of the command line, from the commands' own help, of the lints, from their own words, and of the templates:
``python -m influxops.cli.docgen [--check] docs/reference``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from influxops.api.crdgen import write
from influxops.cli.main import app
from influxops.core.lint.catalogue import RULES
from influxops.core.lint.rule import Rule
from influxops.library import catalogue
from influxops.library.show import page

FILE = "commands.md"
LINTS = "lints.md"
TEMPLATES = "templates.md"
_HIDDEN = frozenset({"help"})


def text() -> str:
    """The whole page."""
    group: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Written by `make generate` from `influxops --help`. As a kubectl plugin the same program is `kubectl influx`.",
        "",
        "Exit status: 0; 1 when a plan found something wrong; 2 for a mistake in the command, or a server that refuses.",
    ]
    for name, command in sorted(_all(group, "")):
        lines += ["", *_command(name, command)]
    return "\n".join(lines) + "\n"


def lints() -> str:
    """The page of the lints."""
    lines = [
        "# Lints",
        "",
        "Written by `make generate` from the lints themselves, whose examples are tests. `influxops validate` finds them;",
        "`// influxops:ignore[rule] reason` on the line, or on a line of its own before it, silences one.",
    ]
    for rule in RULES:
        lines += ["", f"## {rule.name}", "", f"{rule.severity.value.capitalize()}. {rule.summary} {rule.why}", ""]
        lines += [f"To mend it: {rule.remedy}.", *_examples(rule)]
    return "\n".join(lines) + "\n"


def _examples(rule: Rule) -> Iterator[str]:
    for word, example in (("wrong", rule.bad), ("right", rule.good)):
        if example:
            yield from ("", "```js", f"// {word}", *example.replace(" |> ", "\n    |> ").split("\n"), "```")


def _all(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _all(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _command(name: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and param.name not in _HIDDEN]
    yield f"## influxops {' '.join([name, *map(_placeholder, arguments)])}"
    yield ""
    yield "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))
    if arguments or options:
        yield ""
        yield "| | |"
        yield "| --- | --- |"
    for argument in arguments:
        yield f"| `{_placeholder(argument)}` | {_cell(argument.help)} |"
    for option in options:
        names = ", ".join(f"`{flag}`" for flag in (*option.opts, *option.secondary_opts))
        variable = f" (`{option.envvar}`)" if isinstance(option.envvar, str) else ""
        yield f"| {names} | {_cell(option.help)}{variable} |"


def _placeholder(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _cell(help_: str | None) -> str:
    return " ".join((help_ or "").split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` say whether they are up to date; returns the exit status."""
    pages = {FILE: text(), LINTS: lints(), TEMPLATES: page(list(catalogue.TEMPLATES.values()))}
    return write(pages, arguments, "influxops.cli.docgen", "the commands' help")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
