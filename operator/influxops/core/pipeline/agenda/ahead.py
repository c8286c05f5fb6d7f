"""What a ledger tells that was written while the clock was ahead of the present one, and what of it is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState

AHEAD = timedelta(seconds=10)
"""The clocks of two operators that are right differ by less."""


def believed(
    records: Iterable[WindowRecord], watermark: datetime, closed: datetime, now: datetime
) -> Iterator[WindowRecord]:
    """Records as they are to be taken at ``now``, when windows that end by ``closed`` are complete.

    What the watermark has passed was complete. Above it, a window that succeeded later than now, or before its own end, may have run too
    early: its record becomes that of late data, and it runs again. One that is not complete even now has not run; that it must not run
    by schedule stays.
    """
    for record in records:
        if record.window.stop <= watermark or record.cause is Cause.GIVEN_UP:
            yield record
        elif record.window.stop > closed:
            continue
        elif record.state is WindowState.SUCCESS and _early(record, now):
            yield _anew(record, now, Cause.LATE_DATA, Points.KEPT)
        else:
            yield record


def unsaid(
    records: Iterable[WindowRecord], watermark: datetime, closed: datetime, now: datetime
) -> Iterator[WindowRecord]:
    """What the ledger is to be told of that: a start when the wrong clock's time has come would believe what it has.

    It may be the present clock that is wrong, and behind: what has succeeded is said to have what a run made of all of its source, so
    that a source that has begun to expire is never read again.
    """
    for record in records:
        if record.window.stop <= watermark or record.cause is Cause.GIVEN_UP or not _early(record, now):
            continue
        if record.state is WindowState.SUCCESS:
            yield _anew(record, now, Cause.LATE_DATA, Points.KEPT)
        elif record.window.stop > closed:
            yield _anew(record, now, Cause.SCHEDULE, Points.UNKNOWN)


def _early(record: WindowRecord, now: datetime) -> bool:
    finished = record.finished_at
    return finished is not None and (finished > now + AHEAD or finished < record.window.stop - AHEAD)


def _anew(record: WindowRecord, now: datetime, cause: Cause, points: Points) -> WindowRecord:
    revision = record.revision + 1
    return WindowRecord(
        record.stage, record.window, WindowState.READY, revision, cause=cause, points=points, ready_at=now
    )
