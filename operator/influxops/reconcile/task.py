"""One visit to an InfluxTask: desired, found, planned, and the first step of the plan done."""

from __future__ import annotations

from dataclasses import replace

from influxops.api.common import FINALIZER, RECONCILE_AT, RECREATE
from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.desired import DesiredTask, SpecFault
from influxops.core.observed import TaskRecord, TaskStatus
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait
from influxops.core.ownership import Claim, Match, match
from influxops.core.plan import CreateTask, DeleteTask, Plan, RecreateTask, Step, UpdateTask
from influxops.core.record import Record
from influxops.core.task_plan import plan_task
from influxops.influx.errors import InfluxError, Unavailable
from influxops.kube.references import connection_of
from influxops.reconcile import script as scripts
from influxops.reconcile.context import Context
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.finalizer import confirm, ensure_finalizer
from influxops.reconcile.references import NotUsable, connection_key, no_bucket, park, poll_after, usable_link
from influxops.reconcile.rerun_policy import rerun_policy
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_found import by_name, find, look_again
from influxops.reconcile.task_held import held_back, held_for
from influxops.reconcile.task_known import known_good
from influxops.reconcile.task_recreate import (
    RUN_ENDS,
    activate,
    end_turn,
    not_now,
    recreate_step,
    still_runs,
    tell,
    wish_of,
)
from influxops.reconcile.task_times import look_for_lateness, set_next_run
from influxops.reconcile.task_visit import TaskVisit
from influxops.reconcile.task_writes import HASH, create, delete_stored, refresh, settle_unknown, update

SOON = 0.5
"""Seconds after which a task that was made right is recreated, if that is asked for."""


async def reconcile_task(context: Context, record: Record, state: TaskState) -> Outcome:
    """Bring one native task to what its resource says. At most one write to InfluxDB a visit."""
    try:
        spec = read(InfluxTaskSpec, record.spec(), "spec")
    except SpecInvalid as error:
        where = connection_of(record.key, record.spec())
        invalid = Stalled(Reason.INVALID_SPEC, str(error))
        end_turn(context.link(where) if where else None, record, invalid)
        return invalid
    remember_spec(state, spec)
    try:
        link = await usable_link(context, record, spec.connection_ref, halfway=state.parked_step)
        with link.visited_by(record.key):
            outcome = await _step_or_fault(TaskVisit(context, record, link, state), spec)
    except NotUsable as error:
        outcome = error.outcome
    end_turn(context.link(connection_key(record, spec.connection_ref)), record, outcome)
    if not (isinstance(outcome, Wait) and outcome.quiet):
        state.handled_reconcile_at = record.annotations.get(RECONCILE_AT, "")
    park(context, record.key, connection_key(record, spec.connection_ref), outcome)
    return outcome


async def _step_or_fault(visit: TaskVisit, spec: InfluxTaskSpec) -> Outcome:
    try:
        outcome = await _converge(visit, spec)
    except NotUsable as error:
        return error.outcome
    except SpecFault as fault:
        return Stalled(fault.reason, str(fault))
    except InfluxError as error:
        return outcome_of(error)
    visit.state.waiting_since = None if isinstance(outcome, Done) else visit.state.waiting_since
    return outcome


def remember_spec(state: TaskState, spec: InfluxTaskSpec) -> None:
    """Keep what the sweep needs of the spec."""
    state.late_after = spec.late_after.seconds if spec.late_after else None
    state.history_limit = spec.run_history_limit
    state.description = spec.description
    state.active = not spec.suspend
    state.rerun_policy = rerun_policy(spec)
    if not state.rerun_policy.wanted:
        state.slots = None  # status tells of slots only while somebody looks after them


