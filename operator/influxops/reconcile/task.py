"""One visit to an InfluxTask: desired, found, planned, and the first step of the plan done."""

from __future__ import annotations

from datetime import timedelta

from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.conditions import parse_rfc3339, rfc3339
from influxops.core.desired import DesiredTask, SpecFault
from influxops.core.marker import Owner
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait
from influxops.core.ownership import Claim, Match, match
from influxops.core.plan import CreateTask, DeleteTask, Plan, UpdateTask
from influxops.core.record import Record, unpack
from influxops.core.schedule import of_texts
from influxops.core.task_plan import in_sync, must_park, plan_task
from influxops.core.task_status import late_slot
from influxops.influx.errors import InfluxError, NotFound, Unavailable
from influxops.reconcile import script as scripts
from influxops.reconcile.context import RECONCILE_AT, Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.finalizer import ensure_finalizer
from influxops.reconcile.references import NotUsable, connection_key, poll_after, usable_link
from influxops.reconcile.state import TaskState

HASH = "sha256:"


def owner_of(context: Context, record: Record) -> Owner:
    """The owner key of a record's object."""
    return Owner(context.instance, record.key.kind.value, record.key.namespace, record.key.name)


async def reconcile_task(context: Context, record: Record, state: TaskState) -> Outcome:
    """Bring one native task to what its resource says. At most one write to InfluxDB a visit."""
    try:
        spec = read(InfluxTaskSpec, record.spec(), "spec")
    except SpecInvalid as error:
        return Stalled(Reason.INVALID_SPEC, str(error))
    remember_spec(state, spec)
    link: Link | None = None
    try:
        link = await usable_link(context, record, spec.connection_ref)
        outcome = await _converge(context, record, spec, link, state)
    except NotUsable as error:
        outcome = error.outcome
        _park(context, link, record, spec, outcome)
    except SpecFault as fault:
        outcome = Stalled(fault.reason, str(fault))
    except InfluxError as error:
        outcome = outcome_of(error)
        _park(context, link, record, spec, outcome)
    else:
        state.waiting_since = None if isinstance(outcome, Done) else state.waiting_since
        state.handled_reconcile_at = record.annotations.get(RECONCILE_AT, "")
    return outcome


def remember_spec(state: TaskState, spec: InfluxTaskSpec) -> None:
    """Keep what the sweep needs of the spec."""
    state.late_after = spec.late_after.seconds if spec.late_after else None
    state.history_limit = spec.run_history_limit
    state.description = spec.description
    state.active = not spec.suspend


def _park(context: Context, link: Link | None, record: Record, spec: InfluxTaskSpec, outcome: Outcome) -> None:
    """Let the connection wake the object, for what no waiting by time mends."""
    link = link or context.link(connection_key(record, spec.connection_ref))
    waits = isinstance(outcome, Wait) and outcome.parked
    refused = isinstance(outcome, Stalled) and outcome.reason is Reason.NOT_ALLOWED
    if link is not None and (waits or refused):
        link.parked.add(record.key)


async def _converge(context: Context, record: Record, spec: InfluxTaskSpec, link: Link, state: TaskState) -> Outcome:
    known = _known_good(context, record, spec, link, state)
    if known is not None:
        state.verified = (record.generation, link.generation)
        await ensure_finalizer(context, record)
        return _done(context, state, known, spec)
    if state.missing_bucket and not await link.bucket_exists(state.missing_bucket):
        return _missing_bucket(context, link, state)
    desired, user_script = await scripts.desired(context, record, spec, link, state)
    state.schedule_text = desired.schedule_text
    for bucket in sorted(desired.buckets):
        if not await link.bucket_exists(bucket):
            state.missing_bucket = bucket
            return _missing_bucket(context, link, state)
    state.missing_bucket = ""
    await _settle_unknown(context, link, state)
    found = find(context, record, link, state, desired)
    plan = plan_task(desired, found)
    for warning in plan.warnings:
        context.recorder.event(record, warning.reason, warning.message, warning=True)
    if plan.refusal is not None:
        return Stalled(Reason(plan.refusal.reason), plan.refusal.message, after=link.spec.sync_interval.seconds)
    if any(
        isinstance(action, CreateTask) or (isinstance(action, UpdateTask) and action.send_flux)
        for action in plan.actions
    ):
        await _check_once(link, state, desired, user_script)
    record = await ensure_finalizer(context, record)
    if plan.actions:
        left = await _step(context, record, link, state, desired, plan, found)
        if left is not None:
            return left
    ours = _ours(context, record, link)
    state.verified = (record.generation, link.generation)
    state.recheck = False
    state.script_hash = HASH + desired.digest if ours else ""
    state.drifted = False
    return _done(context, state, ours, spec)


