"""Looks for points that came later than ``lateness.allowed``: seldom, over a bounded range; what it finds is told, never run."""

from __future__ import annotations

from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.late import comparable, watched_stages
from influxops.core.pipeline.agenda.restore import longest_window
from influxops.core.pipeline.agenda.too_late import TooLate, spans, too_late
from influxops.core.pipeline.plan import PipelinePlan
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.counting import count_windows, expiry_of

EVERY = timedelta(days=1)
"""From one look to the next: it costs what the points of its range cost to read."""
FIRST = timedelta(hours=1)
"""After a start at most, or ``checkEvery``: a start is no reason to read a month at once."""
REACH = timedelta(days=30)
"""How far beyond ``allowed`` it looks."""

Found = tuple[tuple[str, TooLate], ...]
"""Spans of windows by stage."""


class OldLook:
    """Of one pipeline."""

    def __init__(self) -> None:
        self._due: datetime | None = None

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much."""
        self._due = self._due and self._due - by

    def due(self, plan: PipelinePlan, now: datetime) -> bool:
        """Whether it is time; the first question after a start only sets the clock."""
        if plan.allowed is None:
            return False
        if self._due is None:
            self._due = now + min(FIRST, timedelta(seconds=plan.check_every))
        return now >= self._due

    async def look(self, link: LiveLink, plan: PipelinePlan, now: datetime) -> Found:
        """Look once. Errors of InfluxDB pass through, and the look is due again."""
        until = now - timedelta(seconds=plan.allowed or 0)
        since = until - REACH
        records = await link.run(
            "ledger_records",
            lambda port: port.ledger_records(
                link.org_id, plan.bucket, plan.owner, since - longest_window(plan, now), until
            ),
        )
        found: list[tuple[str, TooLate]] = []
        for name in watched_stages(plan):
            stage, source = plan.stages[name], plan.stages[name].source
            if source is None:
                continue
            old = spans(
                one
                for one in records
                if one.stage == name and since <= one.window.start < until and comparable(one, source)
            )
            if old:
                counts = await count_windows(link, source, [span.window for span in old], stage.timeout)
                found += [(name, one) for one in too_late(old, counts, expiry_of(link, [source.bucket], now))]
        self._due = now + EVERY
        return tuple(found)
