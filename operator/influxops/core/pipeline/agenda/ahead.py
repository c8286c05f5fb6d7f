"""What a ledger tells that was written while the clock was ahead of the present one, and what of it is believed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState

AHEAD = timedelta(seconds=10)
"""The clocks of two operators that are right differ by less."""


def believed(
    records: Iterable[WindowRecord], watermark: datetime, closed: datetime, now: datetime
) -> Iterator[WindowRecord]:
    """Records as they are to be taken at ``now``, when windows that end by ``closed`` are complete.

    What the watermark has passed was complete. Above it, a window that succeeded later than now may have run too early: its record
    becomes that of late data, and it runs again. One that is not complete even now has not run; that it must not run by schedule stays.
    """
    for record in records:
        if record.window.stop <= watermark or record.cause is Cause.GIVEN_UP:
            yield record
        elif record.window.stop > closed:
            continue
        elif _early(record, now):
            yield replace(
                record,
                state=WindowState.READY,
                cause=Cause.LATE_DATA,
                points=Points.KEPT,
                revision=record.revision + 1,
                attempt=0,
                ready_at=now,
                finished_at=None,
            )
        else:
            yield record


def _early(record: WindowRecord, now: datetime) -> bool:
    finished = record.finished_at
    return record.state is WindowState.SUCCESS and finished is not None and finished > now + AHEAD
