"""What keeps stages from being a graph that can run, each fault with its place in the manifest and a remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from influxops.core.pipeline.proofs.result import Source, Target, overlap


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
    """Whether checks or proofs read its destination."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a manifest."""

    path: str
    """Such as ``spec.stages[2].dependsOn``."""
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class GraphFault(ValueError):
    """The stages make no graph; ``faults`` has one or more, in manifest order."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(map(str, faults)))
        self.faults = tuple(faults)


def reference_faults(stages: Sequence[StageNode]) -> list[Fault]:
    """Names that are given twice, and edges to nobody or to the stage itself."""
    return list(_reference_faults(stages))


def _reference_faults(stages: Sequence[StageNode]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, stage in enumerate(stages):
        if first.setdefault(stage.name, number) != number:
            message = f"{stage.name!r} is the name of spec.stages[{first[stage.name]}], too; give each stage its own"
            yield Fault(f"spec.stages[{number}].name", message)
        path = f"spec.stages[{number}].dependsOn"
        for place, name in enumerate(stage.depends_on):
            if name in stage.depends_on[:place]:
                yield Fault(path, f"{name!r} stands there twice; remove one")
            elif name == stage.name:
                yield Fault(path, f"{name!r} depends on itself; remove it")
            elif all(name != other.name for other in stages):
                yield Fault(path, f"there is no stage {name!r}; {_near(name, [other.name for other in stages])}")


def _near(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"the stages are {', '.join(known)}"


def cycle_faults(stages: Sequence[StageNode]) -> list[Fault]:
    """One fault for each knot of stages that wait for each other, with one whole cycle of it, shortest first seen."""
    depends_on = {stage.name: stage.depends_on for stage in stages}
    faults, told = [], set[str]()
    for number, stage in enumerate(stages):
        cycle = [] if stage.name in told else _way(depends_on, stage.name)
        if cycle:
            told.update(cycle)
            message = (
                f"{' -> '.join(cycle)} is a cycle, and none of them could ever run; remove one of these dependencies"
            )
            faults.append(Fault(f"spec.stages[{number}].dependsOn", message))
    return faults


def _way(depends_on: dict[str, tuple[str, ...]], name: str) -> list[str]:
    """A shortest way from a stage along ``dependsOn`` back to itself; empty when there is none."""
    ways = [[name]]
    seen = set[str]()
    for way in ways:
        for ahead in depends_on[way[-1]]:
            if ahead == name:
                return [*way, name]
            if ahead not in seen:
                seen.add(ahead)
                ways.append([*way, ahead])
    return []


def data_faults(stages: Sequence[StageNode], ancestors: Callable[[str], Collection[str]]) -> list[Fault]:
    """Stages that would change what they, or those before them, read; and stages that spoil each other's destination.

    Two stages may write one destination (branches of one result) as long as neither deletes in it nor has it checked:
    Replace would delete the other's points, and counts and proofs would take them for their own.
    """
    return list(_data_faults(stages, ancestors))


def _data_faults(stages: Sequence[StageNode], ancestors: Callable[[str], Collection[str]]) -> Iterator[Fault]:
    for number, stage in enumerate(stages):
        written = stage.destination
        if written is None:
            continue
        path = f"spec.stages[{number}].destination"
        if overlap(stage.source, written):
            yield Fault(
                path, f"{stage.name!r} would write into what it reads, {_words(written)}; write to another measurement"
            )
        for other in stages:
            if other.name in ancestors(stage.name) and overlap(other.source, written):
                yield Fault(
                    path,
                    f"{stage.name!r} would write into what {other.name!r} before it reads, {_words(written)}, so that each run "
                    "would call for another; write to another measurement",
                )
        for earlier in stages[:number]:
            spoils = stage.replaces or earlier.replaces or stage.checked or earlier.checked
            if spoils and overlap(earlier.destination, written):
                yield Fault(
                    path,
                    f"{earlier.name!r} writes into {_words(written)}, too, and "
                    + (
                        "writeDisposition Replace would delete the other's points"
                        if stage.replaces or earlier.replaces
                        else "checks would count the other's points"
                    )
                    + "; give each stage a measurement of its own",
                )


def data_warnings(stages: Sequence[StageNode], ancestors: Callable[[str], Collection[str]]) -> list[Fault]:
    """What is legal and yet looks wrong: a stage reads what another one writes, and does not wait for it."""
    return [
        Fault(
            f"spec.stages[{number}].dependsOn",
            f"{stage.name!r} reads {_words(other.destination)}, which {other.name!r} writes, and does not wait for it; "
            f"add {other.name!r} to dependsOn",
        )
        for number, stage in enumerate(stages)
        for other in stages
        if other is not stage
        and other.destination
        and overlap(stage.source, other.destination)
        and other.name not in ancestors(stage.name)
        and stage.name not in ancestors(other.name)
    ]


def _words(place: Target) -> str:
    return f"{place.measurement!r} of bucket {place.bucket!r}" if place.measurement else f"bucket {place.bucket!r}"
