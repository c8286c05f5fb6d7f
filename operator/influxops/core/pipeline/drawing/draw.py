"""A graph of stages as Mermaid, as SVG and as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from influxops.core.pipeline.drawing.shown import COLOURS, OTHER, Shown, lines_of
from influxops.core.pipeline.drawing.svg import svg
from influxops.core.pipeline.drawing.text import text
from influxops.core.pipeline.graph import Graph

__all__ = ["Shown", "mermaid", "svg", "text"]


def mermaid(graph: Graph, states: Mapping[str, Shown] | None = None, title: str = "Stages") -> str:
    """A Mermaid flowchart, as GitHub and many wikis draw it."""
    return "\n".join(_mermaid(graph, states or {}, title)) + "\n"


def _mermaid(graph: Graph, states: Mapping[str, Shown], title: str) -> Iterator[str]:
    ids = {name: f"s{number}" for number, name in enumerate(graph.order)}
    used: dict[str, None] = {}
    yield "flowchart TD"
    yield f"    accTitle: {_plain(title)}"
    for name in graph.order:
        shown = states.get(name)
        label = "<br/>".join(map(_escape, [name, *lines_of(shown)]))
        kind = "" if shown is None else shown.word if shown.word in COLOURS else OTHER
        yield f'    {ids[name]}["{label}"]' + (f":::{kind.lower()}" if kind else "")
        if kind:
            used[kind] = None
    for name in graph.order:
        for parent in graph.parents[name]:
            yield f"    {ids[parent]} --> {ids[name]}"
    for kind in used:
        colour = COLOURS[kind]
        yield f"    classDef {kind.lower()} fill:{colour.fill},stroke:{colour.line},color:{colour.ink}"


def _escape(words: str) -> str:
    """As Mermaid wants it inside a quoted label."""
    for sign, code in (("#", "#35;"), ("&", "#amp;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;"), ("`", "#96;")):
        words = words.replace(sign, code) if sign != "&" else words.replace("&", code)
    return " ".join(words.split())


def _plain(words: str) -> str:
    """On one line, without signs that mean something to Mermaid."""
    return "".join(sign if sign.isalnum() or sign in " -_./," else " " for sign in words).strip() or "Stages"
