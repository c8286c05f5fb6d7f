"""Durations as InfluxDB writes them: ``1h30m``, ``7d``, ``1mo``.

Units are ns, us (or µs), ms, s, m, h, d, w, mo and y. Months and years have no fixed length: a duration that holds one is
*calendar*, and asking it for seconds is an error rather than a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

INFINITE = "infinite"
"""The word for a retention without end; InfluxDB stores it as 0 seconds."""

SECOND = 1
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

_NANOSECOND = 1_000_000_000
_FIXED = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": _NANOSECOND,
    "m": MINUTE * _NANOSECOND,
    "h": HOUR * _NANOSECOND,
    "d": DAY * _NANOSECOND,
    "w": WEEK * _NANOSECOND,
}
_MONTHS = {"mo": 1, "y": 12}
_SECONDS = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND}
_PART = re.compile(r"([0-9]{1,18})(ns|us|µs|ms|mo|s|m|h|d|w|y)")
_WHOLE = re.compile(rf"(-?)((?:{_PART.pattern})+)")


class DurationError(ValueError):
    """The text is no duration, or the duration has no fixed length."""


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time. Equal lengths are equal whatever their spelling: ``60m == 1h``; a month equals no days."""

    text: str = field(compare=False)
    """As the user wrote it."""
    nanoseconds: int
    """The part of fixed length, signed."""
    months: int = 0
    """The calendar part, signed; 0 for a duration of fixed length."""

    @property
    def calendar(self) -> bool:
        """True when the length depends on the calendar (months, years)."""
        return self.months != 0

    @property
    def whole(self) -> bool:
        """True when the length is fixed and a whole number of seconds."""
        return not self.calendar and self.nanoseconds % _NANOSECOND == 0

    @property
    def seconds(self) -> int:
        """The length in whole seconds, rounded towards zero. Raises DurationError for a calendar duration."""
        if self.calendar:
            raise DurationError(f"{self.text} has no fixed length in seconds")
        return int(self.nanoseconds / _NANOSECOND) if self.nanoseconds < 0 else self.nanoseconds // _NANOSECOND

    def __str__(self) -> str:
        return self.text


def parse_duration(text: str) -> Duration:
    """Read a duration; a leading minus is accepted, as in ``offset: -5m``. Raises DurationError."""
    match = _WHOLE.fullmatch(text)
    if match is None:
        raise DurationError(f"{text!r} is not a duration; write a number and a unit, such as 30s, 15m, 1h30m or 7d")
    sign = -1 if match[1] else 1
    nanoseconds = months = 0
    for number, unit in _PART.findall(match[2]):
        nanoseconds += int(number) * _FIXED.get(unit, 0)
        months += int(number) * _MONTHS.get(unit, 0)
    return Duration(text, sign * nanoseconds, sign * months)


def parse_retention(text: str) -> Duration:
    """Read a retention: a duration, or ``infinite``, whose seconds are 0 as in InfluxDB. Raises DurationError."""
    return Duration(text, 0) if text == INFINITE else parse_duration(text)


def format_seconds(seconds: int, units: str = "wdhms") -> str:
    """The shortest exact spelling in the given units, largest first; ``0s`` for nothing.

    ``units`` is a selection of ``w d h m s`` and must contain ``s``: an offset takes ``hms`` because the server answers
    500 to ``1d``.
    """
    rest = abs(seconds)
    parts = []
    for unit in units:
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return ("-" if seconds < 0 else "") + "".join(parts) if parts else "0s"


def format_retention(seconds: int) -> str:
    """Seconds as InfluxDB stores a retention, as a user writes it: 0 is ``infinite``."""
    return format_seconds(seconds, "dhms") if seconds else INFINITE


def shorter_retention(new: int, old: int) -> bool:
    """True when ``new`` seconds keep less than ``old`` seconds do; 0 keeps for ever."""
    return new != 0 and (old == 0 or new < old)
