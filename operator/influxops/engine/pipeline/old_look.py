"""Looks for points that came later than ``lateness.allowed``: seldom, over a bounded range; what it finds is told, never run."""

from __future__ import annotations

from datetime import datetime, timedelta

from influxops.core.pipeline.expiry import expires_before
from influxops.core.pipeline.late import aligned, counts_of, grid_step, watched_stages
from influxops.core.pipeline.plan import PipelinePlan, StagePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.restore import longest_window
from influxops.core.pipeline.result import Source
from influxops.core.pipeline.too_late import TooLate, spans, too_late
from influxops.engine.link import LiveLink

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
            lambda port: port.ledger_records(
                link.org_id, plan.bucket, plan.owner, since - longest_window(plan, now), until
            )
        )
        found: list[tuple[str, TooLate]] = []
        for name in watched_stages(plan):
            stage = plan.stages[name]
            old = [one for one in records if one.stage == name and since <= one.window.start < until]
            if old and stage.source is not None:
                found += [(name, one) for one in await _of_stage(link, stage, stage.source, old, now)]
        self._due = now + EVERY
        return tuple(found)


async def _of_stage(
    link: LiveLink, stage: StagePlan, source: Source, records: list[WindowRecord], now: datetime
) -> list[TooLate]:
    joined = spans(records)
    if not joined:
        return []
    windows = [span.window for span in joined]
    step = grid_step(windows)
    start, stop = aligned(min(w.start for w in windows), step), max(w.stop for w in windows)
    counts = await link.run(
        lambda port: port.count_by_time(link.org_id, source, start, stop, step, timeout=stage.timeout)
    )
    bucket = link.snapshot.buckets.get(source.bucket)
    expiry = expires_before(now, bucket.retention) if bucket is not None else None
    return too_late(joined, counts_of(windows, counts, step), expiry)
