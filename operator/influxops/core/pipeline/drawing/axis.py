"""The time axis over a map of windows: two lines of labels by the zone's clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from influxops.core.pipeline.windows.zones import local, zone_of

_HOUR = 3600
_DAYS = timedelta(hours=22)
"""Steps that are longer are days: one may have 23 hours."""
_MONTHS = timedelta(days=27)
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, *(hours * _HOUR for hours in (1, 2, 3, 4, 6, 12, 24)))
"""Seconds between labels of the clock; each is a part of a day."""


def axis(bounds: Sequence[datetime], zone: str) -> tuple[str, str]:
    """Labels for the columns between these boundaries: dates above; hours, days or months below.

    A label stands where a column begins, and is left out where it has no room.
    """
    clock = [local(bound, zone_of(zone)) for bound in bounds]
    starts, step = clock[:-1], bounds[1] - bounds[0]
    if step > _MONTHS:
        return _changes(starts, "%Y", "%Y"), _place(((at, f"{one:%m}") for at, one in enumerate(starts)), len(starts))
    if step > _DAYS:
        days = _place(((at, f"{one:%d}") for at, one in enumerate(starts)), len(starts))
        return _changes(starts, "%Y-%m", "%Y-%m"), days
    return _changes(starts, "%Y-%m-%d", "%m-%d"), _hours(starts, int(step.total_seconds()))


def _changes(starts: Sequence[datetime], long: str, short: str) -> str:
    """A label at each column with which a new date begins; at the first one only where it leaves room for the others."""
    texts = [f"{one:{long}}" for one in starts]
    new = [at for at in range(1, len(starts)) if texts[at] != texts[at - 1]]
    room = new[0] if new else len(starts)
    labels = [(at, texts[at] if starts[at].year != starts[at - 1].year else f"{starts[at]:{short}}") for at in new]
    first = next((text for text in (texts[0], f"{starts[0]:{short}}") if len(text) + bool(new) <= room), "")
    return _place([(0, first), *labels] if first else labels, len(starts))


def _hours(starts: Sequence[datetime], step: int) -> str:
    """The clock at even times."""
    shape = "%H" if all(not one.minute and not one.second for one in starts) else "%H:%M"
    if any(one.second for one in starts):
        shape = "%H:%M:%S"
    wide = len(f"{starts[0]:{shape}}") + 1
    every = next((tick for tick in _TICKS if tick / step >= wide), _TICKS[-1])
    tick = [(one.date(), _second(one) // every) for one in starts]
    new = [at for at in range(len(starts)) if (_second(starts[at]) % every == 0 or (at and tick[at] != tick[at - 1]))]
    return _place(((at, f"{starts[at]:{shape}}") for at in new), len(starts))


def _second(moment: datetime) -> int:
    return moment.hour * _HOUR + moment.minute * 60 + moment.second


def _place(labels: Iterable[tuple[int, str]], width: int) -> str:
    """Labels at their columns, each only when there is a blank before it and room for all of it."""
    line = ""
    for at, text in labels:
        if (at == 0 or at > len(line)) and at + len(text) <= width:
            line = line.ljust(at) + text
    return line
