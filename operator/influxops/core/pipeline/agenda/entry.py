"""One window of one stage that is not settled."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from influxops.core.pipeline.record import Cause, Points, WindowState
from influxops.core.pipeline.windows.window import Window

UNDECIDED = 4
"""Attempts in a row without a verdict before people are told (docs/adr/0004: an outage is told once, by the connection)."""
Place = tuple[str, Window]
"""A stage's name and a window of it."""


@dataclass(slots=True)
class Entry:
    """One window of one stage that is not settled."""

    stage: str
    window: Window
    cause: Cause
    revision: int
    lane: str = ""
    """Whose runs it is counted among: the pipeline's own (empty), or those of the InfluxBackfill of this uid."""
    backfill: str = ""
    """uid of the InfluxBackfill that wants it, for its record."""
    state: WindowState = WindowState.PENDING
    attempt: int = 0
    blockers: int = 0
    """Windows before it that are on the agenda."""
    not_before: datetime | None = None
    """When a failed attempt may be followed by another."""
    ready_at: datetime | None = None
    undecided: int = 0
    """Attempts in a row that came to no verdict; ``error`` tells why once they are UNDECIDED."""
    error: str = ""
    again: bool = False
    """Its source changed while it ran, so it runs once more afterwards."""
    order: tuple[float, int] = (0.0, 0)
    script: str = ""
    """Digest of the stage's script at the last failure."""
    answered: bool = False
    """The server has done its part of the run under way; what it wrote is being judged."""
    healed: int = 0
    """How often a circuit that closed had it run again."""
    points: Points = Points.UNKNOWN
    marked: int = 0
    """The revision of which the ledger was told that its run would empty the window."""

    @property
    def emptied(self) -> bool:
        """Whether nothing but a run brings back what it had."""
        return self.points is Points.EMPTIED

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.stage, self.window


def by_order(entries: Iterable[Entry], most: int | None = None) -> list[Entry]:
    """Oldest window first, and of one window the stages in order; the first ``most`` of them."""

    def order(entry: Entry) -> tuple[datetime, int]:
        return entry.window.stop, entry.order[1]

    return sorted(entries, key=order) if most is None else heapq.nsmallest(most, entries, key=order)
