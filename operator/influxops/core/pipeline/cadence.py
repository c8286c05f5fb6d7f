"""How the windows of a stage follow each other.

The points of a cadence are *stops*: a window is ``[stop - period, stop)``. How lengths are counted, by a pure rule:

- ``every`` of months or years: the local calendar, counted from the origin; a day that a month lacks becomes its last one.
- ``every`` that is a whole multiple of 24 h (``1d``, ``7d``, ``1w``, ``48h``): local calendar days, of 23, 24 or 25 hours;
  whole weeks begin on Monday unless an origin says otherwise.
- any other ``every`` (``15m``, ``1h``, ``36h``): elapsed time. The period is then elapsed time, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from influxops.core.durations import Duration
from influxops.core.pipeline.window import Window


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
    """A stop of the grid; by default midnight of 1970-01-01 in the zone, for whole weeks that of Monday 1970-01-05."""

    @property
    def tumbling(self) -> bool:
        """Whether each moment belongs to exactly one window."""
        raise NotImplementedError

    def latest(self, moment: datetime) -> Window:
        """The last window whose stop is not after ``moment``."""
        raise NotImplementedError

    def following(self, window: Window) -> Window:
        """The window with the first stop after that of ``window``, which need not be of this grid."""
        raise NotImplementedError

    def preceding(self, window: Window) -> Window:
        """The window with the last stop before that of ``window``, which need not be of this grid."""
        raise NotImplementedError

    def stopping_at(self, stop: datetime) -> Window | None:
        """The window with exactly this stop; None when it is no point of the grid."""
        raise NotImplementedError

    def between(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Every window whose stop lies in ``(start, stop]``, oldest first, made one by one as it is asked for."""
        raise NotImplementedError

    def between_newest_first(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """The same windows as ``between``, newest first, as lazily."""
        raise NotImplementedError

    def count_between(self, start: datetime, stop: datetime) -> int:
        """How many windows ``between`` gives, without making them: constant time for every kind of cadence."""
        raise NotImplementedError

    def windows_touching(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Every window that has a moment of ``[start, stop)`` in it, oldest first, lazily."""
        raise NotImplementedError


def cadence(every: str, period: str = "", zone: str = "UTC", origin: str | datetime | None = None) -> Cadence:
    """A cadence from a user's words; an empty ``period`` is ``every``. Raises CadenceFault."""
    raise NotImplementedError