def _known_good(
    context: Context, record: Record, spec: InfluxTaskSpec, link: Link, state: TaskState
) -> TaskRecord | None:
    """The stored task, when nothing has to be asked to know that it is right.

    That is so when the script's digest, which status keeps, is still what InfluxDB holds, and neither the resource nor
    what it refers to has changed since. After a restart this makes 10,000 tasks cost not one request.
    """
    snapshot = link.snapshot
    status_generation = state.verified[0] if state.verified else _settled_generation(state)
    if state.recheck or snapshot is None or status_generation != record.generation or not state.script_hash:
        return None
    if state.verified and state.verified[1] != link.generation:
        return None
    policy = link.spec.policy
    limited = bool(policy.denied_flux_packages or policy.min_every or policy.allowed_buckets)
    if not state.verified and (limited or (spec.template is not None and spec.template.config_map_key_ref is not None)):
        return None
    if state.handled_reconcile_at != record.annotations.get(RECONCILE_AT, ""):
        return None
    marked = snapshot.marked(owner_of(context, record))
    if len(marked) != 1 or marked[0].id != state.task_id:
        return None
    task = marked[0]
    right = (
        task.marker is not None
        and task.marker.uid == record.uid
        and task.intact
        and HASH + task.digest == state.script_hash
        and task.description == state.description
        and (task.status is TaskStatus.ACTIVE) == state.active
    )
    return task if right else None


def _settled_generation(state: TaskState) -> int | None:
    """The generation that status calls Ready, from before this process started."""
    status = unpack(state.packed_status)
    ready = any(item.get("type") == "Ready" and item.get("status") == "True" for item in status.get("conditions") or [])
    return status.get("observedGeneration") if ready else None


def _missing_bucket(context: Context, link: Link, state: TaskState) -> Wait:
    state.waiting_since = state.waiting_since or context.clock()
    return Wait(
        Reason.DEPENDENCY_NOT_READY,
        f"the script names bucket {state.missing_bucket!r}, which does not exist in organization {link.spec.org!r}: create "
        "it, for example with a RetentionPolicy, or correct the name",
        after=poll_after(context, state.waiting_since, link.spec.sync_interval.seconds),
    )


async def _check_once(link: Link, state: TaskState, desired: DesiredTask, user_script: str) -> None:
    if state.checked != desired.digest:
        await scripts.check(link, desired, user_script)
        state.checked = desired.digest


async def _settle_unknown(context: Context, link: Link, state: TaskState) -> None:
    """After a write whose answer was lost, look again before anything else is written."""
    snapshot = link.snapshot
    if state.unknown_since is None or snapshot is None:
        return
    if snapshot.started <= state.unknown_since:
        if state.task_id:
            await refresh(context, link, state.task_id)
        name = state.unknown_name
        for task in await link.call("find_tasks", lambda port: port.find_tasks(link.org_id, name)):
            snapshot.put_task(TaskRecord.of(task), context.clock())
    state.unknown_since = None


def find(context: Context, record: Record, link: Link, state: TaskState, desired: DesiredTask) -> Match:
    """Which stored task is this resource's."""
    snapshot = link.snapshot
    if snapshot is None:
        return Match()
    claim = Claim(
        owner=owner_of(context, record),
        uid=record.uid,
        task_id=state.task_id,
        name=desired.name,
        digests=frozenset({desired.digest, state.script_hash.removeprefix(HASH)} - {""}),
    )
    by_id = snapshot.tasks.get(state.task_id) if state.task_id else None
    return match(claim, snapshot.marked(claim.owner), by_id, snapshot.named(desired.name))


def _ours(context: Context, record: Record, link: Link) -> TaskRecord | None:
    marked = link.snapshot.marked(owner_of(context, record)) if link.snapshot else []
    return min(marked, key=lambda task: task.id) if len(marked) != 1 else marked[0]


async def refresh(context: Context, link: Link, task_id: str) -> Task | None:
    """Read one task now, and keep the snapshot in step; None when it is gone."""
    assert link.snapshot is not None
    try:
        task = await link.call("get_task", lambda port: port.get_task(task_id))
    except NotFound:
        link.snapshot.drop_task(task_id, context.clock())
        return None
    link.snapshot.put_task(TaskRecord.of(task), context.clock())
    return task


async def _step(
    context: Context, record: Record, link: Link, state: TaskState, desired: DesiredTask, plan: Plan, found: Match
) -> Outcome | None:
    """Do the first action. None when the plan is done with it, else what to wait for."""
    action = plan.actions[0]
    try:
        match action:
            case CreateTask():
                await _create(context, record, link, state, desired)
            case DeleteTask(task_id=task_id, why=why):
                await delete_stored(context, record, link, task_id, why)
            case UpdateTask():
                if await _update(context, record, link, state, desired, action):
                    return Wait(Reason.UPDATING, "the schedule changes: the task is paused for a moment", again=True)
    except Unavailable:
        state.unknown_since = context.clock()
        state.unknown_name = desired.name
        raise
    if len(plan.actions) > 1:
        return Wait(Reason.UPDATING, f"{len(plan.actions) - 1} more steps", again=True)
    again = plan_task(desired, find(context, record, link, state, desired))
    if again.actions:
        return Wait(Reason.UPDATING, "InfluxDB does not hold yet what was sent; looking again")
    return None


