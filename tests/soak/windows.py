"""Which windows ran, and which ran again although the ledger had them already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

Window = tuple[str, str, datetime]
"""Pipeline, stage and start."""
Span = tuple[float, float]
"""Monotonic seconds, from and to."""


@dataclass(slots=True)
class WindowBook:
    """What the proxy before InfluxDB saw of windows."""

    runs: list[tuple[Window, float]] = field(default_factory=list)
    """Runs that succeeded, and when they were asked for."""
    settled: dict[Window, float] = field(default_factory=dict)
    """When the ledger first had a window's SUCCESS."""

    def ran(self, window: Window, asked: float) -> None:
        """A run has succeeded."""
        self.runs.append((window, asked))

    def settle(self, window: Window, at: float) -> None:
        """The ledger has a window."""
        self.settled.setdefault(window, at)

    def again(self) -> list[tuple[Window, float]]:
        """Runs that were asked for when the ledger had their window, and when that was."""
        return [(window, asked) for window, asked in self.runs if self.settled.get(window, asked) < asked]

    def repeated(self) -> int:
        """Runs beyond the first of each window, whatever the reason."""
        return sum(count - 1 for count in Counter(window for window, _ in self.runs).values())


def doubled(book: WindowBook, handovers: Sequence[Span]) -> tuple[list[str], int]:
    """Windows that ran again without a reason, as problems; and how many did so because the leader changed just then.

    A new leader reads the ledger once. What the former one's last request settled after that look it runs again, which
    changes no point: ``handovers`` are the times in which that may be.
    """
    problems, excused = [], 0
    for window, asked in book.again():
        settled = book.settled[window]
        if any(begin <= settled <= asked <= end for begin, end in handovers):
            excused += 1
        else:
            pipeline, stage, start = window
            ago = asked - settled
            problems.append(f"DOUBLED: {pipeline}/{stage} {start:%H:%M} ran again {ago:.1f} s after the ledger had it")
    return problems, excused


def values(
    name: str, found: Mapping[datetime, float], start: datetime, stop: datetime, every: timedelta, wanted: float
) -> list[str]:
    """Windows of ``[start, stop)`` whose point is missing or wrong, and points where none belongs."""
    problems, at, places = [], start, set()
    while at + every <= stop:
        places.add(at)
        if at not in found:
            problems.append(f"LOST: {name} has no point of {at:%H:%M}")
        elif found[at] != wanted:
            problems.append(f"WRONG: {name} has {found[at]:g} at {at:%H:%M} instead of {wanted:g}")
        at += every
    odd = [
        moment
        for moment in found
        if moment not in places and (moment < start or moment.timestamp() % every.total_seconds())
    ]
    return problems + [f"ODD: {name} has a point at {moment:%H:%M:%S}" for moment in sorted(odd)]


def spans(faults: Iterable[Span], after: float) -> list[Span]:
    """The times of faults and so many seconds after each, those that touch joined."""
    found: list[Span] = []
    for begin, end in sorted(faults):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end + after))
        else:
            found.append((begin, end + after))
    return found
