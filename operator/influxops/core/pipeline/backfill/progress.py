"""How far a backfill is, and how fast it goes."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

from influxops.core.pipeline.backfill.types import Blocked, Selection
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

MOST_FAILURES = 20
_MINUTE = timedelta(minutes=1)
_LEAST = timedelta(seconds=1)
"""Ends closer together than this give no rate."""


class Progress:
    """Counts what has ended. One for each backfill under way; made anew after a restart from the selection."""

    def __init__(self, selection: Selection) -> None:
        """What ``selection.done`` tells is counted."""
        self.total = selection.total
        self.skipped = selection.skipped
        self.blocked = selection.blocked
        self.started_at: datetime | None = None
        """When the first run of this process, or one before it, began, as far as is known."""
        self.last_end: datetime | None = None
        self._states: dict[tuple[str, Window], WindowState] = {}
        self._failures: dict[tuple[str, Window], str] = {}
        self._ends: deque[datetime] = deque()
        self._succeeded = 0
        for record in selection.done:
            self._count(record)
            if record.finished_at is not None:
                self.last_end = max(record.finished_at, self.last_end or record.finished_at)
                begin = record.finished_at - timedelta(seconds=record.duration or 0)
                self.started_at = min(begin, self.started_at or begin)

    def ended(self, record: WindowRecord, now: datetime) -> None:
        """A window that was chosen has ended, SUCCESS or FAILED. The same one twice counts once, by its last state."""
        if (record.stage, record.window) not in self._states:
            self._ends.append(now)
        while self._ends and self._ends[0] <= now - _MINUTE:
            self._ends.popleft()
        self.last_end = now
        begin = now - timedelta(seconds=record.duration or 0)
        self.started_at = min(begin, self.started_at or begin)
        self._count(record)

    def _count(self, record: WindowRecord) -> None:
        place = (record.stage, record.window)
        before = self._states.get(place)
        self._succeeded += (record.state is WindowState.SUCCESS) - (before is WindowState.SUCCESS)
        self._states[place] = record.state
        if record.state is WindowState.FAILED:
            self._failures[place] = record.error
        else:
            self._failures.pop(place, None)

    @property
    def succeeded(self) -> int:
        """Windows that succeeded."""
        return self._succeeded

    @property
    def failed(self) -> int:
        """Windows whose attempts are spent."""
        return len(self._failures)

    @property
    def ended_count(self) -> int:
        """Windows that have run to their end."""
        return len(self._states)

    @property
    def left(self) -> int:
        """Windows that can still run."""
        return max(0, self.total - self.ended_count - len(self.blocked))

    @property
    def complete(self) -> bool:
        """Whether every window has ended or is blocked."""
        return self.left == 0

    @property
    def rate(self) -> float | None:
        """Windows per second over the minute before the last end; None before there are two ends.

        It is of the last end and not of now, so that a status in which nothing has ended is not written again.
        """
        if len(self._ends) < 2:
            return None
        length = self._ends[-1] - self._ends[0]
        return (len(self._ends) - 1) / max(length, _LEAST).total_seconds()

    @property
    def eta(self) -> datetime | None:
        """When the last window should end, at this rate, in whole minutes rounded up (whole seconds below two minutes)."""
        rate, end = self.rate, self.last_end
        if not rate or end is None or not self.left:
            return None
        seconds = min(self.left / rate, 10 * 366 * 86400.0)
        moment = (end + timedelta(seconds=seconds)).replace(microsecond=0) + _LEAST
        return moment if seconds < 120 else moment.replace(second=0) + _MINUTE

    def failures(self) -> list[Blocked]:
        """Failed windows, then blocked ones, each oldest first, at most ``MOST_FAILURES``."""
        failed = sorted(self._failures, key=lambda place: (place[1], place[0]))[:MOST_FAILURES]
        shown = [Blocked(stage, window, self._failures[stage, window]) for stage, window in failed]
        return [*shown, *sorted(self.blocked, key=lambda one: (one.window, one.stage))][:MOST_FAILURES]
