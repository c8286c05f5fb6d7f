"""The graph of a pipeline's stages: who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from influxops.core.pipeline.stage_faults import GraphFault, StageNode, cycle_faults, data_faults, reference_faults

__all__ = ["Graph", "GraphFault", "StageNode", "graph"]


@dataclass(frozen=True, slots=True)
class Graph:
    """Stages and edges without a cycle. Every list is in topological order, ties broken by the manifest's order."""

    order: tuple[str, ...]
    """All stages, parents before children."""
    parents: Mapping[str, tuple[str, ...]]
    """``dependsOn`` of each."""
    children: Mapping[str, tuple[str, ...]]

    @property
    def roots(self) -> tuple[str, ...]:
        """Stages that wait for no other."""
        return tuple(name for name in self.order if not self.parents[name])

    @property
    def leaves(self) -> tuple[str, ...]:
        """Stages that no other waits for."""
        return tuple(name for name in self.order if not self.children[name])

    def ancestors(self, name: str) -> tuple[str, ...]:
        """All that ``name`` waits for, near and far, itself not among them. Raises KeyError for an unknown name."""
        return self._sorted(_reach(self.parents, [name]) - {name})

    def descendants(self, name: str) -> tuple[str, ...]:
        """All that wait for ``name``, near and far, itself not among them. Raises KeyError for an unknown name."""
        return self._sorted(_reach(self.children, [name]) - {name})

    def with_descendants(self, names: Sequence[str]) -> tuple[str, ...]:
        """These stages and all that wait for them. Raises KeyError for an unknown name."""
        return self._sorted(_reach(self.children, names))

    def layers(self) -> list[list[str]]:
        """For a drawing: a stage's layer is the number of edges of the longest path that leads to it."""
        depth: dict[str, int] = {}
        for name in self.order:
            depth[name] = 1 + max((depth[parent] for parent in self.parents[name]), default=-1)
        return [
            [name for name in self.order if depth[name] == level]
            for level in range(max(depth.values(), default=-1) + 1)
        ]

    def _sorted(self, names: Iterable[str]) -> tuple[str, ...]:
        chosen = set(names)
        return tuple(name for name in self.order if name in chosen)


def graph(stages: Sequence[StageNode]) -> Graph:
    """The graph of these stages in manifest order. Raises GraphFault with every fault that shows."""
    faults = reference_faults(stages) or cycle_faults(stages)
    if faults:
        raise GraphFault(faults)
    order = _topological(stages)
    place = {name: number for number, name in enumerate(order)}
    parents = {stage.name: tuple(sorted(stage.depends_on, key=place.__getitem__)) for stage in stages}
    children = {name: tuple(child for child in order if name in parents[child]) for name in order}
    made = Graph(order, parents, children)
    faults = data_faults(stages, made.ancestors)
    if faults:
        raise GraphFault(faults)
    return made


def _topological(stages: Sequence[StageNode]) -> tuple[str, ...]:
    """Kahn's order; of the stages that may come next, the first of the manifest does."""
    order: dict[str, None] = {}
    while len(order) < len(stages):
        order[
            next(stage.name for stage in stages if stage.name not in order and order.keys() >= set(stage.depends_on))
        ] = None
    return tuple(order)


def _reach(edges: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> set[str]:
    """These and all that the edges lead to."""
    seen: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(edges[name])
    return seen
