"""One task in another's place, one write a step: which step may be done now, and doing it."""

from __future__ import annotations

from influxops.api.common import RECREATE
from influxops.core.desired import DesiredTask
from influxops.core.marker import Owner, read_script, stamp_script
from influxops.core.observed import UNFINISHED, Task, TaskRecord, TaskStatus
from influxops.core.outcome import Done, Outcome, Reason, Wait
from influxops.core.plan import Action, DeleteTask, Plan, RecreateTask, Step
from influxops.core.record import Record
from influxops.core.schedule import of_texts
from influxops.core.succession import Wish, filled_script, seconds_to_a_gap, stub_script
from influxops.influx.errors import Conflict, Forbidden, NotFound
from influxops.reconcile.context import Link
from influxops.reconcile.task_visit import TaskVisit
from influxops.reconcile.task_writes import refresh

RUN_ENDS = 5.0
"""Seconds between two looks for the end of the old task's last run."""
LONGEST_RUN = 900.0
"""Seconds after which the old task is deleted although it still runs."""
TURN = 0.5
"""Seconds between two looks, of all tasks of a connection that wait for their turn together: many do not ask more often."""


def wish_of(visit: TaskVisit) -> Wish:
    """Which task the resource's annotation names, and whose the new one will be."""
    return Wish(visit.record.annotations.get(RECREATE, ""), visit.link.user.id if visit.link.user is not None else "")


def goes_on(plan: Plan) -> bool:
    """Whether a plan only carries on with what was begun, which nobody has to approve again."""
    return any(_carries_on(action) for action in plan.actions[:1])


def _carries_on(action: Action) -> bool:
    if isinstance(action, DeleteTask):
        return bool(action.replaced_by) or action.leftover
    return isinstance(action, RecreateTask) and action.step is not Step.CREATE


def not_now(visit: TaskVisit, action: Action) -> Outcome | None:
    """What a replacement waits for before it is begun, and before the old task is switched off. None: nothing.

    One at a time of a connection, and never where a slot would be lost.
    """
    record, link = visit.record, visit.link
    if not isinstance(action, RecreateTask) or action.step not in {Step.CREATE, Step.RETIRE}:
        return None
    stored = link.snapshot.tasks.get(action.task_id)
    schedule = of_texts(stored.every, stored.cron, stored.offset) if stored is not None else None
    wait = seconds_to_a_gap(schedule, visit.context.now())
    if action.step is Step.RETIRE:
        message = f"task {action.task_id} is replaced by task {action.new_id} after its next run"
        return Wait(Reason.UPDATING, message, after=wait) if wait else None
    right = f"task {action.task_id} in InfluxDB is as the spec says"
    if wait:
        return Done(Reason.SYNCED, f"{right}; it is recreated after its next run", after=wait)
    other = link.recreating
    first = visit.context.objects.get(other) if other is not None and other != record.key else None
    if first is not None and not first.deleting:
        link.awaiting_turn.add(record.key)
        after = TURN * len(link.awaiting_turn)
        return Done(Reason.SYNCED, f"{right}; it is recreated when its turn comes", after=after)
    link.awaiting_turn.discard(record.key)
    link.recreating = record.key
    return None


def end_turn(link: Link | None, record: Record, outcome: Outcome) -> None:
    """Let the next one begin, unless the next step of this one follows at once."""
    if link is None:
        return
    if link.recreating == record.key and not (isinstance(outcome, Wait) and outcome.again):
        link.recreating = None
    if not isinstance(outcome, Done) or outcome.after is None:
        link.awaiting_turn.discard(record.key)


async def recreate_step(visit: TaskVisit, desired: DesiredTask, action: RecreateTask) -> Wait:
    """Do one step, after a fresh look at what it changes. Raises Conflict when that is not as it was."""
    link = visit.link
    match action.step:
        case Step.CREATE:
            made = await link.call(
                "create_task",
                lambda port: port.create_task(link.org_id, stub_script(desired, action.task_id), desired.description),
                write=True,
            )
        case Step.FILL:
            await _unchanged(visit, action.new_id)
            made = await _patch(link, action.new_id, TaskStatus.INACTIVE, filled_script(desired, action.task_id))
        case Step.RETIRE:
            await _unchanged(visit, action.new_id)
            old = await _unchanged(visit, action.task_id)
            body = read_script(old.flux)[1]
            script = stamp_script(desired.owner, visit.record.uid, body, replaced_by=action.new_id)
            made = await _patch(link, action.task_id, TaskStatus.INACTIVE, script)
            visit.state.parked_step = True
        case Step.ACTIVATE:
            return await activate(visit, action, desired.owner, desired.status)
    return _told(visit, action, made)


async def activate(visit: TaskVisit, action: RecreateTask, owner: Owner, status: TaskStatus) -> Wait:
    """Let the new one run; what the spec says now comes afterwards."""
    new = await _unchanged(visit, action.new_id)
    made = await _patch(
        visit.link, action.new_id, status, stamp_script(owner, visit.record.uid, read_script(new.flux)[1])
    )
    visit.state.task_id = action.new_id
    return _told(visit, action, made)


def _told(visit: TaskVisit, action: RecreateTask, made: Task) -> Wait:
    visit.state.next_run = ""
    visit.link.snapshot.put_task(TaskRecord.of(made), visit.context.clock())
    new_id = action.new_id or made.id
    visit.context.recorder.action(
        visit.record.key, "recreate", Reason.UPDATING, task=action.task_id, new_task=new_id, step=action.step.value
    )
    return Wait(Reason.UPDATING, f"task {action.task_id} is being replaced by task {new_id}", again=True)


def tell(visit: TaskVisit, action: DeleteTask) -> None:
    """Say what has come in whose place."""
    user = f": it has the rights of InfluxDB user {visit.link.user.name}" if visit.link.user is not None else ""
    message = f"task {action.replaced_by} has taken the place of task {action.task_id}{user}"
    visit.context.recorder.event(visit.record, Reason.UPDATING, message)


async def still_runs(visit: TaskVisit, task_id: str) -> bool:
    """Whether the old task is in its last run. Deleted meanwhile, the run would end without a record (measured on 2.7.12)."""
    state = visit.state
    state.retiring_since = state.retiring_since or visit.context.clock()
    if visit.context.clock() - state.retiring_since > LONGEST_RUN:
        return False
    try:
        runs = await visit.link.call("list_runs", lambda port: port.list_runs(task_id, 10))
    except (Forbidden, NotFound):
        return False
    busy = any(run.state in UNFINISHED for run in runs)
    if not busy:
        state.retiring_since = None
    return busy


async def _unchanged(visit: TaskVisit, task_id: str) -> Task:
    """Read a task now. Raises Conflict when it is not the one that was planned for."""
    planned = visit.link.snapshot.tasks.get(task_id)
    task = await refresh(visit, task_id)
    if task is None or TaskRecord.of(task) != planned:
        raise Conflict(f"task {task_id} has changed since it was last read")
    return task


async def _patch(link: Link, task_id: str, status: TaskStatus, flux: str) -> Task:
    return await link.call("update_task", lambda port: port.update_task(task_id, status=status, flux=flux), write=True)
