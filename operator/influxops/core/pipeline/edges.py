"""Which windows of a parent stage a child's window needs, and which pairs of cadences can be joined at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice

from influxops.core.conditions import rfc3339
from influxops.core.pipeline.cadence import Cadence
from influxops.core.pipeline.window import Window

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""Where the sample of ``edge_fault`` begins unless the caller knows better."""

_YEARS = timedelta(days=366 * 12)
_SAMPLE = 4500
"""Windows of the child that are looked at: days of twelve years."""
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
    for window in islice(child.between(since, since + _YEARS), _SAMPLE):
        for end, word in ((window.stop, "ends"), (window.start, "begins")):
            if parent.stopping_at(end) is None:
                return _fault(child, parent, window, f"{word} at {_clock(end, child)}", end)
    return ""


def _fault(child: Cadence, parent: Cadence, window: Window, happens: str, end: datetime) -> str:
    before = parent.latest(end)
    after = parent.following(before)
    what = (
        f"the child's window {window} (every {_words(child)}) {happens}, where no window of its parent "
        f"(every {_words(parent)}) ends; the nearest end at {_clock(before.stop, parent)} and {_clock(after.stop, parent)}"
    )
    return f"{what}. {_remedy(child, parent, after.stop - before.stop)}"


def _remedy(child: Cadence, parent: Cadence, step: timedelta) -> str:
    first = child.latest(SINCE)
    if child.following(first).stop - first.stop < step:
        return (
            f"A child's every must not be shorter than its parent's: give the child {parent.every} or a multiple of it"
        )
    if child.zone != parent.zone and not _finer_works(child, parent):
        return f"Give both the same timezone, {child.zone} or {parent.zone}"
    return (
        f"Give the parent an every that always divides the child's every and period by the child's clock, such as {child.every} "
        "or 15m, and both the same timezone and origin"
    )


def _finer_works(child: Cadence, parent: Cadence) -> bool:
    """Whether the zone is not what keeps them apart: with the child's zone, the parent would not fit either."""
    try:
        twin = Cadence(parent.every, parent.period, child.zone, parent.origin)
    except ValueError:
        return True
    return bool(edge_fault(child, twin))


def _words(cadence: Cadence) -> str:
    words = f"{cadence.every}" if cadence.tumbling else f"{cadence.every}, period {cadence.period}"
    return words if cadence.zone == "UTC" else f"{words}, {cadence.zone}"


def _clock(moment: datetime, cadence: Cadence) -> str:
    """UTC, and what the cadence's clock shows."""
    if cadence.zone == "UTC":
        return rfc3339(moment)
    return f"{rfc3339(moment)} ({cadence.clock(moment):%Y-%m-%d %H:%M} {cadence.zone})"
