"""Stops of a cadence, numbered: what the three ways to count time have in common, and where they differ.

Numbers may skip: where a zone skipped a whole day, two numbers share one instant, and the lesser one stands for it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Protocol

from influxops.core.pipeline.windows.month_steps import add_months
from influxops.core.pipeline.windows.zones import instant, local

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


class Grid(Protocol):
    """A rising row of instants, one a number."""

    def stop(self, number: int) -> datetime:
        """The instant of this number, UTC."""
        ...

    def back(self, number: int, period: Span) -> datetime:
        """Where the window that stops at this number starts."""
        ...

    def at_or_before(self, moment: datetime) -> int:
        """The number of the last stop that is not after ``moment``: the least number that has that instant."""
        ...

    def next(self, number: int) -> int:
        """The number of the following stop; more than one higher where numbers share an instant."""
        ...

    def before(self, moment: datetime) -> int:
        """The number of the last stop before ``moment``."""
        ...

    def count(self, first: int, last: int) -> int:
        """How many stops there are after the one numbered ``first``, up to the one numbered ``last``, ``last`` included."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """A length; exactly one part is not 0."""

    seconds: int = 0
    days: int = 0
    months: int = 0


@dataclass(frozen=True, slots=True)
class Elapsed:
    """Stops so many seconds apart."""

    origin: datetime
    every: int

    def stop(self, number: int) -> datetime:
        """See Grid."""
        return self.origin + number * self.every * _SECOND

    def back(self, number: int, period: Span) -> datetime:
        """See Grid; ``period`` is in seconds."""
        return self.stop(number) - period.seconds * _SECOND

    def at_or_before(self, moment: datetime) -> int:
        """See Grid."""
        return (moment - self.origin) // (self.every * _SECOND)

    def next(self, number: int) -> int:
        """See Grid."""
        return number + 1

    def before(self, moment: datetime) -> int:
        """See Grid."""
        return -((self.origin - moment) // (self.every * _SECOND)) - 1

    def count(self, first: int, last: int) -> int:
        """See Grid."""
        return last - first


@dataclass(frozen=True, slots=True)
class Calendar:
    """Stops that a zone's clock and calendar give; exactly one of ``days`` and ``months`` is not 0."""

    zone: tzinfo
    origin: datetime
    """What the clock shows at number 0."""
    days: int
    months: int
    skipped: tuple[date, ...] = ()
    """Days without a stop of their own, for the next day's has the same instant."""

    def stop(self, number: int) -> datetime:
        """See Grid."""
        return instant(self._wall(number), self.zone)

    def back(self, number: int, period: Span) -> datetime:
        """See Grid. Months count from the origin, so that a window of the same length starts at the stop before it."""
        if period.seconds:
            return self.stop(number) - period.seconds * _SECOND
        if self.months and period.months:
            return instant(add_months(self.origin, number * self.months - period.months), self.zone)
        wall = self._wall(number)
        return instant(add_months(wall, -period.months) - period.days * _DAY, self.zone)

    def at_or_before(self, moment: datetime) -> int:
        """See Grid."""
        clock = local(moment, self.zone)
        if self.days:
            number = (clock - self.origin) // (self.days * _DAY)
        else:
            number = ((clock.year - self.origin.year) * 12 + clock.month - self.origin.month) // self.months
        while self.stop(number + 1) <= moment:
            number += 1
        while self.stop(number) > moment:
            number -= 1
        return number - 1 if self._shares(number) else number

    def next(self, number: int) -> int:
        """See Grid."""
        return number + 2 if self._shares(number + 1) else number + 1

    def before(self, moment: datetime) -> int:
        """See Grid."""
        return self.at_or_before(moment - datetime.resolution)

    def count(self, first: int, last: int) -> int:
        """See Grid."""
        if not self.skipped:
            return last - first
        from_day, to_day = self._wall(first).date(), self._wall(last).date()
        return last - first - (bisect_left(self.skipped, to_day) - bisect_left(self.skipped, from_day))

    def _wall(self, number: int) -> datetime:
        """What the clock shows, or would show, at this number."""
        if self.days:
            return self.origin + number * self.days * _DAY
        return add_months(self.origin, number * self.months)

    def _shares(self, number: int) -> bool:
        """Whether this number has the instant of the one before it."""
        return bool(self.skipped) and (self._wall(number) - _DAY).date() in self.skipped
