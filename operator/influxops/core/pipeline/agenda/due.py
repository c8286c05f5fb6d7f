"""Which windows have closed and are to be run by schedule, and when the next one closes."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from types import MappingProxyType

from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.window import Window

_SECOND = timedelta(seconds=1)
_NOTHING: Mapping[str, datetime] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Due:
    """Windows that have closed."""

    places: tuple[Place, ...]
    """Oldest first, parents before children."""
    given_up: tuple[Place, ...]
    """Of each stage the newest one that is too old for ``catchUp``, or made of one that is, with all before it."""
    stranded: tuple[Place, ...] = ()
    """Windows that end after the newest of their parents' windows that is given up and are made of it, closed or not: they
    must not run, for they would be made of a part.
    """
    forgotten: frozenset[str] = frozenset()
    """Stages of ``given_up`` for which nobody can tell any more whether their windows ran, or those that they are made of."""


def closed(plan: PipelinePlan, now: datetime) -> datetime:
    """Windows that end here or earlier are held for complete."""
    return now - timedelta(seconds=plan.delay)


def due(
    plan: PipelinePlan,
    after: datetime,
    now: datetime,
    done: Container[Place] = (),
    lost: Mapping[str, datetime] = _NOTHING,
) -> Due:
    """The windows that end after ``after`` and have closed by ``now``, none that starts before the pipeline's begin and none
    of ``done``, which have succeeded. Of each stage of ``lost`` those are given up that start before this moment.
    """
    until = closed(plan, now)
    limit = 1 if plan.latest_only else plan.max_windows
    places: list[Place] = []
    edges: dict[str, Window] = {}
    stranded: list[Place] = []
    forgotten: set[str] = set()
    for stage in plan.graph.order:
        cadence = plan.stages[stage].cadence
        waiting = (
            window
            for window in cadence.between_newest_first(after, until)
            if window.start >= plan.begin and (stage, window) not in done
        )
        newest = list(islice(waiting, limit + 1))
        gone = [] if plan.latest_only else newest[limit:]
        edge = max((edges[name].stop for name in plan.graph.parents[stage] if name in edges), default=plan.begin)
        across = [
            one for one in cadence.windows_touching(edge - _SECOND, edge) if one.stop > edge > one.start >= plan.begin
        ]
        cut = max(edge, lost.get(stage, plan.begin))
        gone += [window for window in newest if window.start < cut] + across
        if (newest and newest[-1].start < cut and cut > edge) or not forgotten.isdisjoint(plan.graph.parents[stage]):
            forgotten.add(stage)
        if gone:
            edges[stage] = max(gone, key=lambda window: window.stop)
        stranded += [(stage, window) for window in across if (stage, window) not in done]
        places.extend((stage, window) for window in newest[:limit] if window.start >= cut)
    rank = {stage: place for place, stage in enumerate(plan.graph.order)}
    places.sort(key=lambda place: (place[1].stop, rank[place[0]]))
    return Due(tuple(places), tuple(edges.items()), tuple(stranded), frozenset(forgotten))


def next_window(plan: PipelinePlan, now: datetime) -> Window | None:
    """The window that closes next, of whatever stage."""
    until = closed(plan, now)
    following = []
    for stage in plan.stages.values():
        window = stage.cadence.following(stage.cadence.latest(max(until, plan.begin)))
        while window.start < plan.begin:
            window = stage.cadence.following(window)
        following.append(window)
    return min(following, key=lambda window: (window.stop, window.start), default=None)


def watermark(plan: PipelinePlan, oldest_unsettled: datetime | None, now: datetime, before: datetime) -> datetime:
    """Every window that ends here or earlier is settled; never before where it stood."""
    until = closed(plan, now)
    if oldest_unsettled is not None:
        until = min(until, oldest_unsettled - timedelta(seconds=1))
    stops = [stage.cadence.latest(until).stop for stage in plan.stages.values()]
    return max(before, *stops) if stops else before
