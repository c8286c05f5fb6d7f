"""Which windows of a parent stage a child's window needs, and which pairs of cadences can be joined at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from influxops.core.conditions import rfc3339
from influxops.core.pipeline.windows.cadence import Cadence, cadence
from influxops.core.pipeline.windows.window import Window

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""Where the sample of ``edge_fault`` begins unless the caller knows better."""

_YEARS = timedelta(days=366 * 5)
"""How much of the calendar is looked at: a leap year, and all that zones do in a year."""
_SOME = 64
"""Windows that are looked at where all are alike."""
_REMEDIES = ("1d", "12h", "6h", "1h", "30m", "15m", "5m", "1m", "1s")
_SECOND = timedelta(seconds=1)


def parents_of(child: Cadence, window: Window, parent: Cadence) -> list[Window]:
    """The parent's windows that ``window`` of the child waits for: those whose stop lies in ``(start, stop]`` of it."""
    del child  # what a window needs depends on its ends alone; the argument mirrors children_of
    return list(parent.between(window.start, window.stop))


def children_of(parent: Cadence, window: Window, child: Cadence) -> list[Window]:
    """The child's windows that wait for ``window`` of the parent: the inverse of ``parents_of``."""
    del parent
    return list(child.windows_touching(window.stop - _SECOND, window.stop))


@lru_cache(maxsize=1024)
def edge_fault(child: Cadence, parent: Cadence, since: datetime = SINCE) -> str:
    """Why the child cannot wait for the parent, with a counterexample and a remedy; empty when it can.

    Both ends of every window of the child must be stops of the parent. Judged over the child's windows of the years after
    ``since`` (a pipeline's ``begin``), so that changes of the clock and ends of months are among them.
    """
    missed = _missed(child, parent, since)
    if missed is None:
        return ""
    return f"{_meeting(child, parent, *missed)}. {_remedy(child, parent, since)}"


def _missed(child: Cadence, parent: Cadence, since: datetime) -> tuple[Window, str, datetime] | None:
    """The first window of the child that has an end where the parent has no stop, and that end; None when there is none."""
    windows = child.between(since, since + _YEARS)
    for window in islice(windows, _SOME) if child.elapsed else windows:
        for end, word in ((window.stop, "ends"), (window.start, "begins")):
            if parent.stopping_at(end) is None:
                return window, word, end
            if child.tumbling:
                break  # it begins where the one before it ends
    return None


def _meeting(child: Cadence, parent: Cadence, window: Window, word: str, end: datetime) -> str:
    """Where they do not meet."""
    before = parent.latest(end)
    return (
        f"the child's window {window} (every {_words(child)}) {word} at {_clock(end, child)}, where no window of its parent "
        f"(every {_words(parent)}) ends; those around end at {_clock(before.stop, parent)} and "
        f"{_clock(parent.following(before).stop, parent)}"
    )


def _remedy(child: Cadence, parent: Cadence, since: datetime) -> str:
    """What makes the two meet, tried before it is told."""
    if _step(child, since) < _step(parent, since):
        return f"A child's every must not be shorter than its parent's: write {parent.every} or a multiple of it for the child"
    for every in (parent.every.text, *_REMEDIES):
        tried = cadence(every, zone=child.zone, origin=child.origin or "")
        if _step(tried, since) <= _step(parent, since) and _missed(child, tried, since) is None:
            zone = "" if parent.zone == child.zone else f" and timezone {child.zone}"
            origin = f" and origin {rfc3339(child.origin)}" if child.origin and parent.origin != child.origin else ""
            return f"They would meet if the parent had every {every}{zone}{origin}"
    return "Write other lengths: a child's every and period must be multiples of its parent's every"


def _step(grid: Cadence, since: datetime) -> timedelta:
    """From one stop to the next, about."""
    first = grid.latest(since)
    return grid.following(first).stop - first.stop


def _words(grid: Cadence) -> str:
    words = f"{grid.every}" if grid.tumbling else f"{grid.every}, period {grid.period}"
    return words if grid.zone == "UTC" else f"{words}, {grid.zone}"


def _clock(moment: datetime, grid: Cadence) -> str:
    """UTC, and what the cadence's clock shows."""
    if grid.zone == "UTC":
        return rfc3339(moment)
    return f"{rfc3339(moment)} ({grid.clock(moment):%Y-%m-%d %H:%M} {grid.zone})"
