"""The writes to a native task: create, update in place, delete; each one request, after a fresh look."""

from __future__ import annotations

import contextlib

from influxops.core.desired import DesiredTask
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.outcome import Reason
from influxops.core.plan import UpdateTask
from influxops.core.task_plan import in_sync, must_park
from influxops.influx.errors import NotFound
from influxops.reconcile.task_visit import TaskVisit

HASH = "sha256:"
"""What ``status.scriptHash`` begins with."""


async def refresh(visit: TaskVisit, task_id: str) -> Task | None:
    """Read one task now, and keep the snapshot in step; None when it is gone.

    Ids are unique in the whole server: with a token that sees more than one organization, an id that status remembers
    from before the connection led here would find a task that is no concern of this organization.
    """
    link = visit.link
    try:
        task = await link.call("get_task", lambda port: port.get_task(task_id))
    except NotFound:
        task = None
    if task is None or task.org_id != link.org_id:
        link.snapshot.drop_task(task_id, visit.context.clock())
        return None
    link.snapshot.put_task(TaskRecord.of(task), visit.context.clock())
    return task


async def settle_unknown(visit: TaskVisit) -> None:
    """After a write whose answer was lost, look again before anything else is written."""
    link, state = visit.link, visit.state
    if state.unknown_since is None:
        return
    if not link.snapshot.complete or link.snapshot.started <= state.unknown_since:
        if state.task_id:
            await refresh(visit, state.task_id)
        await look_by_name(visit, state.unknown_name)
    state.unknown_since = None


async def look_by_name(visit: TaskVisit, name: str) -> None:
    """Read all tasks of a name now, and put them into the snapshot."""
    link = visit.link
    for task in await link.call("find_tasks", lambda port: port.find_tasks(link.org_id, name)):
        link.snapshot.put_task(TaskRecord.of(task), visit.context.clock())  # a sweep may have ended meanwhile


async def create(visit: TaskVisit, desired: DesiredTask) -> None:
    """Create the task, active. An answer that is lost leads to a look by name before anything else is written."""
    context, link = visit.context, visit.link
    task = await link.call(
        "create_task",
        lambda port: port.create_task(link.org_id, desired.script, desired.description),
        write=True,
    )
    link.snapshot.put_task(TaskRecord.of(task), context.clock())
    visit.state.task_id = task.id
    visit.state.next_run = ""
    context.recorder.action(visit.record.key, "create", Reason.CREATING, task=task.id, task_name=desired.name)
    context.recorder.event(visit.record, Reason.CREATING, f"created task {task.id} ({desired.name!r}) in InfluxDB")


async def update(visit: TaskVisit, desired: DesiredTask, action: UpdateTask) -> bool:
    """Send one PATCH. True when it left the task parked, or found another one than was planned for.

    A task that is taken over is parked with our mark on it: switched off without, it would stay so should nobody want it any more.
    Measured with influxd 2.7.12: a new schedule in the request that switches a task off is as good as in that which switches it on again;
    no slot of the past runs.
    """
    if not action.adopt:
        return await _update(visit, desired, action)
    # Between the look and the PATCH another object may want the same task: the second one is to see the first one's mark.
    async with visit.context.taking(visit.link.org_id, action.task_id):
        return await _update(visit, desired, action)


async def _update(visit: TaskVisit, desired: DesiredTask, action: UpdateTask) -> bool:
    context, record, link, state = visit.context, visit.record, visit.link, visit.state
    planned = link.snapshot.tasks.get(action.task_id)
    current = await refresh(visit, action.task_id)
    if current is None:
        return True
    stored = TaskRecord.of(current)
    if stored.marker is not None and stored.marker.owner != desired.owner:
        return True
    if action.adopt and stored != planned:
        return True  # what is taken over is what was looked at
    park = must_park(current, action, desired)
    changes = "; ".join(str(change) for change in action.changes)
    drift = state.script_hash == HASH + desired.digest and not state.parked_step and not in_sync(desired, stored)
    drift = drift and state.verified is not None and state.verified[0] == record.generation
    drift = drift or (state.parked_step and state.drifted)  # the second step of mending a changed schedule
    if drift and not state.drifted:
        state.drifted = True
        context.recorder.drift(record.key, corrected=False)
    whole = action.adopt or not park
    updated = await link.call(
        "park_task" if park else "update_task",
        lambda port: port.update_task(
            action.task_id,
            status=TaskStatus.INACTIVE if park else desired.status,
            flux=desired.script if whole and action.send_flux else None,
            description=desired.description if whole and action.send_description else None,
        ),
        write=True,
    )
    state.parked_step = park
    state.task_id = action.task_id
    state.next_run = ""
    link.snapshot.put_task(TaskRecord.of(updated), context.clock())
    reason = _reason(action, drift=drift)
    context.recorder.action(
        record.key, "park" if park else "update", reason, task=action.task_id, changes=changes or "schedule"
    )
    if whole:
        if (drift or action.marker_lost) and not (park and action.adopt):  # the second step tells it
            context.recorder.drift(record.key, corrected=True)
            text = f"task {action.task_id} was changed in InfluxDB and has been set back: {changes}"
            context.recorder.event(record, reason, text, warning=True)
        else:
            did = "took over" if action.adopt else "updated"
            context.recorder.event(record, reason, f"{did} task {action.task_id} in InfluxDB: {changes}")
    return park


def _reason(action: UpdateTask, *, drift: bool) -> Reason:
    if action.adopt:
        return Reason.ADOPTED
    if action.marker_lost:
        return Reason.MARKER_LOST
    return Reason.DRIFTED if drift else Reason.UPDATING


async def delete_stored(visit: TaskVisit, task_id: str, why: str) -> None:
    """Delete one stored task after a fresh look that it is still ours. Gone already is as good. The one that status names is ours
    whatever became of it; a double that somebody has edited since it was seen is theirs.
    """
    task = await refresh(visit, task_id)
    if task is None:
        return
    found = TaskRecord.of(task)
    if found.marker is not None and found.marker.owner != visit.owner:
        return
    edited = found.marker is None or (found.marker.ordinary and not found.intact)
    if edited and task_id != visit.state.task_id:
        return
    with contextlib.suppress(NotFound):
        await visit.link.call("delete_task", lambda port: port.delete_task(task_id), write=True)
    visit.link.snapshot.drop_task(task_id, visit.context.clock())
    visit.context.recorder.action(visit.record.key, "delete", Reason.DELETING, task=task_id, why=why)
