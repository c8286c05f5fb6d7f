"""A graph of stages as one SVG element that needs nothing else.

Text stands inside filled boxes, so that it can be read on any ground; viewers that prefer dark get dark boxes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from zlib import crc32

from influxops.core.pipeline.drawing.layout import Item, Layout, layout
from influxops.core.pipeline.drawing.shown import COLOURS, OTHER, Shown, lines_of
from influxops.core.pipeline.graph import Graph

_LINE = 18
_LETTER = 7.6
"""Width of a letter at 13 px, generously."""
_PAD = 14
_GAP_X = 28
_GAP_Y = 56
_MARGIN = 12
_EDGE = "#768390"
"""A grey with a contrast above 3 on white and on black."""


def svg(graph: Graph, states: Mapping[str, Shown] | None = None, title: str = "Stages") -> str:
    """One self-contained SVG element with title and description; states by colour and by word."""
    drawing = _Drawing(graph, states or {})
    body = "\n".join([*drawing.edges(), *drawing.boxes()])
    key = f"g{crc32((title + body).encode()):08x}"
    width, height = drawing.size()
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" \
role="img" aria-labelledby="{key}t {key}d" font-family="system-ui, sans-serif" font-size="13">
<title id="{key}t">{escape(title)}</title>
<desc id="{key}d">{escape(_told(graph, states or {}))}</desc>
<style>
{_style()}
</style>
<defs><marker id="{key}a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0 0L8 4L0 8z" fill="{_EDGE}"/></marker></defs>
<g fill="none" stroke="{_EDGE}" stroke-width="1.5">
{body.replace("url(#a)", f"url(#{key}a)")}
</svg>
"""


def _told(graph: Graph, states: Mapping[str, Shown]) -> str:
    """The drawing in words."""
    sentences = []
    for name in graph.order:
        parts = [*lines_of(states.get(name))]
        if graph.parents[name]:
            parts.append(f"after {' and '.join(graph.parents[name])}")
        sentences.append(f"{name}: {', '.join(parts)}." if parts else f"{name}.")
    return " ".join(sentences)


def _style() -> str:
    light = [
        f".{word.lower()} rect{{fill:{c.fill};stroke:{c.line}}}.{word.lower()} text{{fill:{c.ink}}}"
        for word, c in COLOURS.items()
    ]
    dark = [
        f".{word.lower()} rect{{fill:{c.dark_fill};stroke:{c.dark_line}}}.{word.lower()} text{{fill:{c.dark_ink}}}"
        for word, c in COLOURS.items()
    ]
    return "\n".join([*light, "@media (prefers-color-scheme:dark){", *dark, "}"])


class _Drawing:
    """Places of boxes and lines, in pixels."""

    def __init__(self, graph: Graph, states: Mapping[str, Shown]) -> None:
        self.states = states
        self.parents = graph.parents
        self.plan: Layout = layout(graph)
        centres = self.plan.centres(self._width, _GAP_X)
        left = min(
            (
                centre - self._width(item) / 2
                for row, places in zip(self.plan.rows, centres, strict=True)
                for item, centre in zip(row, places, strict=True)
            ),
            default=0.0,
        )
        self.centres = [[centre - left + _MARGIN for centre in row] for row in centres]
        self.heights = [max(map(self._height, row)) for row in self.plan.rows]
        self.tops = [_MARGIN + sum(self.heights[:number]) + _GAP_Y * number for number in range(len(self.heights))]

    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        right = max(
            (
                c + self._width(i) / 2
                for row, places in zip(self.plan.rows, self.centres, strict=True)
                for i, c in zip(row, places, strict=True)
            ),
            default=0.0,
        )
        bottom = self.tops[-1] + self.heights[-1] if self.tops else 0
        return round(right + _MARGIN), round(bottom + _MARGIN)

    def boxes(self) -> Iterator[str]:
        """A rounded box for each stage, its name in bold."""
        yield "</g>"
        for number, row in enumerate(self.plan.rows):
            for item, centre in zip(row, self.centres[number], strict=True):
                if not item.passing:
                    yield self._box(item, centre, self.tops[number])

    def edges(self) -> Iterator[str]:
        """A curve for each link; an arrow where it ends at a stage."""
        for number, links in enumerate(self.plan.links):
            for upper, lower in links:
                above, below = self.plan.rows[number][upper], self.plan.rows[number + 1][lower]
                start, y = self.centres[number][upper], self.tops[number] + self._height(above)
                bottom = self.tops[number] + self.heights[number]
                stop, end = self._port(number, upper, lower), self.tops[number + 1]
                middle = (bottom + end) / 2
                curve = f"M{start:.0f} {y}V{bottom}C{start:.0f} {middle:.0f} {stop:.0f} {middle:.0f} {stop:.0f} {end}"
                arrow = "" if below.passing else ' marker-end="url(#a)"'
                yield f'<path d="{curve}"{arrow}/>'

    def _port(self, number: int, upper: int, lower: int) -> float:
        """Where a link meets the lower item: side by side, in the order that they come from."""
        item, centre = self.plan.rows[number + 1][lower], self.centres[number + 1][lower]
        rivals = sorted(above for above, below in self.plan.links[number] if below == lower)
        step = min(24.0, (self._width(item) - 16) / len(rivals))
        return centre + (rivals.index(upper) - (len(rivals) - 1) / 2) * step

    def _box(self, item: Item, centre: float, top: float) -> str:
        width, height = self._width(item), self._height(item)
        shown = self.states.get(item.stage)
        kind = shown.word if shown and shown.word in COLOURS else OTHER
        lines = [item.stage, *lines_of(shown)]
        bold = {0} | {place for place, line in enumerate(lines) if shown and line == shown.word}
        spans = "".join(
            f'<text x="{centre:.0f}" y="{top + _PAD + _LINE * (place + 0.6):.0f}" font-weight="{600 if place in bold else 400}">'
            f"{escape(line)}</text>"
            for place, line in enumerate(lines)
        )
        rect = f'<rect x="{centre - width / 2:.0f}" y="{top}" width="{width:.0f}" height="{height}" rx="8" stroke-width="1.5"/>'
        return (
            f'<g class="{kind.lower()}" text-anchor="middle"><title>{escape(", ".join(lines))}</title>{rect}{spans}</g>'
        )

    def _width(self, item: Item) -> float:
        if item.passing:
            return 2.0
        longest = max(map(len, [item.stage, *lines_of(self.states.get(item.stage))]))
        return max(110.0, longest * _LETTER + 2 * _PAD, 18.0 * len(self.parents[item.stage]) + 16)

    def _height(self, item: Item) -> int:
        if item.passing:
            return 0
        return 2 * _PAD + _LINE * (1 + len(lines_of(self.states.get(item.stage)))) - 4