async def _converge(visit: TaskVisit, spec: InfluxTaskSpec) -> Outcome:
    record, link, state = visit.record, visit.link, visit.state
    known = known_good(visit, spec)
    if known is not None:
        state.verified = (record.generation, link.generation)
        await ensure_finalizer(visit.context, record)
        return _done(visit, known, spec)
    if state.plan is not None and state.outcome is not None and not state.recheck:
        marked = len(link.snapshot.marked(visit.owner))
        if marked <= 1 and state.held_for == held_for(visit) and state.held is not None:
            return state.held
    if state.task_id and state.handled_reconcile_at != record.annotations.get(RECONCILE_AT, ""):
        await refresh(visit, state.task_id)
    turned = await take_over(visit, spec)
    if turned is not None:
        return turned
    if state.missing_bucket and not await link.bucket_exists(state.missing_bucket):
        return _missing_bucket(visit)
    desired, user_script = await scripts.desired(visit, spec)
    state.schedule_text = desired.schedule_text
    for bucket in sorted(desired.buckets):
        if not await link.bucket_exists(bucket):
            state.missing_bucket = bucket
            return _missing_bucket(visit)
    state.missing_bucket = ""
    await settle_unknown(visit)
    if spec.import_id and spec.import_id not in link.snapshot.tasks:
        await refresh(visit, spec.import_id)
    found, plan = await _planned(visit, spec, desired)
    if state.parked_step and found.ours is None and found.retired is None:
        state.parked_step = False  # what was paused is gone, or another's: nothing is half done any more
        await usable_link(visit.context, record, spec.connection_ref)
    for warning in plan.warnings:
        visit.context.recorder.event(record, warning.reason, warning.message, warning=True)
    if plan.refusal is not None:
        return Stalled(Reason(plan.refusal.reason), plan.refusal.message, after=link.spec.sync_interval.seconds)
    if any(
        isinstance(action, CreateTask | RecreateTask) or (isinstance(action, UpdateTask) and action.send_flux)
        for action in plan.actions
    ):
        await _check_once(visit, desired, user_script)
    held = await held_back(visit, spec, desired, plan) if plan.actions else None
    if held is not None:
        return held
    for action in plan.actions[:1]:
        later = not_now(visit, action)
        if isinstance(later, Done):
            approved = state.plan
            done = _done(visit, found.ours, spec)
            state.plan = approved  # its hash is what was approved, and it is applied later
            state.script_hash = HASH + desired.digest
            return replace(later, reason=done.reason)
        if later is not None:
            return later
    visit = await _ready_to_write(visit, plan)
    if plan.actions:
        left = await _step(visit, spec, desired, plan)
        if left is not None:
            return left
    ours = find(visit, spec, desired).ours
    state.verified = (visit.record.generation, link.generation)
    state.recheck = False
    state.script_hash = HASH + desired.digest if ours else ""
    done = _done(visit, ours, spec)
    asked = bool(plan.actions) and ours is not None and visit.record.annotations.get(RECREATE) == ours.id
    return replace(done, after=SOON) if asked else done


async def _planned(visit: TaskVisit, spec: InfluxTaskSpec, desired: DesiredTask) -> tuple[Match, Plan]:
    """What is there, and what is to be done; with a fresh look where the last sweep may have missed what matters."""
    state = visit.state
    wish = wish_of(visit)
    found = find(visit, spec, desired)
    plan = plan_task(desired, found, wish)
    if (
        state.task_id
        and found.ours is None
        and found.retired is None
        and await refresh(visit, state.task_id) is not None
    ):
        # The list left it out (it leaves out what the token may not read); it is there, so nothing is created.
        found = find(visit, spec, desired)
        plan = plan_task(desired, found, wish)
    if plan.refusal is None and by_name(visit, spec, found) and await look_again(visit, spec, desired):
        found = find(visit, spec, desired)
        plan = plan_task(desired, found, wish)
    state.gone = bool(state.task_id) and found.ours is None and found.retired is None
    return found, plan


async def _ready_to_write(visit: TaskVisit, plan: Plan) -> TaskVisit:
    """The visit to the object with our finalizer on it; setting it shows that the object is there, and where it is set, that is asked."""
    record = visit.record
    if plan.actions and FINALIZER in record.finalizers and not _only_its_own(visit, plan):
        await confirm(visit.context, record)
    return replace(visit, record=await ensure_finalizer(visit.context, record))


def _only_its_own(visit: TaskVisit, plan: Plan) -> bool:
    """Whether the plan does no more than change a task whose mark names this very object, not only one of its name."""
    for action in plan.actions:
        stored = visit.link.snapshot.tasks.get(action.task_id) if isinstance(action, UpdateTask) else None
        if stored is None or stored.marker is None or stored.marker.uid != visit.record.uid:
            return False
    return True


