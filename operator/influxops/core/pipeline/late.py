"""Late data: which windows' sources have other counts than when they ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.window import Window

DAY = 86_400


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
    raise NotImplementedError


def aligned(start: datetime, step: int) -> datetime:
    """The last point of the grid of ``step`` seconds that is not after ``start``."""
    raise NotImplementedError


def counts_of(windows: Iterable[Window], by_step: Mapping[datetime, int], step: int) -> dict[Window, int]:
    """The count of each window, from counts by the start of each step (steps without points are left out), which must
    cover them all. Raises ValueError for a window with a bound off the grid of ``step`` seconds.
    """
    raise NotImplementedError


def changed(
    records: Iterable[WindowRecord], counts: Mapping[Window, int], expires_before: datetime | None = None
) -> list[Change]:
    """The records whose window has another count now, smaller or greater, in their order. ``records`` and ``counts`` are of
    one stage. Left out: records that are no SUCCESS or carry no ``source_count``, and windows that ``counts`` lacks.
    Windows that start before ``expires_before`` are told as expired.
    """
    raise NotImplementedError


def watched_stages(plan: PipelinePlan) -> list[str]:
    """The stages whose sources are looked at, parents first: those with a source that no stage before them writes. (When
    such a one runs again, it brings its children along.)
    """
    raise NotImplementedError
