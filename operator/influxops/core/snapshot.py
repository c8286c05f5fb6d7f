"""The latest picture of one InfluxDB organization, kept true between sweeps by what we write ourselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from influxops.core.marker import Owner
from influxops.core.observed import Bucket, TaskRecord

K = TypeVar("K")


NEVER = float("-inf")
"""``started`` of the empty picture before the first sweep."""


@dataclass(slots=True)
class Snapshot:
    """Tasks and buckets of an organization. ``started`` is the monotonic time at which its sweep began."""

    started: float
    org_id: str
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    by_owner: dict[Owner, set[str]] = field(default_factory=dict)
    by_name: dict[str, set[str]] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    undecodable: dict[str, str] = field(default_factory=dict)
    """Task id -> why the server's answer for it could not be read."""
    complete: bool = True
    """False when only own tasks were read, by id."""
    own_writes: dict[str, float] = field(default_factory=dict)
    """Task or bucket id -> monotonic time of our own last write to it."""

    def put_task(self, task: TaskRecord, wrote: float | None = None) -> None:
        """Take in a task; ``wrote`` is the time of our own write, if it comes from one."""
        old = self.tasks.get(task.id)
        if old is not None:
            self._unindex(old)
        self.tasks[task.id] = task
        self.by_name.setdefault(task.name, set()).add(task.id)
        if task.marker is not None:
            self.by_owner.setdefault(task.marker.owner, set()).add(task.id)
        if wrote is not None:
            self.own_writes[task.id] = wrote

    def drop_task(self, task_id: str, wrote: float | None = None) -> None:
        """A task is gone."""
        old = self.tasks.pop(task_id, None)
        if old is not None:
            self._unindex(old)
        if wrote is not None:
            self.own_writes[task_id] = wrote

    def marked(self, owner: Owner) -> list[TaskRecord]:
        """Every task whose marker holds this owner key."""
        return [self.tasks[task_id] for task_id in self.by_owner.get(owner, ())]

    def named(self, name: str) -> list[TaskRecord]:
        """Every task of that name."""
        return [self.tasks[task_id] for task_id in self.by_name.get(name, ())]

    def put_bucket(self, bucket: Bucket, wrote: float | None = None) -> None:
        """Take in a bucket; names are unique in an organization."""
        self.buckets[bucket.name] = bucket
        if wrote is not None:
            self.own_writes[bucket.id] = wrote

    def drop_bucket(self, name: str, wrote: float | None = None) -> None:
        """A bucket is gone."""
        bucket = self.buckets.pop(name, None)
        if bucket is not None and wrote is not None:
            self.own_writes[bucket.id] = wrote

    def carry_over(self, previous: Snapshot) -> None:
        """Keep what we wrote while this sweep was reading: its pages may be older than our writes."""
        if previous.org_id != self.org_id:
            return
        for object_id, wrote in previous.own_writes.items():
            if wrote < self.started:
                continue
            task = previous.tasks.get(object_id)
            if task is not None:
                self.put_task(task, wrote)
            else:
                self.drop_task(object_id, wrote)
        recent = {object_id for object_id, wrote in previous.own_writes.items() if wrote >= self.started}
        gone = {name for name, bucket in self.buckets.items() if bucket.id in recent}
        kept = [bucket for bucket in previous.buckets.values() if bucket.id in recent]
        for name in gone - {bucket.name for bucket in kept}:
            del self.buckets[name]
        for bucket in kept:
            self.put_bucket(bucket, previous.own_writes[bucket.id])

    def _unindex(self, task: TaskRecord) -> None:
        _discard(self.by_name, task.name, task.id)
        if task.marker is not None:
            _discard(self.by_owner, task.marker.owner, task.id)


def build(started: float, org_id: str, tasks: Iterable[TaskRecord], buckets: Iterable[Bucket]) -> Snapshot:
    """A snapshot of these objects."""
    snapshot = Snapshot(started, org_id)
    for task in tasks:
        snapshot.put_task(task)
    for bucket in buckets:
        snapshot.put_bucket(bucket)
    return snapshot


def _discard(index: dict[K, set[str]], key: K, item: str) -> None:
    ids = index.get(key)
    if ids is None:
        return
    ids.discard(item)
    if not ids:
        del index[key]