async def _create(context: Context, record: Record, link: Link, state: TaskState, desired: DesiredTask) -> None:
    assert link.snapshot is not None
    task = await link.call(
        "create_task",
        lambda port: port.create_task(link.org_id, desired.script, desired.description),
        write=True,
    )
    link.snapshot.put_task(TaskRecord.of(task), context.clock())
    state.task_id = task.id
    state.next_run = ""
    context.recorder.action(record.key, "create", Reason.CREATING, task=task.id, task_name=desired.name)
    context.recorder.event(record, Reason.CREATING, f"created task {task.id} ({desired.name!r}) in InfluxDB")


async def _update(
    context: Context, record: Record, link: Link, state: TaskState, desired: DesiredTask, action: UpdateTask
) -> bool:
    """Send one PATCH. True when it only parked the task and the rest is still to be sent."""
    assert link.snapshot is not None
    current = await refresh(context, link, action.task_id)
    if current is None:
        return True
    stored = TaskRecord.of(current)
    if stored.marker is not None and stored.marker.owner != desired.owner:
        return True
    park = must_park(current, action, desired)
    changes = "; ".join(str(change) for change in action.changes)
    drift = state.script_hash == HASH + desired.digest and not state.parked_step and not in_sync(desired, stored)
    drift = drift and state.verified is not None and state.verified[0] == record.generation
    if drift and not state.drifted:
        state.drifted = True
        context.recorder.drift(corrected=False)
    if park:
        updated = await link.call(
            "park_task", lambda port: port.update_task(action.task_id, status=TaskStatus.INACTIVE), write=True
        )
    else:
        updated = await link.call(
            "update_task",
            lambda port: port.update_task(
                action.task_id,
                status=desired.status,
                flux=desired.script if action.send_flux else None,
                description=desired.description if action.send_description else None,
            ),
            write=True,
        )
    state.parked_step = park
    state.task_id = action.task_id
    state.next_run = ""
    link.snapshot.put_task(TaskRecord.of(updated), context.clock())
    reason = Reason.MARKER_LOST if action.marker_lost else Reason.DRIFTED if drift else Reason.UPDATING
    context.recorder.action(
        record.key, "park" if park else "update", reason, task=action.task_id, changes=changes or "schedule"
    )
    if not park:
        if drift or action.marker_lost:
            context.recorder.drift(corrected=True)
            text = f"task {action.task_id} was changed in InfluxDB and has been set back: {changes}"
            context.recorder.event(record, reason, text, warning=True)
        else:
            context.recorder.event(record, reason, f"updated task {action.task_id} in InfluxDB: {changes}")
    return park


async def delete_stored(context: Context, record: Record, link: Link, task_id: str, why: str) -> None:
    """Delete one stored task after a fresh look that it is still ours. Gone already is as good."""
    assert link.snapshot is not None
    task = await refresh(context, link, task_id)
    if task is None:
        return
    marker = TaskRecord.of(task).marker
    if marker is not None and marker.owner != owner_of(context, record):
        return
    try:
        await link.call("delete_task", lambda port: port.delete_task(task_id), write=True)
    except NotFound:
        pass
    link.snapshot.drop_task(task_id, context.clock())
    context.recorder.action(record.key, "delete", Reason.DELETING, task=task_id, why=why)


def _done(context: Context, state: TaskState, ours: TaskRecord | None, spec: InfluxTaskSpec) -> Done:
    """The Done of a task that is as it should be, with its next run worked out anew when that may have moved."""
    state.parked_step = False
    if ours is None:
        state.task_id = ""
        state.next_run = ""
        return Done(Reason.SUSPENDED, "suspended: nothing is created in InfluxDB before spec.suspend is false")
    state.task_id = ours.id
    look_for_lateness(context, state, ours)
    if spec.suspend:
        state.next_run = ""
        return Done(Reason.SUSPENDED, f"task {ours.id} is inactive in InfluxDB: spec.suspend is true")
    set_next_run(context, state, ours, only_if_past=True)
    return Done(Reason.SYNCED, f"task {ours.id} in InfluxDB is as the spec says")


def set_next_run(context: Context, state: TaskState, stored: TaskRecord, *, only_if_past: bool) -> None:
    """Work out the next run; it is left alone while it lies ahead, so that an idle task needs no write."""
    now = context.now()
    if only_if_past and state.next_run:
        try:
            if parse_rfc3339(state.next_run) > now - timedelta(minutes=5):
                return
        except ValueError:
            pass
    schedule = of_texts(stored.every, stored.cron, stored.offset)
    moment = schedule.next_run(now) if schedule else None
    state.next_run = rfc3339(moment) if moment else ""


def look_for_lateness(context: Context, state: TaskState, stored: TaskRecord | None) -> None:
    """Set or clear the slot that is overdue."""
    state.late_slot = None
    if stored is None or not state.active or state.late_after is None:
        return
    schedule = of_texts(stored.every, stored.cron, stored.offset)
    if schedule is not None:
        state.late_slot = late_slot(schedule, state.runs, state.late_after, stored.updated_at, context.now())
