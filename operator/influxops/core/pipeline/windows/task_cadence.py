"""The windows of an InfluxTask: what the runs of its schedule cover.

A run of slot ``s`` covers ``[stop - period - lookback, stop)`` with ``stop = truncate(s, align)``, as ``option v`` of the task
says it in Flux (``core.flux.render``). All of it is UTC. ``truncate`` counts lengths from 1970-01-01T00:00:00Z, weeks included
(so they begin on Thursday), and months of the calendar from January 1970.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from influxops.core.durations import Duration, parse_duration
from influxops.core.flux.render import Prelude
from influxops.core.pipeline.windows.month_steps import add_months, month_at_or_before
from influxops.core.pipeline.windows.window import Window
from influxops.core.schedule import Schedule

COUNTED = 100_001
"""Windows of a cron schedule that are counted one by one; beyond, the rest is reckoned from their density."""
_SECOND = timedelta(seconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Windows(Protocol):
    """What a stage needs of its cadence: ``Cadence`` and ``SlotCadence`` both have it. Meanings as in ``Cadence``."""

    def latest(self, moment: datetime) -> Window | None:
        """The last window whose stop is not after ``moment``; None when there is none in reach."""

    def following(self, window: Window) -> Window | None:
        """The window with the first stop after that of ``window``; None when there is none in reach."""

    def has(self, window: Window) -> bool:
        """Whether it is one of these windows."""

    def stopping_at(self, stop: datetime) -> Window | None:
        """The window with exactly this stop."""

    def between(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Windows whose stop lies in ``(start, stop]``, oldest first."""

    def count_between(self, start: datetime, stop: datetime) -> int:
        """How many ``between`` gives."""


class TaskCadenceFault(ValueError):
    """The task has no windows that a backfill could run; the message says what to write."""


@dataclass(frozen=True, slots=True)
class SlotCadence:
    """Windows of the slots of a schedule. Slots that round down to the same stop share one window, that of the first of them."""

    schedule: Schedule
    period: Duration | None = None
    """Length of a window; None: from the slot before, for a script that does not read ``v``."""
    align: Duration | None = None
    """Grid of the stops; None: the slots themselves."""
    lookback: Duration | None = None

    def latest(self, moment: datetime) -> Window | None:
        """The last window whose slot is not after ``moment``: a window whose end is over and whose slot is not is not closed."""
        slot = self.schedule.slot_at_or_before(moment)
        return None if slot is None else self._window(self._truncated(slot))

    def following(self, window: Window) -> Window | None:
        """The window with the first stop after that of ``window``; None when the schedule ends (cron, in 2099)."""
        stop = self._stop_after(window.stop)
        return None if stop is None else self._window(stop)

    def has(self, window: Window) -> bool:
        """Whether it is one of these windows."""
        return self.stopping_at(window.stop) == window

    def stopping_at(self, stop: datetime) -> Window | None:
        """The window with exactly this stop; None when no slot has it."""
        return self._window(stop) if self._stop_after(stop - _SECOND) == stop else None

    def between(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Every window whose stop lies in ``(start, stop]``, oldest first, lazily."""
        before, end = None, self._stop_after(start)
        while end is not None and end <= stop:
            yield self._window(end, before)
            before, end = end, self._stop_after(end)

    def count_between(self, start: datetime, stop: datetime) -> int:
        """How many windows ``between`` gives. Exact, but for cron beyond ``COUNTED`` windows: reckoned from their density."""
        if stop <= start:
            return 0
        every, align = self.schedule.every, self.align
        if every and (align is None or not align.calendar):
            first, last = self._next_edge(start), self._next_edge(stop)
            if align is None or every >= align.seconds:
                return self._slots_before(last) - self._slots_before(first)
            return (last - first) // timedelta(seconds=align.seconds)
        return self._counted(start, stop)

    def slot_of(self, window: Window) -> datetime:
        """The first slot whose run covers the window: its ``now()``. Raises ValueError for a window that is none of these."""
        slot = self.schedule.slot_after(window.stop - _SECOND)
        if slot is None or self._truncated(slot) != window.stop:
            raise ValueError(f"no slot of the schedule covers {window}")
        return slot

    def _counted(self, start: datetime, stop: datetime) -> int:
        number, end = 0, self._stop_after(start)
        while end is not None and end <= stop:
            number += 1
            if number == COUNTED:
                return max(number, int(number * ((stop - start) / (end - start))))
            end = self._stop_after(end)
        return number

    def _slots_before(self, moment: datetime) -> int:
        """Slots of ``every`` before a moment, counted from an arbitrary one."""
        every = self.schedule.every or 1
        last = self.schedule.slot_at_or_before(moment - _SECOND)
        return 0 if last is None else (last - _EPOCH) // timedelta(seconds=every)

    def _stop_after(self, moment: datetime) -> datetime | None:
        slot = self.schedule.slot_after(self._next_edge(moment) - _SECOND)
        return None if slot is None else self._truncated(slot)

    def _truncated(self, slot: datetime) -> datetime:
        """What ``date.truncate`` makes of a slot."""
        if self.align is None:
            return slot
        if self.align.calendar:
            return month_at_or_before(slot, self.align.months)
        length = timedelta(seconds=self.align.seconds)
        return _EPOCH + (slot - _EPOCH) // length * length

    def _next_edge(self, moment: datetime) -> datetime:
        """The first point of the grid of stops after a moment."""
        if self.align is None:
            return moment.replace(microsecond=0) + _SECOND
        if self.align.calendar:
            return add_months(month_at_or_before(moment, self.align.months), self.align.months)
        return self._truncated(moment) + timedelta(seconds=self.align.seconds)

    def _window(self, stop: datetime, before: datetime | None = None) -> Window:
        """The window that ends here; ``before`` is the stop before it, when it is known."""
        if self.period is None:
            begin = before or self.schedule.slot_at_or_before(stop - _SECOND)
            start = stop - _SECOND if begin is None else begin
        else:
            start = _earlier(stop, self.period)
        return Window(start if self.lookback is None else _earlier(start, self.lookback), stop)


def task_cadence(schedule: Schedule, prelude: Prelude | None) -> SlotCadence:
    """The windows of a task from its schedule and its prelude (``DesiredTask.window``, which has its words filled in).

    Without a prelude the script reads its range from ``now()`` alone: a window reaches from one slot to the next. Raises
    TaskCadenceFault for lengths that cannot be counted.
    """
    if schedule.every is None and schedule.cron is None:
        raise TaskCadenceFault("the task has no schedule, so it has no windows: write every or cron")
    if prelude is None:
        return SlotCadence(schedule)
    lookback = prelude.lookback and _length("lookback", prelude.lookback)
    return SlotCadence(schedule, _length("period", prelude.period), _length("align", prelude.align), lookback or None)


def _length(field: str, text: str) -> Duration:
    try:
        length = parse_duration(text)
    except ValueError as fault:
        raise TaskCadenceFault(f"spec.window.{field}: {fault}") from None
    if (length.months and length.nanoseconds) or (not length.months and not length.whole):
        raise TaskCadenceFault(
            f"spec.window.{field} is {text}: windows that a backfill runs are whole seconds, or whole months"
        )
    return length


def _earlier(moment: datetime, length: Duration) -> datetime:
    """What ``date.sub`` makes of it."""
    return add_months(moment, -length.months) if length.calendar else moment - timedelta(seconds=length.seconds)
