"""States that a real InfluxDB could never have: a fake that is in one has lied to the test."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from influxops.core.observed import Bucket, Run, Task
from tests.support.fake_points import Key, Point
from tests.support.fake_rules import rule_fault, task_option


def check_state(
    orgs: Collection[str],
    tasks: Mapping[str, Task],
    buckets: Mapping[str, Bucket],
    runs: Sequence[Run],
    points: Mapping[str, Mapping[Key, Point]],
) -> None:
    """Fail with what is impossible."""
    ids = [*tasks, *buckets, *(run.id for run in runs)]
    assert len(ids) == len(set(ids)), "an id is used twice"
    for key, task in tasks.items():
        assert key == task.id, f"task {key} is filed under another id"
        assert task.org_id in orgs, f"task {key} belongs to no organization"
        option = task_option(task.flux)
        assert (task.name, task.every, task.cron) == (
            option.get("name"),
            option.get("every", ""),
            option.get("cron", ""),
        ), f"task {key} differs from the option task of its script"
    names = [(bucket.org_id, bucket.name) for bucket in buckets.values()]
    assert len(names) == len(set(names)), "two buckets of one organization have one name"
    for key, bucket in buckets.items():
        assert key == bucket.id, f"bucket {key} is filed under another id"
        fault = rule_fault(bucket.retention, bucket.shard_group)
        assert fault is None, f"bucket {bucket.name}: {fault}"
    for run in runs:
        assert run.started_at is None or run.finished_at is None or run.started_at <= run.finished_at
    for key, stored in points.items():
        assert key in buckets, f"points are filed under bucket {key}, which does not exist"
        assert all(point.key == place for place, point in stored.items()), f"bucket {key} has a point in a wrong place"
        kinds = {(point.measurement, point.field, type(point.value)) for point in stored.values()}
        assert len(kinds) == len({kind[:2] for kind in kinds}), f"bucket {key} holds a field of two types"
