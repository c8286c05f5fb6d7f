"""One sweep: all tasks and buckets of an organization in a few requests, compared in memory with what we know."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping

from influxops.core.marker import Owner
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.outcome import Done
from influxops.core.snapshot import Snapshot
from influxops.engine.link import LiveLink
from influxops.influx.errors import Forbidden, NotFound
from influxops.influx.port import InfluxPort
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_writes import HASH

SMALL_SHARE = 20
"""A connection that owns less than a twentieth of a big organization's tasks reads its own by id."""
BIG_ORG = 2000
FULL_EVERY = 10
"""Every so many sweeps, all tasks are read all the same: copies and doubles are found only then."""


async def read_all(link: LiveLink, clock: Callable[[], float]) -> Snapshot:
    """Read every task and every bucket of the organization."""
    snapshot = Snapshot(clock(), link.org_id)
    known = link.snapshot.tasks

    async def pages(port: InfluxPort) -> None:
        async for page in port.list_tasks(link.org_id):
            link.requests += 1
            for item in page:
                _take(snapshot, item, known)

    link.requests -= 1
    await link.send("list_tasks", pages)
    await _buckets(link, snapshot)
    return snapshot


async def read_own(link: LiveLink, task_ids: Collection[str], clock: Callable[[], float]) -> Snapshot:
    """Read our own tasks by id and keep the rest of the last full picture."""
    previous = link.snapshot
    snapshot = Snapshot(clock(), link.org_id, complete=False)
    own = set(task_ids)
    for task in previous.tasks.values():
        if task.id not in own:
            snapshot.put_task(task)
    for task_id in sorted(own):
        await _take_one(link, snapshot, task_id)
    await _buckets(link, snapshot)
    return snapshot


async def _take_one(link: LiveLink, snapshot: Snapshot, task_id: str) -> None:
    with contextlib.suppress(NotFound):
        task = await link.send("get_task", lambda port: port.get_task(task_id))
        if task.org_id == link.org_id:
            snapshot.put_task(TaskRecord.of(task))


async def _buckets(link: LiveLink, snapshot: Snapshot) -> None:
    try:
        for bucket in await link.send("list_buckets", lambda port: port.list_buckets(link.org_id)):
            snapshot.put_bucket(bucket)
    except Forbidden:
        return


def _take(snapshot: Snapshot, item: Task | str, known: Mapping[str, TaskRecord]) -> None:
    if isinstance(item, str):
        task_id, _, why = item.partition(": ")
        snapshot.undecodable[task_id] = why
    else:
        snapshot.put_task(TaskRecord.of(item, known.get(item.id)))


def wants_full(link: LiveLink, own: int, turns: int) -> bool:
    """Whether the next sweep reads everything."""
    previous = link.snapshot
    if not link.trust_snapshot() or turns % FULL_EVERY == 0:
        return True
    return len(previous.tasks) < BIG_ORG or own * SMALL_SHARE >= len(previous.tasks)


def differs(state: TaskState, owner: Owner, snapshot: Snapshot) -> bool:
    """Whether a task that was right no longer is; nothing is asked of anybody to know it."""
    if not isinstance(state.outcome, Done):
        return False
    marked = snapshot.by_owner.get(owner, ())
    if not state.task_id:
        return bool(marked)
    stored = snapshot.tasks.get(state.task_id)
    return (
        stored is None
        or len(marked) != 1
        or HASH + stored.digest != state.script_hash
        or stored.description != state.description
        or (stored.status is TaskStatus.ACTIVE) != state.active
    )
