"""All that is wrong with a pipeline's spec beyond what one field tells: its windows, its graph, how both fit together.

The one place for it: the operator, ``influxops validate`` and every command that draws a pipeline ask here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from influxops.core.pipeline.graph import Graph, GraphFault, StageNode, graph
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.spec import PipelineLike, StageLike
from influxops.core.pipeline.stage_faults import Fault, data_warnings
from influxops.core.pipeline.windows.cadence import Cadence, CadenceFault
from influxops.core.pipeline.windows.edges import edge_fault

_READS_BACK = frozenset({"Checksum", "Conservation"})
"""Checks that are right only where nothing but the window's own points stands in the destination."""

_YEARS = timedelta(days=366 * 4)
"""How much of the calendar is looked at: all lengths of months are in it."""


def pipeline_faults(spec: PipelineLike, begin: datetime) -> tuple[Graph | None, dict[str, Cadence], list[Fault]]:
    """The graph (None when there is none), the cadence of each stage that has one, and every fault in manifest order.

    ``begin``: the start of the first window (``spec.begin``, else the creation of the object, else any time); edges between
    cadences are judged from there on. The pipeline can run exactly when there is no fault.
    """
    faults: list[Fault] = []
    found: Graph | None = None
    try:
        found = graph(stage_nodes(spec.stages))
    except GraphFault as error:
        faults += error.faults
    cadences, of_windows = stage_cadences(spec)
    faults += of_windows
    faults += _edge_faults(spec.stages, cadences, begin)
    faults += _sliding_faults(spec.stages, cadences)
    faults += _start_faults(spec.stages, cadences, begin)
    places = {f"spec.stages[{at}]": at for at in range(len(spec.stages))}
    return found, cadences, sorted(faults, key=lambda fault: places.get(fault.path.partition("]")[0] + "]", -1))


def pipeline_warnings(spec: PipelineLike, found: Graph) -> list[Fault]:
    """What is legal and yet looks wrong."""
    return data_warnings(stage_nodes(spec.stages), found.ancestors)


def stage_nodes(stages: Sequence[StageLike]) -> list[StageNode]:
    """The stages as the graph takes them."""
    return [
        StageNode(
            stage.name,
            tuple(stage.depends_on),
            _source(stage),
            Target(stage.destination.bucket, stage.destination.measurement or "") if stage.destination else None,
            replaces=stage.write_disposition == "Replace",
            checked=any(check.type != "RowCount" for check in stage.checks),
        )
        for stage in stages
    ]


def stage_cadences(spec: PipelineLike) -> tuple[dict[str, Cadence], list[Fault]]:
    """The cadence of each stage whose window is one, and what is wrong with the others."""
    given = spec.window
    cadences: dict[str, Cadence] = {}
    faults: list[Fault] = []
    common: Cadence | None = None
    try:
        common = Cadence(given.every, given.period or given.every, given.timezone, given.origin)
    except CadenceFault as error:
        faults.append(Fault(f"spec.window.{error.field}", str(error)))
        if error.field in {"timezone", "origin"}:  # which every stage shares
            return {}, faults
    for at, stage in enumerate(spec.stages):
        own = stage.window
        if own is None:
            if common is not None:
                cadences.setdefault(stage.name, common)
            continue
        try:
            cadence = Cadence(own.every, own.period or own.every, given.timezone, given.origin)
        except CadenceFault as error:
            field = f".{error.field}" if error.field in {"every", "period"} else ""
            faults.append(Fault(f"spec.stages[{at}].window{field}", str(error)))
        else:
            cadences.setdefault(stage.name, cadence)
    return cadences, faults


def _edge_faults(stages: Sequence[StageLike], cadences: dict[str, Cadence], begin: datetime) -> list[Fault]:
    """Dependencies between cadences that do not fit."""
    faults = []
    for at, stage in enumerate(stages):
        for place, name in enumerate(stage.depends_on):
            if name == stage.name or name not in cadences or stage.name not in cadences:
                continue
            child, parent = cadences[stage.name], cadences[name]
            message = "" if child == parent and child.tumbling else edge_fault(child, parent, begin)
            if message:
                where = "window" if stage.window is not None else f"dependsOn[{place}]"
                faults.append(Fault(f"spec.stages[{at}].{where}", f"stage {name}: {message}"))
    return faults


def _sliding_faults(stages: Sequence[StageLike], cadences: dict[str, Cadence]) -> list[Fault]:
    """Windows that overlap share a part of the destination, which then cannot be deleted or proven for one of them alone."""
    faults = []
    for at, stage in enumerate(stages):
        if stage.name not in cadences or cadences[stage.name].tumbling:
            continue
        if stage.write_disposition == "Replace":
            message = (
                "Replace deletes the whole window before it is written, and these windows overlap: what other windows "
                "wrote there would be lost; write Overwrite, or a period that equals every"
            )
            faults.append(Fault(f"spec.stages[{at}].writeDisposition", message))
        faults += [
            Fault(
                f"spec.stages[{at}].checks[{place}].type",
                f"the check {check.type} compares with all that the destination holds in the window, and these windows "
                "overlap: points of others are among it; use RowCount or Coverage, or a period that equals every",
            )
            for place, check in enumerate(stage.checks)
            if check.type in _READS_BACK
        ]
    return faults


def _start_faults(stages: Sequence[StageLike], cadences: dict[str, Cadence], begin: datetime) -> list[Fault]:
    """Windows that begin at the same moment: the ledger tells windows of a stage apart by their start."""
    faults = []
    for at, stage in enumerate(stages):
        own = cadences.get(stage.name)
        if own is None or own.tumbling or not own.period.months:
            continue
        windows = pairwise(own.between(begin, begin + _YEARS))
        same = next(((one, other) for one, other in windows if one.start == other.start), None)
        if same is not None:
            message = (
                f"the windows {same[0]} and {same[1]} begin at the same moment, for {own.period} before either is the same "
                "day; windows are told apart, and points are stamped, by their start: write a period in days, such as 30d"
            )
            place = f"spec.stages[{at}].window.period" if stage.window is not None else "spec.window.period"
            faults.append(Fault(place, message))
    return faults


def _source(stage: StageLike) -> Source | None:
    given = stage.source
    return Source(given.bucket, given.measurement or "", given.field or "") if given else None
