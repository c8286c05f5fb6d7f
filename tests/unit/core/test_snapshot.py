"""The picture of an organization stays true between sweeps."""

from __future__ import annotations

from datetime import UTC, datetime

from influxops.core.marker import Owner, stamp_script
from influxops.core.observed import Bucket, Task, TaskRecord, TaskStatus
from influxops.core.snapshot import Snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner("c", "InfluxTask", "ns", "a")


def task(task_id: str, name: str = "n", flux: str = "x = 1") -> TaskRecord:
    return TaskRecord.of(Task(task_id, "o", "u", name, TaskStatus.ACTIVE, "", flux, "1h", "", "", NOW, NOW))


def test_indexes_follow_every_change() -> None:
    snapshot = Snapshot(1.0, "o")
    snapshot.put_task(task("1", "old", stamp_script(OWNER, "u", "x = 1")))
    snapshot.put_task(task("1", "new"))
    assert snapshot.named("old") == []
    assert snapshot.marked(OWNER) == []
    assert [item.id for item in snapshot.named("new")] == ["1"]
    snapshot.drop_task("1")
    assert snapshot.named("new") == []


def test_what_we_wrote_while_a_sweep_was_reading_survives_it() -> None:
    """The sweep began at 10 and saw pages from before our writes at 11; a write at 9 it has seen."""
    before = Snapshot(1.0, "o")
    before.put_task(task("made"), wrote=11.0)
    before.put_task(task("deleted"))
    before.drop_task("deleted", wrote=11.0)
    before.put_task(task("gone since"), wrote=9.0)
    after = Snapshot(10.0, "o")
    after.put_task(task("deleted"))
    after.carry_over(before)
    assert set(after.tasks) == {"made"}


def test_nothing_is_carried_over_from_another_organization() -> None:
    before = Snapshot(1.0, "other")
    before.put_task(task("made"), wrote=11.0)
    after = Snapshot(10.0, "o")
    after.carry_over(before)
    assert after.tasks == {}


def test_buckets_are_carried_over_too() -> None:
    before = Snapshot(1.0, "o")
    before.put_bucket(Bucket("b1", "o", "made", "user", "", 0, 1), wrote=11.0)
    before.put_bucket(Bucket("b2", "o", "deleted", "user", "", 0, 1))
    before.drop_bucket("deleted", wrote=11.0)
    after = Snapshot(10.0, "o")
    after.put_bucket(Bucket("b2", "o", "deleted", "user", "", 0, 1))
    after.carry_over(before)
    assert set(after.buckets) == {"made"}
