"""How many points a window's source held before the window ran: what late data is later compared with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import islice

from influxops.core.pipeline.agenda.late import watched_stages
from influxops.core.pipeline.plan import PipelinePlan, StagePlan
from influxops.core.pipeline.windows.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.counting import count_windows

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
        self._watched: frozenset[str] = frozenset()

    def begin(self, plan: PipelinePlan) -> None:
        """Another plan begins, and counts anew."""
        self._known.clear()
        self._watched = frozenset(watched_stages(plan) if plan.allowed is not None else ())

    async def before(self, link: LiveLink, stage: StagePlan, window: Window, now: datetime) -> int | None:
        """The points of the window's source now, or a moment ago; None for a stage whose source is not looked at."""
        source = stage.source
        if source is None or stage.name not in self._watched:
            return None
        async with self._locks.setdefault(stage.name, asyncio.Lock()):
            found = self._known.pop((stage.name, window), None)
            if found is not None and self._clock() - found[0] < FRESH:
                return found[1]
            ahead = window.stop + AHEAD * (window.stop - window.start)
            windows = [window, *islice(stage.cadence.between(window.stop, min(ahead, max(now, window.stop))), AHEAD)]
            began = self._clock()
            counts = await count_windows(link, source, windows, stage.timeout)
            self._known = {place: known for place, known in self._known.items() if began - known[0] < FRESH}
            self._known.update({(stage.name, one): (began, count) for one, count in counts.items()})
            return self._known.pop((stage.name, window))[1]
