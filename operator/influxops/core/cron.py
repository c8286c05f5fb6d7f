"""Cron as InfluxDB understands it, quirks included.

InfluxDB schedules with github.com/influxdata/cron, UTC only. Five fields (minute, hour, day of month, month, day of week),
six with seconds in front, seven with years behind, or an @ word; day of month **and** day of week must both fit. Its
quirks decide when a task really runs, so they are kept here, not mended: ``*/30`` also fires at minute 59, a weekday step
counts from Sunday, a day that a month lacks may skip the month behind it, and some pairs of day of month and day of week
make the Go code panic. tests/unit/core/data/cron.json holds what
the library itself answers; this module must give the same answers.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from influxops.core.cronfields import CronError, Fields, read_fields

__all__ = ["Cron", "CronError", "parse"]

_LAST_YEAR = 2099
_JANUARY_LENGTH = 31
_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, _JANUARY_LENGTH)
"""Days of the months from 0, with the next January behind December: the library counts on into it."""
_FEBRUARY = 1
_LEAP_DAY = 28
_WEEKS = 0x8102040810204081
"""Multiplying a week's bits by this repeats them over the days of a month."""
_NONE = 64
"""The place that the library takes for "no bit is set"; no field reaches it."""
_ROUNDS = 4000
_WEEK = (1 << 7) - 1
_MONTH = (1 << 31) - 1
_SPANS = tuple(timedelta(days=days) for days in (0.002, 0.1, 3, 63, 400, 3300, 10300))


def parse(expression: str) -> Cron:
    """Read an expression as the server does. Raises CronError for what the server refuses, and for ``@every``."""
    return Cron(expression, read_fields(expression))


class Cron:
    """A parsed expression."""

    __slots__ = ("_fields", "expression")

    def __init__(self, expression: str, fields: Fields) -> None:
        self.expression = expression
        self._fields = fields

    def __repr__(self) -> str:
        return f"Cron({self.expression!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cron) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first slot after a moment; None when the server finds none before the year 2100."""
        try:
            return _Search(self._fields, moment.astimezone(UTC)).run()
        except _BreakdownError:
            return None

    def prev_at_or_before(self, moment: datetime) -> datetime | None:
        """The last slot at or before a moment; None when there is none within 28 years."""
        moment = moment.astimezone(UTC)
        for span in _SPANS:
            found = None
            slot = self.next_after(moment - span)
            while slot is not None and slot <= moment:
                found, slot = slot, self.next_after(slot)
            if found is not None:
                return found
        return None

    def breaks_server(self, since: int, until: int) -> datetime | None:
        """A moment in these years (the last one included) from which the library's search reads out of bounds, so that
        the Go runtime panics and influxd goes down; None when there is none.

        It can happen only where both the day of month and the day of week are given, and in every month alike, so the
        first and the last day of each month stand for all.
        """
        fields = self._fields
        if fields.dow & _WEEK == _WEEK or fields.dom & _MONTH == _MONTH:
            return None
        for year in range(since, until + 1):
            for month in range(1, 13):
                first = datetime(year, month, 1, tzinfo=UTC)
                for moment in (first, first - timedelta(seconds=1)):
                    try:
                        _Search(fields, moment).run()
                    except _BreakdownError:
                        return moment
        return None


class _BreakdownError(Exception):
    """The library reads behind its table of months here, and the Go runtime panics."""


