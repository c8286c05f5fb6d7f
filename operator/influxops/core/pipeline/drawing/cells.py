"""What is known of each window of each stage, from the ledger, the watermark and the operator's own words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.window import Window

At = tuple[str, Window]
"""A stage and one of its windows."""


class Mark(StrEnum):
    """What a cell of the map tells: the states of the ledger, and what follows from there being no record."""

    SUCCESS = "SUCCESS"
    RETRIED = "RETRIED"
    """Succeeded, and not with the first attempt of its revision."""
    RERUN = "RERUN"
    """Succeeded in a later revision: late data, a window before it that changed, a repair or a backfill."""
    RUNNING = "RUNNING"
    READY = "READY"
    PENDING = "PENDING"
    """Due and not settled."""
    FAILED = "FAILED"
    SETTLED = "SETTLED"
    """Nothing is recorded, and the watermark has passed it."""
    NOT_DUE = "NOT_DUE"


@dataclass(frozen=True, slots=True)
class Problem:
    """What ``status.exceptions`` says of a window."""

    state: WindowState
    reason: str
    message: str = ""
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """A stage over a window."""

    stage: str
    window: Window
    since: datetime
    """The stop of the window before: in sliding windows, which overlap, what is new begins here."""
    mark: Mark
    attempt: int = 0
    revision: int = 1
    reason: str = ""
    message: str = ""
    record: WindowRecord | None = None

    @property
    def exceptional(self) -> bool:
        """Whether somebody should be told more than the mark: failed, run again, waiting for a reason, with a warning."""
        return self.mark in {Mark.FAILED, Mark.RERUN} or bool(self.reason)


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of a pipeline's windows."""

    now: datetime
    begin: datetime
    """No window that starts earlier is due."""
    delay: timedelta = timedelta()
    """From the end of a window to when it is due."""
    watermark: datetime | None = None
    records: Mapping[At, WindowRecord] = field(default_factory=dict)
    problems: Mapping[At, Problem] = field(default_factory=dict)


def cells_of(stage: str, cadence: Cadence, start: datetime, stop: datetime, known: Known) -> list[Cell]:
    """A stage's windows that end in ``(start, stop]`` or have new data there, oldest first.

    Windows before the pipeline's begin are left out unless they have a record.
    """
    found = (_cell(stage, window, since, known) for since, window in _steps(cadence, start, stop))
    return [cell for cell in found if cell is not None]


def _steps(cadence: Cadence, start: datetime, stop: datetime) -> Iterator[tuple[datetime, Window]]:
    before = cadence.latest(start)
    while before.stop < stop:
        window = cadence.following(before)
        yield before.stop, window
        before = window


def _cell(stage: str, window: Window, since: datetime, known: Known) -> Cell | None:
    record = known.records.get((stage, window))
    problem = known.problems.get((stage, window))
    if record is not None and (record.state is WindowState.SUCCESS or problem is None):
        return Cell(
            stage,
            window,
            since,
            _mark(record),
            record.attempt,
            record.revision,
            _reason(record),
            record.error,
            record,
        )
    if problem is not None:
        revision = record.revision if record else 1
        return Cell(
            stage,
            window,
            since,
            Mark(problem.state.value),
            problem.attempt,
            revision,
            problem.reason,
            problem.message,
            record,
        )
    mark = _without_record(window, known)
    return Cell(stage, window, since, mark) if mark is not None else None


def _mark(record: WindowRecord) -> Mark:
    if record.state is not WindowState.SUCCESS:
        return Mark(record.state.value)
    if record.revision > 1:
        return Mark.RERUN
    return Mark.RETRIED if record.attempt > 1 else Mark.SUCCESS


def _reason(record: WindowRecord) -> str:
    """Why it is as it is, in one word; empty when all went by schedule."""
    if record.state is WindowState.FAILED:
        return "RunFailed"
    if record.state is WindowState.SUCCESS and record.revision == 1:
        return "CheckWarned" if record.error else ""
    return record.cause.value if record.cause is not Cause.SCHEDULE else ""


def _without_record(window: Window, known: Known) -> Mark | None:
    if window.start < known.begin:
        return None
    if known.watermark is not None and window.stop <= known.watermark:
        return Mark.SETTLED
    return Mark.NOT_DUE if window.stop + known.delay > known.now else Mark.PENDING
