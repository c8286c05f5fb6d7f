"""Late data: which windows' sources have other counts than when they ran."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import Source, overlap
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

DAY = 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """The source of a window has another count than just before it ran."""

    record: WindowRecord
    was: int
    """Points that the run of the record read."""
    now: int
    expired: bool = False
    """The window's source may be gone in part, so it must not run again. A smaller count then says only that; a greater
    one is late data that came too late.
    """


def grid_step(windows: Iterable[Window], limit: int = DAY) -> int:
    """The greatest number of seconds, at most ``limit``, on whose grid from 1970-01-01T00:00Z every bound of these windows
    lies; ``limit`` when there are none. One ``count_by_time`` with this step serves all of them.
    """
    common = math.gcd(*(seconds(bound) for window in windows for bound in (window.start, window.stop)))
    return _greatest_divisor(common, limit) if common else limit


def aligned(start: datetime, step: int) -> datetime:
    """The last point of the grid of ``step`` seconds that is not after ``start``."""
    return EPOCH + timedelta(seconds=seconds(start) // step * step)


def counts_of(windows: Iterable[Window], by_step: Mapping[datetime, int], step: int) -> dict[Window, int]:
    """The count of each window, from counts by the start of each step (steps without points are left out), which must
    cover them all. Raises ValueError for a window with a bound off the grid of ``step`` seconds.
    """
    starts = sorted(by_step)
    sums = [0, *accumulate(by_step[start] for start in starts)]
    counts = {}
    for window in windows:
        if seconds(window.start) % step or seconds(window.stop) % step:
            raise ValueError(f"{window} is not on the grid of {step} s")
        counts[window] = sums[bisect_left(starts, window.stop)] - sums[bisect_left(starts, window.start)]
    return counts


def changed(
    records: Iterable[WindowRecord], counts: Mapping[Window, int], expires_before: datetime | None = None
) -> list[Change]:
    """The records whose window has another count now, smaller or greater, in their order. ``records`` and ``counts`` are of
    one stage. Left out: records that are no SUCCESS or carry no ``source_count``, and windows that ``counts`` lacks.
    Windows that start before ``expires_before`` are told as expired.
    """
    return [
        Change(
            record,
            record.source_count,
            now,
            expired=expires_before is not None and record.window.start < expires_before,
        )
        for record in records
        if record.state is WindowState.SUCCESS
        and record.source_count is not None
        and (now := counts.get(record.window)) is not None
        and now != record.source_count
    ]


def comparable(record: WindowRecord, source: Source) -> bool:
    """Whether the count of a record is one of this source; older records do not say of which it is."""
    return (
        record.state is WindowState.SUCCESS and record.source_count is not None and record.source in {"", source.digest}
    )


def watched_stages(plan: PipelinePlan) -> list[str]:
    """The stages whose sources are looked at, parents first: those with a source that no stage before them writes (when
    such a one runs again, it brings its children along), and that could run.
    """
    return [
        name
        for name in plan.graph.order
        if (source := plan.stages[name].source)
        and not plan.stages[name].waits
        and not any(overlap(plan.stages[other].target, source) for other in plan.graph.ancestors(name))
    ]


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970-01-01T00:00Z."""
    return (moment - EPOCH) // _SECOND


def _greatest_divisor(number: int, limit: int) -> int:
    """The greatest divisor of ``number`` that is at most ``limit``."""
    small = (divisor for divisor in range(1, math.isqrt(number) + 1) if number % divisor == 0)
    return max(part for divisor in small for part in (divisor, number // divisor) if part <= limit)
