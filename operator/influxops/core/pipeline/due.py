"""Which windows have closed and are to be run by schedule, and when the next one closes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from influxops.core.pipeline.agenda import Place
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.window import Window


@dataclass(frozen=True, slots=True)
class Due:
    """Windows that have closed."""

    places: tuple[Place, ...]
    """Oldest first, parents before children."""
    given_up: tuple[Place, ...]
    """Of each stage the newest one that is too old for ``catchUp``, or made of one that is, with all before it."""


def closed(plan: PipelinePlan, now: datetime) -> datetime:
    """Windows that end here or earlier are held for complete."""
    return now - timedelta(seconds=plan.delay)


def due(plan: PipelinePlan, after: datetime, now: datetime) -> Due:
    """The windows that end after ``after`` and have closed by ``now``, none that starts before the pipeline's begin."""
    until = closed(plan, now)
    limit = 1 if plan.latest_only else plan.max_windows
    places: list[Place] = []
    given_up: dict[str, Window] = {}
    for stage in plan.graph.order:
        cadence = plan.stages[stage].cadence
        newest = list(islice(cadence.between_newest_first(after, until), limit + 1))
        newest = [window for window in newest if window.start >= plan.begin]
        run = newest[:limit]
        if not plan.latest_only:
            lacking = max((given_up[name].stop for name in plan.graph.parents[stage] if name in given_up), default=None)
            run = [window for window in run if lacking is None or window.start >= lacking]
            if len(run) < len(newest):
                given_up[stage] = newest[len(run)]
        places.extend((stage, window) for window in run)
    rank = {stage: place for place, stage in enumerate(plan.graph.order)}
    places.sort(key=lambda place: (place[1].stop, rank[place[0]]))
    return Due(tuple(places), tuple(given_up.items()))


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
