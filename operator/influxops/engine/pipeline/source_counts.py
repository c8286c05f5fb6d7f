"""How many points a window's source held before the window ran: what late data is later compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from influxops.core.pipeline.late import aligned, counts_of, grid_step, watched_stages
from influxops.core.pipeline.plan import PipelinePlan, StagePlan
from influxops.core.pipeline.window import Window
from influxops.engine.link import LiveLink

AHEAD = 50
"""Windows that are counted with one query, for a catch-up runs one after the other."""
FRESH = 30.0
"""Seconds for which a count made ahead is used. What changed meanwhile is taken for late data and run once more."""


class SourceCounts:
    """Of one pipeline."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[tuple[str, Window], tuple[float, int]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    def clear(self) -> None:
        """Forget all counts."""
        self._known.clear()

    async def before(
        self, link: LiveLink, plan: PipelinePlan, stage: StagePlan, window: Window, now: datetime
    ) -> int | None:
        """The points of the window's source now, or a moment ago; None for a stage whose source is not looked at."""
        source = stage.source
        if plan.allowed is None or source is None or stage.name not in watched_stages(plan):
            return None
        async with self._locks.setdefault(stage.name, asyncio.Lock()):
            found = self._known.pop((stage.name, window), None)
            if found is not None and self._clock() - found[0] < FRESH:
                return found[1]
            ahead = window.stop + AHEAD * (window.stop - window.start)
            windows = [window, *islice(stage.cadence.between(window.stop, min(ahead, max(now, window.stop))), AHEAD)]
            step = grid_step(windows)
            start, stop = aligned(min(one.start for one in windows), step), max(one.stop for one in windows)
            began = self._clock()
            by_step = await link.run(
                lambda port: port.count_by_time(link.org_id, source, start, stop, step, timeout=stage.timeout)
            )
            counts = counts_of(windows, by_step, step)
            self._known = {place: known for place, known in self._known.items() if began - known[0] < FRESH}
            self._known.update({(stage.name, one): (began, count) for one, count in counts.items()})
            return self._known.pop((stage.name, window))[1]
