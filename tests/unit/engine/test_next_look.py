"""When runs are looked for between two sweeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.observed import Run, RunState, Task, TaskRecord, TaskStatus
from influxops.core.runs import RunSummary
from influxops.engine.next_look import AGAIN, FOLLOW, RARE, SETTLE, Dues
from influxops.reconcile.state import TaskState

MADE = datetime(2026, 1, 1, 9, 0, 30, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def stored(every: str = "1m", cron: str = "", offset: str = "") -> TaskRecord:
    """A task that was made long before noon."""
    return TaskRecord.of(Task("t", "o", "u", "n", TaskStatus.ACTIVE, "", "", every, cron, offset, MADE, MADE))


def state(last_slot: datetime | None = None) -> TaskState:
    """The memory of a task whose latest known run was for this slot."""
    runs = (
        RunSummary((Run("r", "t", RunState.SUCCESS, last_slot, last_slot, last_slot),)) if last_slot else RunSummary()
    )
    return TaskState(uid="u", task_id="t", runs=runs)


def look(now: datetime, record: TaskRecord, of: TaskState) -> datetime | None:
    """The next look after a collection at ``now`` that left the state as it is."""
    dues = Dues(now)
    dues.open_slot(of, record)
    return dues.next_look()


def test_the_look_follows_the_next_start_when_all_known_runs_have_ended() -> None:
    assert look(NOON + timedelta(seconds=5), stored(), state(NOON)) == NOON + timedelta(minutes=1) + SETTLE


def test_the_offset_moves_the_look_with_the_start() -> None:
    record = stored("1h", offset="10m")
    assert look(NOON, record, state(NOON - timedelta(hours=1))) == NOON + timedelta(minutes=10) + SETTLE


def test_cron_is_looked_after_too() -> None:
    record = stored("", "30 12 * * *")
    of = state(NOON - timedelta(hours=23, minutes=30))
    assert look(NOON, record, of) == NOON + timedelta(minutes=30) + SETTLE


def test_a_run_that_has_started_and_not_ended_is_asked_for_again() -> None:
    now = NOON + SETTLE
    assert look(now, stored(), state(NOON - timedelta(minutes=1))) == now + AGAIN


def test_a_run_that_takes_long_is_left_to_the_sweeps() -> None:
    now = NOON + FOLLOW + timedelta(seconds=1)
    assert look(now, stored("1h"), state(NOON - timedelta(hours=1))) == NOON + timedelta(hours=1) + SETTLE


@pytest.mark.parametrize("every", ["1s", f"{RARE - 1}s"])
def test_tasks_that_run_all_the_time_get_no_looks(every: str) -> None:
    assert look(NOON + timedelta(seconds=1), stored(every), state(NOON)) is None


def test_a_slot_before_the_last_change_of_the_task_is_not_open() -> None:
    """InfluxDB does not run the slots up to it."""
    assert Dues(MADE).open_slot(state(), stored()) is None
    assert Dues(MADE + timedelta(minutes=1)).open_slot(state(), stored()) == MADE + timedelta(seconds=30)


def test_the_first_slot_after_the_last_known_run_is_the_open_one() -> None:
    of = state(NOON - timedelta(minutes=3))
    assert Dues(NOON).open_slot(of, stored()) == NOON - timedelta(minutes=2)


def test_a_schedule_that_nobody_understands_is_left_alone() -> None:
    assert look(NOON, stored("nonsense"), state()) is None
