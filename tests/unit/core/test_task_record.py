"""A task's record is kept from sweep to sweep while the task is the same, and only then."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.marker import Owner, stamp_script
from influxops.core.observed import Task, TaskRecord, TaskStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner("cluster", "InfluxTask", "team", "cpu")
SCRIPT = stamp_script(OWNER, "u1", 'option task = {name: "a", every: 1h}\n')
TASK = Task("t1", "org", "user", "a", TaskStatus.ACTIVE, "text", SCRIPT, "1h", "", "5m", NOW, NOW)


def test_an_equal_task_gives_the_very_record_of_the_last_sweep() -> None:
    known = TaskRecord.of(TASK)
    same = replace(TASK, flux="".join(list(SCRIPT)))
    assert TaskRecord.of(same, known) is known


@pytest.mark.parametrize(
    "change",
    [
        {"flux": SCRIPT + " "},
        {"name": "b"},
        {"status": TaskStatus.INACTIVE},
        {"description": ""},
        {"every": "2h"},
        {"every": "", "cron": "0 * * * *"},
        {"offset": ""},
        {"owner_id": "another"},
        {"updated_at": NOW + timedelta(seconds=1)},
    ],
    ids=",".join,
)
def test_any_change_gives_a_new_record_that_equals_one_made_without_the_old(change: dict[str, object]) -> None:
    changed = replace(TASK, **change)  # type: ignore[arg-type]
    record = TaskRecord.of(changed, TaskRecord.of(TASK))
    assert record == TaskRecord.of(changed)
    assert record != TaskRecord.of(TASK)


def test_a_record_of_another_task_is_never_taken_for_its_own() -> None:
    other = TaskRecord.of(replace(TASK, id="t2"))
    assert TaskRecord.of(TASK, other).id == "t1"


def test_equality_does_not_look_at_the_fingerprint() -> None:
    assert replace(TaskRecord.of(TASK), fingerprint=0) == TaskRecord.of(TASK)
