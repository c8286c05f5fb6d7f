"""A graph of stages with the box-drawing characters of Unicode.

Lines of one stage may branch; lines of two stages never join, and where they cross the one from left to right is cut. Each
parent of a stage arrives at an arrowhead of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from influxops.core.pipeline.drawing.layout import Item, Layout, layout
from influxops.core.pipeline.drawing.shown import Shown, lines_of
from influxops.core.pipeline.graph import Graph

_GAP = 3
_NORTH, _SOUTH, _WEST, _EAST = 1, 2, 4, 8
_SIGNS = dict(
    zip(
        (0, 3, 12, 5, 9, 6, 10, 7, 11, 13, 14, 15, 1, 2, 4, 8),
        (" ", "│", "─", "┘", "└", "┐", "┌", "┤", "├", "┴", "┬", "┼", "│", "│", "─", "─"),
        strict=True,
    )
)

Cells = dict[tuple[int, int], str]


def text(graph: Graph, states: Mapping[str, Shown] | None = None) -> str:
    """Boxes and arrows from top to bottom, for a terminal with a font of fixed width. Lines end without blanks."""
    drawing = _Drawing(layout(graph), states or {})
    cells = drawing.cells()
    height = max((y for y, _ in cells), default=-1) + 1
    width = max((x for _, x in cells), default=-1) + 1
    lines = ("".join(cells.get((y, x), " ") for x in range(width)).rstrip() for y in range(height))
    return "".join(f"{line}\n" for line in lines)


class _Drawing:
    def __init__(self, plan: Layout, states: Mapping[str, Shown]) -> None:
        self.plan = plan
        self.states = states
        self.parents = [
            {lower: sum(below == lower for _, below in plan.links[number - 1]) for lower in range(len(row))}
            if number
            else {}
            for number, row in enumerate(plan.rows)
        ]
        self.widths = [
            [self._width(number, place) for place in range(len(row))] for number, row in enumerate(plan.rows)
        ]
        self.lefts = self._lefts()

    def cells(self) -> Cells:
        """Every character by (line, column)."""
        cells: Cells = {}
        top = 0
        for number, row in enumerate(self.plan.rows):
            height = max(len(self._lines(item)) for item in row) + 2
            last = number == len(self.plan.links)
            for place, item in enumerate(row):
                self._item(cells, number, place, item, top, height)
            top += height
            if not last:
                top += self._channel(cells, number, top)
        return cells

    def _lines(self, item: Item) -> list[str]:
        return [] if item.passing else [item.stage, *lines_of(self.states.get(item.stage))]

    def _width(self, number: int, place: int) -> int:
        item = self.plan.rows[number][place]
        if item.passing:
            return 1
        room = max(map(len, self._lines(item))) + 4
        return max(room, 4 * self.parents[number].get(place, 0) + 3) | 1

    def _lefts(self) -> list[list[int]]:
        """The first column of each item."""
        sizes = {
            item: self.widths[number][place]
            for number, row in enumerate(self.plan.rows)
            for place, item in enumerate(row)
            if not item.passing
        }
        rows: list[list[int]] = []
        for number, centres in enumerate(self.plan.centres(lambda item: sizes.get(item, 1), _GAP)):
            row: list[int] = []
            for width, centre in zip(self.widths[number], centres, strict=True):
                left = math.floor(centre + 0.5) - width // 2
                row.append(max(left, row[-1] + self.widths[number][len(row) - 1] + _GAP) if row else left)
            rows.append(row)
        shift = min((left for row in rows for left in row), default=0)
        return [[left - shift for left in row] for row in rows]

    def _middle(self, number: int, place: int) -> int:
        return self.lefts[number][place] + self.widths[number][place] // 2

    def _item(self, cells: Cells, number: int, place: int, item: Item, top: int, height: int) -> None:
        """A box, or a line that passes by."""
        if item.passing:
            cells.update({(top + y, self.lefts[number][place]): "│" for y in range(height)})
            return
        left, width = self.lefts[number][place], self.widths[number][place]
        lines = self._lines(item) + [""] * (height - 2 - len(self._lines(item)))
        drawn = [f"┌{'─' * (width - 2)}┐", *(f"│{line:^{width - 2}}│" for line in lines), f"└{'─' * (width - 2)}┘"]
        for y, line in enumerate(drawn):
            cells.update({(top + y, left + x): sign for x, sign in enumerate(line)})
        if number < len(self.plan.links) and any(upper == place for upper, _ in self.plan.links[number]):
            cells[top + height - 1, self._middle(number, place)] = "┬"

    def _channel(self, cells: Cells, number: int, top: int) -> int:
        """Draw the links below a row; how many lines they take."""
        ports = self._ports(number)
        tracks = _tracks({upper: (self._middle(number, upper), columns) for upper, columns in ports.items()})
        height = max(2, max(tracks.values(), default=-1) + 2)
        upright: dict[tuple[int, int], int] = {}
        for upper, columns in ports.items():
            source = self._middle(number, upper)
            masks: dict[tuple[int, int], int] = {}
            track = tracks.get(upper, 0)
            low, high = min([source, *columns]), max([source, *columns])
            for x in range(low, high + 1):
                masks[track, x] = (_WEST if x > low else 0) | (_EAST if x < high else 0)
            for y in range(track + 1):
                masks[y, source] = masks.get((y, source), 0) | _NORTH | (_SOUTH if y < track else 0)
            for x in columns:
                for y in range(track, height):
                    masks[y, x] = masks.get((y, x), 0) | _SOUTH | (_NORTH if y > track else 0)
            for cell, mask in masks.items():
                if cell not in upright or mask & (_NORTH | _SOUTH):
                    upright[cell] = mask
        cells.update({(top + y, x): _SIGNS[mask] for (y, x), mask in upright.items()})
        for upper, lower in self.plan.links[number]:
            if not self.plan.rows[number + 1][lower].passing:
                cells[top + height - 1, self._port(number, upper, lower)] = "▼"
        return height

    def _ports(self, number: int) -> dict[int, list[int]]:
        """The columns that the lines of each upper item arrive at."""
        found: dict[int, list[int]] = {}
        for upper, lower in self.plan.links[number]:
            found.setdefault(upper, []).append(self._port(number, upper, lower))
        return found

    def _port(self, number: int, upper: int, lower: int) -> int:
        """Where a line arrives: straight below its source if it can, and never where another one sets out."""
        rivals = sorted(above for above, below in self.plan.links[number] if below == lower)
        left, width = self.lefts[number + 1][lower], self.widths[number + 1][lower]
        if width == 1:
            return left
        others = {self._middle(number, above) for above, _ in self.plan.links[number]}
        taken: list[int] = []
        for rank, above in enumerate(rivals):
            source = self._middle(number, above)
            free = [
                x
                for x in range(left + 1, left + width - 1)
                if (x == source or x not in others)
                and (not taken or x > taken[-1] + 1)
                and x < left + width - 1 - 2 * (len(rivals) - 1 - rank)
            ]
            ideal = left + width * (2 * rank + 1) // (2 * len(rivals))
            best = (
                source
                if source in free and (len(rivals) == 1 or abs(source - ideal) <= width // (2 * len(rivals)))
                else ideal
            )
            taken.append(min(free or [ideal], key=lambda x: (abs(x - best), x)))
        return taken[rivals.index(upper)]


def _tracks(nets: dict[int, tuple[int, list[int]]]) -> dict[int, int]:
    """The line below the row on which each net runs from left to right; nets that go straight down need none.

    Those that go right are above those from further left, those that go left above those from further right: so that
    they do not cross where they need not.
    """
    bent = {upper: net for upper, net in nets.items() if set(net[1]) != {net[0]}}
    made: dict[int, int] = {}

    def order(upper: int) -> tuple[bool, int, int]:
        source, columns = bent[upper]
        waits = any(other not in made and other != upper and net[0] in columns for other, net in bent.items())
        right = sum(columns) / len(columns) > source
        return (waits, 0, -source) if right else (waits, 1, source)

    while len(made) < len(bent):
        upper = min((upper for upper in bent if upper not in made), key=order)
        low, high = _reach(bent[upper])
        above = [
            track
            for other, track in made.items()
            if _reach(bent[other])[0] <= high + 1 and low <= _reach(bent[other])[1] + 1
        ]
        made[upper] = max(above, default=-1) + 1
    return made


def _reach(net: tuple[int, list[int]]) -> tuple[int, int]:
    return min(net[0], *net[1]), max(net[0], *net[1])
