"""The graph of a pipeline's stages: who waits for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from influxops.core.pipeline.result import Source, Target


@dataclass(frozen=True, slots=True)
class StageNode:
    """What the graph knows of a stage."""

    name: str
    depends_on: tuple[str, ...] = ()
    source: Source | None = None
    destination: Target | None = None
    replaces: bool = False
    """Whether its ``writeDisposition`` is Replace: what stands in the destination is deleted first."""
    checked: bool = False
    """Whether checks read its destination."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a manifest."""

    path: str
    """Such as ``spec.stages[2].dependsOn``."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class GraphFault(ValueError):
    """The stages make no graph; ``faults`` has all of them, at least one, in manifest order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Graph:
    """Stages and edges without a cycle. Every list is in topological order, ties broken by the manifest's order."""

    order: tuple[str, ...]
    """All stages, parents before children."""
    parents: Mapping[str, tuple[str, ...]]
    """``dependsOn`` of each, in topological order."""
    children: Mapping[str, tuple[str, ...]]

    @property
    def roots(self) -> tuple[str, ...]:
        """Stages that wait for no other."""
        raise NotImplementedError

    @property
    def leaves(self) -> tuple[str, ...]:
        """Stages that no other waits for."""
        raise NotImplementedError

    def ancestors(self, name: str) -> tuple[str, ...]:
        """All that ``name`` waits for, near and far, itself not among them. Raises KeyError for an unknown name."""
        raise NotImplementedError

    def descendants(self, name: str) -> tuple[str, ...]:
        """All that wait for ``name``, near and far, itself not among them. Raises KeyError for an unknown name."""
        raise NotImplementedError

    def with_descendants(self, names: Sequence[str]) -> tuple[str, ...]:
        """These stages and all that wait for them. Raises KeyError for an unknown name."""
        raise NotImplementedError

    def layers(self) -> list[list[str]]:
        """For a drawing: a stage's layer is the number of edges of the longest path that leads to it."""
        raise NotImplementedError


def graph(stages: Sequence[StageNode]) -> Graph:
    """The graph of these stages in manifest order. Raises GraphFault with every fault."""
    raise NotImplementedError


def warnings(stages: Sequence[StageNode]) -> list[Fault]:
    """What is legal and yet looks wrong: a stage reads what another one writes and does not wait for it."""
    raise NotImplementedError
