"""Which windows have closed and are to be run by schedule, and when the next one closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Of each stage the newest one that is too old for ``catchUp``, with all before it."""


def closed(plan: PipelinePlan, now: datetime) -> datetime:
    """Windows that end here or earlier are held for complete."""
    return now - timedelta(seconds=plan.delay)


def due(plan: PipelinePlan, after: datetime, now: datetime) -> Due:
    """The windows that end after ``after`` and have closed by ``now``, none that starts before the pipeline's begin."""
    until = closed(plan, now)
    limit = 1 if plan.latest_only else plan.max_windows
    waiting: dict[str, list[Window]] = {}
    for stage in plan.graph.order:
        newest = islice(plan.stages[stage].cadence.between_newest_first(after, until), limit + 1)
        waiting[stage] = [window for window in newest if window.start >= plan.begin]
    cuts = {} if plan.latest_only else give_up(plan, waiting)
    places = [
        (stage, window)
        for stage, windows in waiting.items()
        for window in windows[:limit]
        if stage not in cuts or window.stop > cuts[stage].stop
    ]
    rank = {stage: place for place, stage in enumerate(plan.graph.order)}
    places.sort(key=lambda place: (place[1].stop, rank[place[0]]))
    return Due(tuple(places), tuple(cuts.items()))


def give_up(
    plan: PipelinePlan, waiting: Mapping[str, Sequence[Window]], already: Mapping[str, Window] | None = None
) -> dict[str, Window]:
    """Of each stage that has more windows waiting than ``catchUp`` allows, the newest one that is too old for it.

    ``waiting``: newest first; ``already``: what is given up anyway. A window that is made of one that is given up is given up, too: it would be made of nothing.
    """
    cuts: dict[str, Window] = dict(already or {})
    for stage in plan.graph.order:
        before = [cuts[parent].stop for parent in plan.graph.parents[stage] if parent in cuts]
        for number, window in enumerate(waiting.get(stage, ())):
            if number >= plan.max_windows or any(window.start < stop for stop in before):
                cuts[stage] = window
                break
    return cuts


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
