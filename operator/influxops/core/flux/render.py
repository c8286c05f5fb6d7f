"""From a user's script to the script that InfluxDB stores, and back from a place in the one to a place in the other.

The user's text is never rewritten: generated lines are put between its imports and its first statement, and all the
rest stays byte for byte as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from influxops.core.flux.facts import ScriptFacts
from influxops.core.flux.quote import quote_string

RENDERER = "1"
"""Rises when the same spec renders to other bytes; then every script is rendered and compared anew."""

MEMBERS = frozenset({"timeRangeStart", "timeRangeStop", "windowPeriod"})
"""What a script may read from ``v``: what the prelude defines."""

_DATE = "influxopsDate"


@dataclass(frozen=True, slots=True)
class TaskHeader:
    """The generated ``option task``; durations are literals of h, m and s (``every``, ``offset``)."""

    name: str
    every: str = ""
    cron: str = ""
    offset: str = ""


@dataclass(frozen=True, slots=True)
class Prelude:
    """What ``v`` is made of, as duration literals. ``lookback`` empty: none."""

    period: str
    align: str
    lookback: str = ""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A script and how it came from the user's text."""

    text: str
    inserts: tuple[tuple[int, str], ...]
    """What was put in, as (offset in the user's text, text), in order."""


def render(script: str, facts: ScriptFacts, header: TaskHeader | None, prelude: Prelude | None) -> Rendered:
    """Put ``option task`` (unless ``header`` is None: the script brings its own) and ``option v`` into a script."""
    imports, statements = generated(header, prelude)
    inserts: list[tuple[int, str]] = []
    if imports:
        at = facts.imports_at
        inserts.append((at, imports if at == 0 else f"\n{imports}"))
    if statements:
        at = facts.cut
        inserts.append((at, statements if at == 0 else f"\n{statements}"))
    text = ""
    position = 0
    for at, inserted in inserts:
        text += script[position:at] + inserted
        position = at
    text += script[position:]
    return Rendered(text, tuple(inserts))


def generated(header: TaskHeader | None, prelude: Prelude | None) -> tuple[str, str]:
    """The import and the statements that are put into a script; empty where none is."""
    imports = "" if prelude is None else f'import {_DATE} "date"\n'
    return imports, ("" if header is None else _task(header)) + ("" if prelude is None else _v(prelude))


def renders_to(script: str, body: str, imports: str, statements: str) -> bool:
    """Whether a body that we stored is this script with these lines put in, which no syntax tree is needed to know."""
    return any(left == script for rest in _without(body, statements) for left in _without(rest, imports))


def _without(text: str, lines: str) -> Iterator[str]:
    """The text without the first occurrence of generated lines, and without the line break before them as well."""
    if not lines:
        yield text
        return
    for inserted in (lines, f"\n{lines}"):
        head, found, tail = text.partition(inserted)
        if found:
            yield head + tail


def to_user_place(script: str, rendered: Rendered, line: int, column: int) -> tuple[int, int] | None:
    """The place in the user's script of a place in the rendered one; None inside generated lines.

    Lines and columns count from 1, columns in characters.
    """
    lines = rendered.text.split("\n")
    if not 1 <= line <= len(lines):
        return None
    offset = sum(len(text) + 1 for text in lines[: line - 1]) + column - 1
    shift = 0
    for at, inserted in rendered.inserts:
        start = at + shift
        if offset < start:
            break
        if offset < start + len(inserted):
            return None
        shift += len(inserted)
    mine = offset - shift
    before = script[:mine]
    return before.count("\n") + 1, mine - (before.rfind("\n") + 1) + 1


def _task(header: TaskHeader) -> str:
    parts = [f"name: {quote_string(header.name)}"]
    if header.every:
        parts.append(f"every: {header.every}")
    if header.cron:
        parts.append(f"cron: {quote_string(header.cron)}")
    if header.offset:
        parts.append(f"offset: {header.offset}")
    return f"option task = {{{', '.join(parts)}}}\n"


def _v(prelude: Prelude) -> str:
    """Literals bound to ``now()``, which in a task is the slot that the run is for.

    ``option v`` must not use ``task.every``: the server refuses options that depend on each other (measured on 2.7.12).
    """
    stop = f"{_DATE}.truncate(t: now(), unit: {prelude.align})"
    start = f"{_DATE}.sub(d: {prelude.period}, from: {stop})"
    if prelude.lookback:
        start = f"{_DATE}.sub(d: {prelude.lookback}, from: {start})"
    return f"option v = {{timeRangeStart: {start}, timeRangeStop: {stop}, windowPeriod: {prelude.period}}}\n"
