"""Which Events are worth a request: repeats are counted into a series, and nobody may flood. Pure.

Time comes in as an argument, in monotonic seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from influxops.core.keys import Key
from influxops.kube.status_schedule import Bucket

WINDOW = 600.0
"""Seconds since its last occurrence within which an event is a repeat."""

REMEMBERED = 4096
"""Series and objects that are remembered; the longest silent ones are forgotten first."""

PER_OBJECT_BURST = 10.0
PER_OBJECT_RATE = 1 / 60
"""Requests about one object: some at once, then one a minute. What is held back is counted in the next."""


class Happening(NamedTuple):
    """What makes two occurrences the same."""

    key: Key
    uid: str
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Series:
    """Occurrences of one happening."""

    what: Happening
    name: str
    """Of the Event object."""
    count: int = 0
    """Occurrences so far."""
    told: int = 0
    """Those that the cluster knows of."""
    last: float = 0.0
    queued: bool = False
    """Whether a request of it waits already."""


class Aggregator:
    """Turns occurrences into series."""

    def __init__(self) -> None:
        self._series: OrderedDict[Happening, Series] = OrderedDict()
        self._budgets: OrderedDict[str, Bucket] = OrderedDict()

    def occurred(self, what: Happening, name: str, now: float) -> Series | None:
        """Count an occurrence; the series if the cluster should be told now.

        ``name`` is that of the Event to create if the occurrence begins a series.
        """
        series = self._series.pop(what, None)
        if series is None or now - series.last > WINDOW:
            series = Series(what, name)
        self._series[what] = series
        series.count += 1
        series.last = now
        _trim(self._series)
        budget = self._budgets.pop(what.uid, None) or Bucket(PER_OBJECT_RATE, PER_OBJECT_BURST)
        self._budgets[what.uid] = budget
        _trim(self._budgets)
        return series if budget.take(now) else None

    def lost(self, series: Series) -> None:
        """The Event object of a series is gone from the cluster (they live an hour): begin anew next time."""
        if self._series.get(series.what) is series:
            del self._series[series.what]


def _trim(remembered: OrderedDict[Happening, Series] | OrderedDict[str, Bucket]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
