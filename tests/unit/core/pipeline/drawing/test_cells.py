"""What is said of a window, from its record, the watermark and the operator's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.pipeline.drawing.cells import Cell, Known, Mark, Problem, cells_of
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = cadence("1h")
WINDOW = Window(NOON - HOUR, NOON)


def only(record: WindowRecord | None = None, problem: Problem | None = None, **facts: object) -> Cell | None:
    """The cell of the window that ends at noon."""
    given: dict[str, object] = {"now": NOON, "begin": NOON - 24 * HOUR, **facts}
    records = {("s", WINDOW): record} if record else {}
    problems = {("s", WINDOW): problem} if problem else {}
    found = cells_of("s", HOURLY, NOON - HOUR, NOON, Known(**given, records=records, problems=problems))  # type: ignore[arg-type]
    return found[0] if found else None


def record(state: WindowState = WindowState.SUCCESS, **more: object) -> WindowRecord:
    return WindowRecord("s", WINDOW, state, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "mark", "reason", "exceptional"),
    [
        (record(attempt=1), Mark.SUCCESS, "", False),
        (record(attempt=2), Mark.RETRIED, "", False),
        (record(attempt=2, revision=3, cause=Cause.LATE_DATA), Mark.RERUN, "LateData", True),
        (record(attempt=1, revision=2, cause=Cause.BACKFILL), Mark.RERUN, "Backfill", True),
        (record(attempt=1, error="Coverage: 3 of 4 series"), Mark.SUCCESS, "CheckWarned", True),
        (record(WindowState.FAILED, attempt=4, error="boom"), Mark.FAILED, "RunFailed", True),
        (record(WindowState.READY, revision=2, cause=Cause.LATE_DATA), Mark.READY, "LateData", True),
    ],
)
def test_records(known: WindowRecord, mark: Mark, reason: str, exceptional: bool) -> None:
    """The state, and why."""
    cell = only(known)
    assert cell is not None
    assert (cell.mark, cell.reason, cell.exceptional) == (mark, reason, exceptional)
    assert (cell.message, cell.record) == (known.error, known)


def test_without_a_record() -> None:
    """Settled up to the watermark, due once the delay is over, nobody's before the pipeline began."""
    marks = [
        only(watermark=NOON),
        only(watermark=NOON - HOUR),
        only(now=NOON, delay=timedelta(seconds=1)),
        only(begin=NOON),
    ]
    assert [cell and cell.mark for cell in marks] == [Mark.SETTLED, Mark.PENDING, Mark.NOT_DUE, None]


def test_what_a_backfill_ran_before_the_pipeline_began_is_shown() -> None:
    """A record is a record."""
    cell = only(record(attempt=1), begin=NOON)
    assert cell is not None
    assert cell.mark is Mark.SUCCESS


def test_the_operator_knows_more_than_a_record_of_failure() -> None:
    """It tries again, which is in no ledger; but what has succeeded since it spoke has."""
    waits = Problem(WindowState.READY, "CircuitOpen", "until 12:30", 3)
    cell = only(record(WindowState.FAILED, revision=2, error="boom"), waits)
    assert cell is not None
    assert (cell.mark, cell.reason, cell.message, cell.attempt, cell.revision) == (
        Mark.READY,
        "CircuitOpen",
        "until 12:30",
        3,
        2,
    )
    done = only(record(attempt=4), waits)
    assert done is not None
    assert (done.mark, done.reason) == (Mark.RETRIED, "")


def test_a_window_that_reaches_out_of_the_range_is_part_of_it() -> None:
    """The day around three of its hours."""
    found = cells_of("s", cadence("1d"), NOON, NOON + 3 * HOUR, Known(NOON, NOON - 72 * HOUR))
    assert [(cell.window.start.hour, cell.window.stop - cell.window.start) for cell in found] == [(0, 24 * HOUR)]
