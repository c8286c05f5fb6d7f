"""Which stretch of time a map of windows shows, in steps of the finest cadence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.zones import instant, zone_of

MOST = 20_000
"""Columns that are made at most."""


class SpanFault(ValueError):
    """What was asked for is no stretch of time, or too long a one. The message says what to write."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user wants to see; nothing: as many of the latest windows as fit."""

    start: datetime | None = None
    stop: datetime | None = None
    last: int | None = None
    """Number of windows: back from ``stop``, or on from ``start``."""


def finest(cadences: Iterable[Cadence], now: datetime) -> Cadence:
    """The cadence with the shortest step around ``now``; the first of several."""
    return min(cadences, key=lambda one: _step(one, now))


def _step(cadence: Cadence, now: datetime) -> timedelta:
    before = cadence.latest(now)
    return cadence.following(before).stop - before.stop


def columns(grid: Cadence, asked: Asked, now: datetime, begin: datetime, room: int) -> list[datetime]:
    """The boundaries of the columns, one more than columns: the stops of ``grid``.

    The last column is the window that is open now, unless another end is asked for. What is before ``begin`` is left out unless
    it is asked for. Raises SpanFault.
    """
    if asked.start is not None and asked.stop is not None and asked.last is not None:
        raise SpanFault("--from, --to and --last are one too many: leave one out")
    if asked.start is not None:
        first = _at_or_after(grid, asked.start)
        if asked.last is not None:
            return _onward(grid, first, asked.last)
        return _between(grid, first, _end(grid, asked, now))
    end = _end(grid, asked, now)
    found = _backward(grid, end, asked.last or room)
    if asked.last is None:
        since = _at_or_after(grid, begin)
        found = [stop for stop in found if stop >= since] or found[-2:]
        return found if len(found) > 1 else [grid.preceding(grid.latest(end)).stop, end]
    return found


def moment(text: str, zone: str) -> datetime:
    """A time as a user writes it: RFC 3339, or what the zone's clock shows (``2026-11-20``, ``2026-11-20T06:00``).

    Raises SpanFault.
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SpanFault(
            f"{text!r} is no time: write 2026-11-20 or 2026-11-20T06:00 by the clock of {zone}, or RFC 3339 with a zone"
        ) from None
    return instant(found, zone_of(zone)) if found.tzinfo is None else found


def _end(grid: Cadence, asked: Asked, now: datetime) -> datetime:
    return grid.latest(asked.stop).stop if asked.stop is not None else grid.following(grid.latest(now)).stop


def _at_or_after(grid: Cadence, start: datetime) -> datetime:
    before = grid.latest(start)
    return before.stop if before.stop == start else grid.following(before).stop


def _between(grid: Cadence, first: datetime, end: datetime) -> list[datetime]:
    count = grid.count_between(first, end)
    if count < 1:
        raise SpanFault(
            "no window of the finest stage lies between --from and --to: write a later --to, or an earlier --from"
        )
    _check(count)
    return [first, *(window.stop for window in grid.between(first, end))]


def _onward(grid: Cadence, first: datetime, count: int) -> list[datetime]:
    _check(count)
    found = [first]
    while len(found) <= count:
        found.append(grid.following(grid.latest(found[-1])).stop)
    return found


def _backward(grid: Cadence, end: datetime, count: int) -> list[datetime]:
    _check(count)
    found = [end]
    while len(found) <= count:
        found.append(grid.preceding(grid.latest(found[-1])).stop)
    return found[::-1]


def _check(count: int) -> None:
    if count > MOST:
        raise SpanFault(
            f"{count} windows are too many to draw, {MOST} are the most: narrow it with --from, --to or --last"
        )
