"""Where stages stand in a drawing: in rows from top to bottom, with few crossings, near those they belong to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from influxops.core.pipeline.graph import Graph

_SWEEPS = 6


@dataclass(frozen=True, slots=True)
class Item:
    """A place in a row: a stage, or a line that passes by on its way from this stage to a lower row."""

    stage: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """Items by row, and between each two rows the links (place in the upper row, place in the lower row)."""

    rows: tuple[tuple[Item, ...], ...]
    links: tuple[tuple[tuple[int, int], ...], ...]

    def centres(self, width: Callable[[Item], float], gap: float) -> list[list[float]]:
        """The middle of each item on the x axis: close to the items it is linked with, never nearer than ``gap`` to another."""
        made = [_spread([0.0] * len(row), [width(item) for item in row], gap) for row in self.rows]
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            order = range(1, len(made)) if down else range(len(made) - 2, -1, -1)
            for number in order:
                other = made[number - 1] if down else made[number + 1]
                wanted = [
                    _mean([other[place] for place in self._linked(number, index, down=down)], made[number][index])
                    for index in range(len(made[number]))
                ]
                made[number] = _spread(wanted, [width(item) for item in self.rows[number]], gap)
        return made

    def _linked(self, number: int, index: int, *, down: bool) -> list[int]:
        """Places that an item is linked with in the row above (``down``) or below."""
        if down:
            return [upper for upper, lower in self.links[number - 1] if lower == index]
        return [lower for upper, lower in self.links[number] if upper == index]


def layout(graph: Graph) -> Layout:
    """Rows by ``Graph.layers``; lines over several rows pass by in between."""
    layers = graph.layers()
    depth = {name: level for level, names in enumerate(layers) for name in names}
    deepest = {name: max((depth[child] for child in graph.children[name]), default=0) for name in graph.order}
    rows = [
        [Item(name) for name in names]
        + [Item(name, passing=True) for name in graph.order if depth[name] < level < deepest[name]]
        for level, names in enumerate(layers)
    ]
    best = rows
    for sweep in range(_SWEEPS):
        rows = _sorted(graph, rows, down=sweep % 2 == 0)
        if _crossings(graph, rows) < _crossings(graph, best):
            best = rows
    return Layout(tuple(map(tuple, best)), tuple(tuple(_links(graph, *pair)) for pair in pairwise(best)))


def _links(graph: Graph, upper: Sequence[Item], lower: Sequence[Item]) -> list[tuple[int, int]]:
    """The links between two rows, as places in them."""
    return [
        (above, below)
        for below, item in enumerate(lower)
        for above, source in enumerate(upper)
        if (source.stage == item.stage if item.passing else source.stage in graph.parents[item.stage])
    ]


def _sorted(graph: Graph, rows: list[list[Item]], *, down: bool) -> list[list[Item]]:
    """Each row in the order of the middles of what it is linked with in the row before it."""
    made = list(rows)
    for number in range(1, len(rows)) if down else range(len(rows) - 2, -1, -1):
        row = made[number]
        links = _links(graph, made[number - 1], row) if down else _links(graph, row, made[number + 1])
        near: dict[int, list[float]] = {}
        for above, below in links:
            near.setdefault(below if down else above, []).append(above if down else below)
        keys = {item: _mean(near.get(place, []), place) for place, item in enumerate(row)}
        made[number] = sorted(row, key=keys.__getitem__)
    return made


def _crossings(graph: Graph, rows: list[list[Item]]) -> int:
    """How many pairs of links cross."""
    return sum(
        (one[0] - other[0]) * (one[1] - other[1]) < 0
        for pair in pairwise(rows)
        for links in [_links(graph, *pair)]
        for place, one in enumerate(links)
        for other in links[:place]
    )


def _spread(wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """The nearest middles to the wanted ones (least squares) that keep order and distance: pool adjacent violators."""
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + gap)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=False):
        pool = (want - offset, 1)
        while pools and pools[-1][0] > pool[0]:
            total, count = pools.pop()
            pool = ((total * count + pool[0] * pool[1]) / (count + pool[1]), count + pool[1])
        pools.append(pool)
    middles = [value for value, count in pools for _ in range(count)]
    return [middle + offset for middle, offset in zip(middles, offsets, strict=False)]


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