class _Search:
    """One search for the next slot. Month and day count from 0, as in the library."""

    __slots__ = ("day", "fields", "first", "hour", "minute", "month", "second", "year")

    def __init__(self, fields: Fields, start: datetime) -> None:
        self.fields = fields
        self.year, self.month, self.day = start.year, start.month - 1, start.day - 1
        self.hour, self.minute, self.second = start.hour, start.minute, start.second
        self.first = 0
        """Weekday of the first of the month, Sunday 0."""

    def run(self) -> datetime | None:
        """The slot, or None."""
        self._advance_clock()
        self.first = _weekday(self.year, self.month)
        if self._is_no_leap_day() or not self._year_fits() or not self._month_fits() or not self._day_fits():
            self._reset_clock()
        before = (self.year, self.month, self.day)
        for _ in range(_ROUNDS):
            if self.year > _LAST_YEAR or not self._advance_date():
                return None
            now = (self.year, self.month, self.day)
            if now == before and self._all_fit():
                return self._slot()
            before = now
        return None

    def _advance_clock(self) -> None:
        """To the next time of day that fits; beyond the last one, to the first one of the next day."""
        fields = self.fields
        hour_moves = not fields.hour >> self.hour & 1
        minute_moves = not fields.minute >> self.minute & 1
        if not fields.second >> self.second & 1 or not (minute_moves and hour_moves):
            later = _next(fields.second, self.second, 60)
            minute_moves = minute_moves or later is None
            self.second = _lowest(fields.second) if later is None else later
        if minute_moves:
            later = _next(fields.minute, self.minute, 60)
            hour_moves = hour_moves or later is None
            self.minute = _lowest(fields.minute) if later is None else later
            self.second = _lowest(fields.second)
        if hour_moves:
            later = _next(fields.hour, self.hour, 24)
            if later is None:
                self.day += 1
            self.hour = _lowest(fields.hour) if later is None else later
            self.minute, self.second = _lowest(fields.minute), _lowest(fields.second)

    def _advance_date(self) -> bool:
        """One round of the library's search over day, month and year; False when no year is left."""
        if not self._day_fits():
            days = self._days(_weekday(self.year, self.month))
            later = _next(days, self.day, _LENGTHS[self.month]) if self.month < 12 else None
            if later is not None:
                self.day = later
            else:
                self._enter(self.year, self.month + 1)
        if not self._month_fits():
            month = self._next_month()
            if month is None:
                self._enter(self.year + 1, _lowest(self.fields.month))
            else:
                self.month = month  # the library keeps the old month's first weekday here
                self.day = _lowest(self._days())
        if not self._year_fits() or self._is_no_leap_day():
            year = self._next_year()
            if year is None:
                return False
            self._enter(year, _lowest(self.fields.month))
        return True

    def _enter(self, year: int, month: int) -> None:
        self.year, self.month = year, month
        self.first = _weekday(year, month)
        self.day = _lowest(self._days())

    def _days(self, first: int | None = None) -> int:
        """The days of the month that fit both day of month and day of week, as bits; ``first``: weekday of the first."""
        first = self.first if first is None else first
        if self.month >= len(_LENGTHS):
            raise _BreakdownError
        days = (1 << _LENGTHS[self.month]) - 1
        if self.month == _FEBRUARY and _leap(self.year):
            days |= 1 << _LEAP_DAY
        return (self.fields.dow & 0x7F) * _WEEKS % (1 << 64) >> first & days & self.fields.dom

    def _next_month(self) -> int | None:
        month = self.month + min(_lowest(self.fields.month >> self.month), 16)
        day = self.day + min(_lowest(self.fields.dom >> self.day), 32)
        if month > 11:
            return None
        return month + 1 if _LENGTHS[month] <= day else month

    def _next_year(self) -> int | None:
        year = max(self.year, 1969) + 1
        offset = self.fields.next_year_offset(year)
        year += offset
        if year > _LAST_YEAR:
            return None
        if self.month == _FEBRUARY and self.day == _LEAP_DAY and not _leap(year):
            if year % 100 == 0:
                return year + 4
            if year % 3 != 0:
                year = (year + 4) // 4 * 4
                return year if year % 100 != 0 else year + 4
        return year

    def _day_fits(self) -> bool:
        return bool(self._days() >> self.day & 1)

    def _month_fits(self) -> bool:
        return bool(self.fields.month >> self.month & 1)

    def _year_fits(self) -> bool:
        return self.fields.has_year(self.year)

    def _is_no_leap_day(self) -> bool:
        return self.day == _LEAP_DAY and self.month == _FEBRUARY and not _leap(self.year)

    def _all_fit(self) -> bool:
        return self._day_fits() and self._year_fits() and not self._is_no_leap_day() and self._month_fits()

    def _reset_clock(self) -> None:
        self.hour = _lowest(self.fields.hour)
        self.minute = _lowest(self.fields.minute)
        self.second = _lowest(self.fields.second)

    def _slot(self) -> datetime:
        year, month = (self.year + 1, 0) if self.month == 12 else (self.year, self.month)
        clock = timedelta(days=self.day, hours=self.hour, minutes=self.minute, seconds=self.second)
        return datetime(year, month + 1, 1, tzinfo=UTC) + clock  # a clock beyond its range carries over, as in Go


def _lowest(bits: int) -> int:
    """The place of the lowest bit; 64 when there is none."""
    return (bits & -bits).bit_length() - 1 if bits else _NONE


def _next(bits: int, place: int, limit: int) -> int | None:
    """The place of the next bit above ``place`` and under ``limit``."""
    later = place + 1 + _lowest(bits >> place + 1)
    return later if later < limit else None


def _leap(year: int) -> bool:
    return (year % 4 == 0 and year % 100 != 0) or year % 400 == 0


def _weekday(year: int, month: int) -> int:
    """The weekday of the first of a month, Sunday 0; month 12 is the next January."""
    first = date(year + 1, 1, 1) if month >= 12 else date(year, month + 1, 1)
    return first.isoweekday() % 7
