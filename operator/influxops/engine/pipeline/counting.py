"""Counts the points of a source in many windows with one query, answered inside the storage engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from influxops.core.pipeline.agenda.late import aligned, counts_of, grid_step
from influxops.core.pipeline.expiry import expires_before
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.windows.window import Window
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


def expiry_of(link: LiveLink, buckets: Iterable[str], now: datetime) -> datetime | None:
    """Windows that start before may be read from these buckets in part only; None when nothing expires, as far as is known."""
    known = (link.snapshot.buckets.get(name) for name in buckets)
    edges = (expires_before(now, bucket.retention) for bucket in known if bucket is not None)
    return max((edge for edge in edges if edge is not None), default=None)
