"""From the durations that a user writes to lengths that windows are counted in, and what cannot be counted."""

from __future__ import annotations

from influxops.core.durations import DAY, HOUR, Duration
from influxops.core.pipeline.windows.grid import Span

LONGEST = Span(months=120)
"""Ten years: nobody's windows are longer, and all times stay far from the ends of the calendar."""

_TURN_BACK = 3 * HOUR
"""A local day may be longer than 24 h by this much, for clocks are turned back (by 1 h as a rule)."""
_SHORTEST_MONTHS = (0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334)
"""Days of so many months in a row, at least; a year has at least 365."""
_LONGEST_MONTHS = (0, 31, 62, 92, 123, 153, 184, 215, 245, 276, 306, 337)
"""Days of so many months in a row, at most; a year has at most 366."""


def span_of(duration: Duration, *, local: bool) -> Span:
    """The length in the unit that it is counted in; with ``local``, whole multiples of 24 h are days of the calendar.

    Raises ValueError with what to write instead.
    """
    if duration.nanoseconds < 0 or duration.months < 0 or not (duration.nanoseconds or duration.months):
        raise ValueError(f"{duration} is not a length of time; write one above 0s, such as 1h")
    if duration.months and duration.nanoseconds:
        raise ValueError(f"{duration} mixes months with units of fixed length; write either, such as 1mo or 30d")
    if duration.months:
        span = Span(months=duration.months)
    elif not duration.whole:
        raise ValueError(f"{duration} is no whole number of seconds; write one, such as 1s")
    elif local and duration.seconds % DAY == 0:
        span = Span(days=duration.seconds // DAY)
    else:
        span = Span(seconds=duration.seconds)
    if longest(span) > longest(LONGEST):
        raise ValueError(f"{duration} is longer than 10y; write a shorter length")
    return span


def shortest(span: Span) -> int:
    """Seconds that it has at least, by a clock that is never changed."""
    years, months = divmod(span.months, 12)
    return span.seconds + (span.days + 365 * years + _SHORTEST_MONTHS[months]) * DAY


def longest(span: Span) -> int:
    """Seconds that it has at most, by a clock that is never changed."""
    years, months = divmod(span.months, 12)
    return span.seconds + (span.days + 365 * years + (years + 3) // 4 + _LONGEST_MONTHS[months]) * DAY


def covers(period: Span, every: Span) -> bool:
    """Whether windows of this period, one each ``every``, leave no moment out, wherever they lie in the calendar."""
    if period.months and every.months:
        return period.months >= every.months
    if period.days and every.days:
        return period.days >= every.days
    if period.seconds and every.seconds:
        return period.seconds >= every.seconds
    return shortest(period) >= longest(every) + (_TURN_BACK if period.seconds else 0)