async def take_over(visit: TaskVisit, spec: InfluxTaskSpec) -> Wait | None:
    """Of two tasks that are both off, switch the new one on at once: whatever the spec has become, one is to run."""
    link, state, owner = visit.link, visit.state, visit.owner
    marked = link.snapshot.marked(owner)
    if visit.context.preview or all(task.marker is None or not task.marker.replaced_by for task in marked):
        return None
    await settle_unknown(visit)
    claim = Claim(owner=owner, uid=visit.record.uid, task_id=state.task_id, name="", digests=frozenset())
    found = match(claim, link.snapshot.marked(owner), link.snapshot.tasks.get(state.task_id), [])
    if found.ours is not None or found.retired is None or not found.successors:
        return None
    action = RecreateTask(found.retired.id, Step.ACTIVATE, found.successors[0].id)
    status = TaskStatus.INACTIVE if spec.suspend else TaskStatus.ACTIVE
    try:
        return await activate(visit, action, owner, status)
    except Unavailable:
        state.unknown_since = visit.context.clock()
        raise


def _missing_bucket(visit: TaskVisit) -> Wait:
    state = visit.state
    state.waiting_since = state.waiting_since or visit.context.clock()
    return Wait(
        Reason.DEPENDENCY_NOT_READY,
        no_bucket(visit.link, state.missing_bucket, "the script"),
        after=poll_after(visit.context, state.waiting_since, visit.link.spec.sync_interval.seconds),
    )


async def _check_once(visit: TaskVisit, desired: DesiredTask, user_script: str) -> None:
    if visit.state.checked != desired.digest:
        await scripts.check(visit.link, desired, user_script)
        visit.state.checked = desired.digest


async def _step(visit: TaskVisit, spec: InfluxTaskSpec, desired: DesiredTask, plan: Plan) -> Outcome | None:
    """Do the first action. None when the plan is done with it, else what to wait for."""
    action = plan.actions[0]
    try:
        match action:
            case CreateTask():
                await create(visit, desired)
            case DeleteTask(task_id=task_id, why=why):
                if action.replaced_by and await still_runs(visit, task_id):
                    message = f"task {task_id} goes when the run is over that it is in; task {action.replaced_by} has its place"
                    return Wait(Reason.UPDATING, message, after=RUN_ENDS)
                await delete_stored(visit, task_id, why)
                if action.replaced_by:
                    tell(visit, action)
            case RecreateTask():
                return await recreate_step(visit, desired, action)
            case UpdateTask():
                if await update(visit, desired, action):
                    return Wait(Reason.UPDATING, "the schedule changes: the task is paused for a moment", again=True)
    except Unavailable:
        visit.state.unknown_since = visit.context.clock()
        visit.state.unknown_name = desired.name
        raise
    if len(plan.actions) > 1:
        return Wait(Reason.UPDATING, f"{len(plan.actions) - 1} more steps", again=True)
    again = plan_task(desired, find(visit, spec, desired), wish_of(visit))
    if any(not isinstance(one, RecreateTask) for one in again.actions):  # that begins when status tells of this one
        return Wait(Reason.UPDATING, "InfluxDB does not hold yet what was sent; looking again")
    return None


def _done(visit: TaskVisit, ours: TaskRecord | None, spec: InfluxTaskSpec) -> Done:
    """The Done of a task that is as it should be, with its next run worked out anew when that may have moved."""
    state = visit.state
    state.parked_step = False
    state.drifted = False
    state.plan = None
    if ours is None:
        state.task_id = ""
        state.next_run = ""
        return Done(Reason.SUSPENDED, "suspended: nothing is created in InfluxDB before spec.suspend is false")
    state.task_id, state.gone = ours.id, False
    look_for_lateness(visit.context, state, ours)
    if spec.suspend:
        state.next_run = ""
        return Done(Reason.SUSPENDED, f"task {ours.id} is inactive in InfluxDB: spec.suspend is true")
    set_next_run(visit.context, state, ours, only_if_past=True)
    return Done(Reason.SYNCED, f"task {ours.id} in InfluxDB is as the spec says")
