"""How many windows may wait: the agenda stays bounded, however long InfluxDB is away or a stage fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.entry import Entry, Place
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowState
from influxops.core.pipeline.windows.window import Window

_SECOND = timedelta(seconds=1)
_BY_SCHEDULE = frozenset({Cause.SCHEDULE, Cause.REPAIR})


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What was taken off the agenda."""

    newest: tuple[Place, ...] = ()
    """Of each stage the newest window that was given up, with all before it."""
    marked: tuple[Entry, ...] = ()
    """Those of which the ledger has a record, so that a restart would take them up again."""


def keep_newest(agenda: Agenda, now: datetime, after: datetime, given_up: Iterable[Place] = ()) -> GivenUp:
    """Take windows of the schedule that end after ``after`` off the agenda until each stage has at most ``catchUp.maxWindows`` left.

    ``given_up``: those that did not come onto the agenda at all. What runs goes on to its end.
    """
    plan = agenda.plan
    already = dict(given_up)
    if len(agenda) <= plan.max_windows and not already:
        return GivenUp()
    own = [
        entry
        for entry in agenda.entries.values()
        if not entry.lane and entry.cause in _BY_SCHEDULE and entry.window.stop > after and not entry.emptied
    ]
    waiting: dict[str, list[Window]] = {}
    for entry in sorted(own, key=lambda entry: entry.window.stop, reverse=True):
        waiting.setdefault(entry.stage, []).append(entry.window)
    cuts = _cuts(plan, waiting, already)
    dropped = [entry for entry in own if entry.stage in cuts and _old(entry, cuts[entry.stage])]
    marked = tuple(e for e in dropped if e.state is WindowState.FAILED or e.cause is Cause.REPAIR)
    rank = {stage: number for number, stage in enumerate(plan.graph.order)}
    for entry in sorted(dropped, key=lambda entry: -rank[entry.stage]):  # children first, or they would become ready
        agenda.drop(entry, now)
    return GivenUp(tuple(cuts.items()), marked)


def made_of(plan: PipelinePlan, given_up: Iterable[Place]) -> list[Place]:
    """Windows that end later than those that were given up and are made of them, near or far, closed or not: they must not
    run, for they would be made of a part. ``given_up``: of each stage the newest one.
    """
    edges = {stage: window.stop for stage, window in given_up}
    found: list[Place] = []
    for stage in plan.graph.order:
        before = [edges[parent] for parent in plan.graph.parents[stage] if parent in edges]
        if not before:
            continue
        edge = max(before)
        for window in plan.stages[stage].cadence.windows_touching(edge - _SECOND, edge):
            if window.stop > edge > window.start:
                found.append((stage, window))
                edges[stage] = max(edges.get(stage, window.stop), window.stop)
    return found


def _cuts(
    plan: PipelinePlan, waiting: Mapping[str, Sequence[Window]], already: Mapping[str, Window]
) -> dict[str, Window]:
    """Of each stage the newest window that is too old, or made of one that is; ``waiting``: newest first."""
    cuts = dict(already)
    for stage in plan.graph.order:
        before = [cuts[parent].stop for parent in plan.graph.parents[stage] if parent in cuts]
        for number, window in enumerate(waiting.get(stage, ())):
            if number >= plan.max_windows or any(window.start < stop for stop in before):
                cuts[stage] = max(window, cuts.get(stage, window), key=lambda one: one.stop)
                break
    return cuts


def _old(entry: Entry, newest: Window) -> bool:
    return entry.window.stop <= newest.stop and entry.state is not WindowState.RUNNING
