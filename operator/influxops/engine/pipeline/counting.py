"""Counts the points of a source in many windows with one query, answered inside the storage engine."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from influxops.core.pipeline.expiry import expires_before
from influxops.core.pipeline.late import aligned, counts_of, grid_step
from influxops.core.pipeline.result import Source
from influxops.core.pipeline.window import Window
from influxops.engine.link import LiveLink


async def count_windows(
    link: LiveLink, source: Source, windows: Collection[Window], timeout: float
) -> dict[Window, int]:
    """The points in each window, of which there is at least one. ``timeout`` in seconds. Errors of InfluxDB pass through."""
    step = grid_step(windows)
    start, stop = aligned(min(one.start for one in windows), step), max(one.stop for one in windows)
    by_step = await link.run(
        "count_by_time", lambda port: port.count_by_time(link.org_id, source, start, stop, step, timeout=timeout)
    )
    return counts_of(windows, by_step, step)


def expiry_of(link: LiveLink, source: Source, now: datetime) -> datetime | None:
    """Windows of this source that start before may be read in part only; None when nothing expires, as far as is known."""
    bucket = link.snapshot.buckets.get(source.bucket)
    return expires_before(now, bucket.retention) if bucket is not None else None
