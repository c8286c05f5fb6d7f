"""How the windows of a stage follow each other.

The points of a cadence are *stops*: a window is ``[stop - period, stop)``. How lengths are counted, by a pure rule:

- ``every`` of months or years: the local calendar, counted from the origin; a day that a month lacks becomes its last one.
- ``every`` that is a whole multiple of 24 h (``1d``, ``7d``, ``1w``, ``48h``): local calendar days, of 23, 24 or 25 hours;
  whole weeks begin on Monday unless an origin says otherwise.
- any other ``every`` (``15m``, ``1h``, ``36h``): elapsed time. The period is then elapsed time, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from influxops.core.durations import Duration, DurationError, parse_duration
from influxops.core.pipeline.windows.grid import Calendar, Elapsed, Grid, Span
from influxops.core.pipeline.windows.spans import covers, span_of
from influxops.core.pipeline.windows.window import Window
from influxops.core.pipeline.windows.zones import ZoneUnknownError, local, skipped_days, standard_offset, zone_of

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - what a clock shows, wherever it hangs
_MONDAY = _EPOCH.replace(day=5)


class CadenceFault(ValueError):
    """The words make no cadence. The message says what to write; ``field`` is every, period, timezone or origin."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Cadence:
    """A grid of windows without end. Raises CadenceFault when it cannot exist.

    Windows of equal ``every`` and ``period`` (*tumbling*) tile time: no gap, no overlap, none empty. Moments may have
    any zone and any fraction of a second; windows are UTC and whole seconds.
    """

    every: Duration
    """From one stop to the next."""
    period: Duration
    """The length of a window, at least ``every``; longer makes the windows overlap (*sliding*)."""
    zone: str = "UTC"
    """IANA name; days, weeks, months and years are local to it."""
    origin: datetime | None = None
    """A stop of the grid. By default 1970-01-01T00:00 by the zone's clock, for whole weeks that of Monday 1970-01-05; for
    elapsed time by its clock without summer time as of 2024, so that hours are those of the clock in half-hour zones, too."""
    _grid: Grid = field(init=False, repr=False, compare=False)
    _span: Span = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        every = _span("every", self.every, local=True)
        period = _span("period", self.period, local=not every.seconds)
        if every.seconds and period.months:
            raise CadenceFault(
                "period", f"{self.period} is of the calendar and every {self.every} is not; write days, such as 30d"
            )
        if not covers(period, every):
            raise CadenceFault(
                "period",
                f"{self.period} does not always reach back to the window before at every {self.every}: some moments would "
                f"be in no window; write {self.every} or more",
            )
        object.__setattr__(self, "_span", period)
        object.__setattr__(self, "_grid", _grid(every, self.zone, self.origin))

    @property
    def tumbling(self) -> bool:
        """Whether each moment belongs to exactly one window."""
        return self.every == self.period

    @property
    def elapsed(self) -> bool:
        """Whether stops are a fixed number of seconds apart; else the calendar and the zone's clock give them."""
        return isinstance(self._grid, Elapsed)

    def latest(self, moment: datetime) -> Window:
        """The last window whose stop is not after ``moment``."""
        return self._window(self._grid.at_or_before(moment))

    def following(self, window: Window) -> Window:
        """The window with the first stop after that of ``window``, which need not be of this grid."""
        return self._window(self._grid.next(self._grid.at_or_before(window.stop)))

    def preceding(self, window: Window) -> Window:
        """The window with the last stop before that of ``window``, which need not be of this grid."""
        return self._window(self._grid.before(window.stop))

    def has(self, window: Window) -> bool:
        """Whether it is one of these windows; those of a former spec are not."""
        return self.stopping_at(window.stop) == window

    def stopping_at(self, stop: datetime) -> Window | None:
        """The window with exactly this stop; None when it is no point of the grid."""
        window = self.latest(stop)
        return window if window.stop == stop else None

    def between(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Every window whose stop lies in ``(start, stop]``, oldest first, made one by one as it is asked for."""
        number, last = self._grid.at_or_before(start), self._grid.at_or_before(stop)
        while number < last:
            number = self._grid.next(number)
            yield self._window(number)

    def between_newest_first(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """The same windows as ``between``, newest first, as lazily."""
        first, number = self._grid.at_or_before(start), self._grid.at_or_before(stop)
        while number > first:
            yield self._window(number)
            number = self._grid.before(self._grid.stop(number))

    def count_between(self, start: datetime, stop: datetime) -> int:
        """How many windows ``between`` gives, without making them: constant time for every kind of cadence."""
        return max(0, self._grid.count(self._grid.at_or_before(start), self._grid.at_or_before(stop)))

    def windows_touching(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Every window that has a moment of ``[start, stop)`` in it, oldest first, lazily."""
        number = self._grid.at_or_before(start)
        while start < stop:
            number = self._grid.next(number)
            window = self._window(number)
            if window.start >= stop:
                return
            yield window

    def clock(self, moment: datetime) -> datetime:
        """What the zone's clock shows then, without a zone: for messages."""
        return local(moment, zone_of(self.zone))

    def _window(self, number: int) -> Window:
        return Window(self._grid.back(number, self._span), self._grid.stop(number))


def cadence(every: str, period: str = "", zone: str = "UTC", origin: str | datetime = "") -> Cadence:
    """A cadence from a user's words; an empty ``period`` is ``every``. Raises CadenceFault."""
    moment = _moment(origin) if isinstance(origin, str) else origin
    return Cadence(_duration("every", every), _duration("period", period or every), zone or "UTC", moment)


def _duration(name: str, text: str) -> Duration:
    try:
        return parse_duration(text)
    except DurationError as fault:
        raise CadenceFault(name, str(fault)) from None


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise CadenceFault("origin", f"{text!r} is no time; write RFC 3339, such as 2026-01-01T06:00:00Z") from None


def _span(name: str, duration: Duration, *, local: bool) -> Span:
    try:
        return span_of(duration, local=local)
    except ValueError as fault:
        raise CadenceFault(name, str(fault)) from None


def _grid(every: Span, name: str, origin: datetime | None) -> Grid:
    """The grid of stops. Raises CadenceFault for a zone or an origin that is none."""
    try:
        zone = zone_of(name)
    except ZoneUnknownError as fault:
        raise CadenceFault("timezone", str(fault)) from None
    if origin is not None and origin.tzinfo is None:
        raise CadenceFault("origin", f"{origin.isoformat()} names no zone; write {origin.isoformat()}Z for UTC")
    if origin is not None and origin.microsecond:
        raise CadenceFault("origin", f"{origin.isoformat()} has a fraction of a second; write a whole one")
    if every.seconds:
        return Elapsed(
            origin.astimezone(UTC) if origin else _EPOCH.replace(tzinfo=UTC) - standard_offset(name), every.seconds
        )
    weeks = every.days and every.days % 7 == 0
    clock = local(origin, zone) if origin else _MONDAY if weeks else _EPOCH
    daily = every.days == 1 and not (clock.hour or clock.minute or clock.second)
    return Calendar(zone, clock, every.days, every.months, skipped_days(name) if daily else ())
