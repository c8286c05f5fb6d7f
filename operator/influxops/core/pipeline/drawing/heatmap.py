"""A map of windows for a terminal: a row a stage, a column a window of the finest stage, a sign and a colour a state."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby

from influxops.core.pipeline.drawing.axis import axis
from influxops.core.pipeline.drawing.cells import Cell, Mark

Segment = tuple[str, Mark | None]
"""A piece of a line, and the state that gives it its colour; None: no colour."""
Line = tuple[Segment, ...]

SIGNS: Mapping[Mark, str] = {
    Mark.SUCCESS: "■",
    Mark.RETRIED: "2",
    Mark.RERUN: "↻",
    Mark.RUNNING: "▶",
    Mark.READY: "◆",
    Mark.PENDING: "◇",
    Mark.FAILED: "✗",
    Mark.SETTLED: "□",
    Mark.NOT_DUE: "·",
}
"""One column wide each; of a retried window it is the number of its attempts."""

WORDS: Mapping[Mark, str] = {
    Mark.SUCCESS: "succeeded",
    Mark.RETRIED: "attempts",
    Mark.RERUN: "run again",
    Mark.RUNNING: "running",
    Mark.READY: "ready",
    Mark.PENDING: "waiting",
    Mark.FAILED: "failed",
    Mark.SETTLED: "settled, no record",
    Mark.NOT_DUE: "not yet due",
}
_BAR, _END = "━", "╸"
_HEAD = "STAGE"
_GAP = 2
_LEAST = 8


def room(names: Sequence[str], width: int) -> int:
    """Columns for windows beside the names of the stages."""
    return max(1, width - _gutter(names, width))


def heat_map(rows: Mapping[str, Sequence[Cell]], bounds: Sequence[datetime], zone: str, width: int) -> list[Line]:
    """The map: stages with their cells, in order, over the columns between ``bounds``.

    What does not fit beside each other goes below, with an axis of its own. Nothing is wider than ``width``, down to about
    ten columns.
    """
    names = list(rows)
    gutter, many = _gutter(names, width), room(names, width)
    painted = {name: _row(cells, bounds) for name, cells in rows.items()}
    lines: list[Line] = []
    for first in range(0, len(bounds) - 1, many):
        if first:
            lines.append(())
        upper, lower = axis(bounds[first : first + many + 1], zone)
        lines.append(((f"{'':{gutter}}{upper}", None),))
        lines.append(((f"{_HEAD:{gutter}}{lower}", None),))
        heads = [f"{_clipped(name, gutter - _GAP):{gutter}}" for name in names]
        lines += [((head, None), *_band(painted[name], first, many)) for head, name in zip(heads, names, strict=True)]
    return lines


def legend(cells: Sequence[Cell], width: int) -> list[Line]:
    """The signs that occur with their number of windows, on as many lines as they need."""
    counts = counted(cells)
    lines: list[list[Segment]] = [[]]
    used = 0
    for mark in Mark:
        if not counts.get(mark):
            continue
        sign, words = "2-9" if mark is Mark.RETRIED else SIGNS[mark], f" {WORDS[mark]} {counts[mark]}"
        wide = len(sign) + len(words)
        if used and used + 3 + wide > width:
            lines.append([])
            used = 0
        if used:
            lines[-1].append(("   ", None))
            used += 3
        lines[-1] += [(sign, mark), (words, None)]
        used += wide
    return [tuple(line) for line in lines]


def counted(cells: Sequence[Cell]) -> dict[Mark, int]:
    """How many windows of all stages are in which state."""
    return dict(Counter(cell.mark for cell in cells))


def plain(lines: Sequence[Line]) -> str:
    """Lines without colours, no blanks at their ends."""
    return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in lines)


def _gutter(names: Sequence[str], width: int) -> int:
    longest = max(len(_HEAD), *(len(name) for name in names))
    return min(longest, max(_LEAST, width // 3)) + _GAP


def _clipped(name: str, width: int) -> str:
    return name if len(name) <= width else f"{name[: width - 1]}…"


def _row(cells: Sequence[Cell], bounds: Sequence[datetime]) -> list[tuple[str, str, Mark | None]]:
    """For each column what is drawn, the sign of the cell, and its state."""
    drawn: list[tuple[str, str, Mark | None]] = [(" ", " ", None)] * (len(bounds) - 1)
    for cell in cells:
        first = max(0, bisect_right(bounds, cell.since) - 1)
        after = bisect_right(bounds, cell.window.stop) - 1
        sign = str(min(cell.attempt, 9)) if cell.mark is Mark.RETRIED else SIGNS[cell.mark]
        for at in range(first, after):
            drawn[at] = (sign if at == first else _BAR, sign, cell.mark)
        if after - first > 1 and cell.window.stop <= bounds[-1]:
            drawn[after - 1] = (_END, sign, cell.mark)
    return drawn


def _band(drawn: Sequence[tuple[str, str, Mark | None]], first: int, many: int) -> Iterator[Segment]:
    """A part of a row. A cell that began before it shows its sign once more."""
    part = list(drawn[first : first + many])
    _, sign, mark = part[0]
    part[0] = (sign, sign, mark)
    for same, group in groupby(part, key=lambda one: one[2]):
        yield "".join(text for text, _, _ in group), same
