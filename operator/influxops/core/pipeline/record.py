"""The state of one stage over one window, as the ledger keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from influxops.core.pipeline.windows.window import Window


class WindowState(StrEnum):
    """States of a stage over a window."""

    PENDING = "PENDING"
    """Waits for its time, or for a stage before it."""
    READY = "READY"
    """May run; waits for its turn, for a retry's time, or for an open circuit."""
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    """All attempts are spent. A later revision may run it again."""


class Cause(StrEnum):
    """Why a window is run, beyond its schedule; the same word stands in the ledger, in events and in ``status``."""

    SCHEDULE = ""
    LATE_DATA = "LateData"
    UPSTREAM = "UpstreamChanged"
    """A window before it was run again, so this one is, too."""
    BACKFILL = "Backfill"
    GIVEN_UP = "GivenUp"
    """More windows waited than ``catchUp.maxWindows``; only a backfill runs it."""
    REPAIR = "Repair"
    """It had failed, and what made it fail has been mended."""


class Points(StrEnum):
    """What is known of the points of a window that has not succeeded, or is to run again."""

    UNKNOWN = ""
    KEPT = "Kept"
    """An earlier run made them of all of its source: a run over a source that has expired in part would spoil them."""
    EMPTIED = "Emptied"
    """``Replace`` may have deleted them: nothing but a run brings them back, and nothing may be made of the window before."""


RUNS_AGAIN = frozenset({Cause.LATE_DATA, Cause.UPSTREAM})
"""Why a window runs again that had succeeded."""


@dataclass(frozen=True, slots=True)
class WindowRecord:
    """One entry of the ledger; also the completion event that opens an edge when ``state`` is SUCCESS."""

    stage: str
    window: Window
    state: WindowState
    revision: int = 1
    """Rises each time the window is run again for a new cause."""
    attempt: int = 0
    """Tries of this revision so far, counted from 1."""
    cause: Cause = Cause.SCHEDULE
    rows: int | None = None
    series: int | None = None
    bytes: int | None = None
    checksum: str = ""
    source_count: int | None = None
    """Points of the source just before the run; None when it was not counted."""
    source: str = ""
    """Digest of the source that was counted: counts of another one tell nothing. Empty when nothing was counted, and in older records."""
    duration: float | None = None
    """Seconds that the successful attempt took."""
    query_micros: int | None = None
    """Microseconds that the query took on the server, by its profiler (whose counts of what was scanned are 0 on 2.7.12)."""
    max_allocated: int | None = None
    """Bytes of memory that the query had at most, by the same."""
    script: str = ""
    """Digest of the stage's script at the time; a changed script lets failed windows run again."""
    backfill: str = ""
    """uid of the InfluxBackfill that had it run."""
    run_id: str = ""
    """Of the native run, for stages that InfluxDB schedules."""
    points: Points = Points.UNKNOWN
    error: str = ""
    """Why the last attempt failed, clipped; a warning of a check otherwise."""
    ready_at: datetime | None = None
    """When it became READY; from there to ``finished_at`` is the node's latency."""
    finished_at: datetime | None = None

    @property
    def terminal(self) -> bool:
        """Whether nothing is left to do for this revision."""
        return self.state in {WindowState.SUCCESS, WindowState.FAILED}


def given_up(stage: str, window: Window, now: datetime) -> WindowRecord:
    """The mark that a window is not run by schedule, for it would be made of a part of what it should be made of."""
    error = (
        "windows that it is made of were given up, as the event GivenUp says; an InfluxBackfill of all of it runs it"
    )
    return WindowRecord(stage, window, WindowState.FAILED, cause=Cause.GIVEN_UP, error=error, finished_at=now)
