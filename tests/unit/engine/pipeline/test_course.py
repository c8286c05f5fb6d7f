"""A plan under way: what comes on its agenda as windows close."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import MagicMock

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.due import next_window
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.engine.pipeline.course import MOST_HEALED, Course
from tests.support.pipeline_plans import StageOf, plan_of

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def course(limit: int) -> Course:
    """One stage of hours, of which so many may wait."""
    plan = replace(plan_of({"hours": StageOf()}, BEGIN), max_windows=limit)
    return Course(plan, plan, Agenda(plan), MagicMock(), {}, BEGIN, BEGIN, next_window(plan, BEGIN))


def written(made: Course) -> list[WindowRecord]:
    """What went to the ledger."""
    assert isinstance(made.writer, MagicMock)
    return [call.args[0] for call in made.writer.put.call_args_list]


def test_windows_that_nobody_can_run_do_not_pile_up() -> None:
    """InfluxDB is away for a day: ten windows wait at most, the newest, and it is told which were given up."""
    made = course(10)
    for number in range(1, 25):
        told = made.add_due(BEGIN + number * HOUR)
        assert len(made.agenda) <= 10
    assert [(stage, window.stop) for stage, window in told] == [("hours", BEGIN + 14 * HOUR)]
    assert made.agenda.oldest_stop(BEGIN) == BEGIN + 15 * HOUR
    made.advance(BEGIN + 24 * HOUR)
    assert made.watermark == BEGIN + 14 * HOUR
    assert written(made) == []


def test_a_failed_window_that_is_given_up_stays_so_after_a_restart() -> None:
    """The ledger says that it was given up; a restart would take it up again otherwise."""
    made = course(1)
    made.add_due(BEGIN + HOUR)
    entry = made.agenda.take(BEGIN + HOUR, lambda _: True)
    assert entry is not None
    made.agenda.failed(entry, BEGIN + HOUR, "broken", None)
    made.add_due(BEGIN + 2 * HOUR)
    assert [(one.window.stop, one.state, one.cause, one.error) for one in written(made)] == [
        (BEGIN + HOUR, WindowState.FAILED, Cause.GIVEN_UP, "broken")
    ]


def test_a_window_that_can_never_succeed_is_not_revived_by_its_circuit_for_ever() -> None:
    """Otherwise it would open the circuit again and again, and each time the good windows would wait."""
    made = course(10)
    made.add_due(BEGIN + HOUR)
    runs = 0
    while (entry := made.agenda.take(BEGIN + HOUR, lambda _: True)) is not None:
        runs += 1
        made.agenda.failed(entry, BEGIN + HOUR, "no number", None)
        made.heal("hours", BEGIN + HOUR)
    assert runs == 1 + MOST_HEALED
    assert made.revive(BEGIN + HOUR, lambda _: True), "when somebody asks for it, it runs"
