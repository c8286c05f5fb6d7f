"""The end of an InfluxTask: its native task is deleted or let go, and only then the finalizer comes off."""

from __future__ import annotations

from influxops.api.common import FINALIZER, Deletion
from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.marker import Marker, read_script
from influxops.core.observed import TaskRecord, TaskStatus
from influxops.core.outcome import Gone, Outcome, Reason, Wait
from influxops.core.ownership import Claim, match
from influxops.core.record import Record
from influxops.influx.errors import InfluxError, Unauthorized
from influxops.reconcile.context import LET_GO_AFTER, Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.finalizer import confirm, let_go, let_go_marked
from influxops.reconcile.references import connection_key, first_answer, hopeless, release_again
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_visit import TaskVisit
from influxops.reconcile.task_writes import HASH, delete_stored, refresh, settle_unknown


async def finish_task(context: Context, record: Record, state: TaskState) -> Outcome:
    """One step of deleting. Deletion beats suspend; a dead InfluxDB holds it up, and the message says the way out."""
    if FINALIZER not in record.finalizers:
        return Gone()
    try:
        spec = read(InfluxTaskSpec, record.spec(), "spec")
    except SpecInvalid:
        # It never became valid, so nothing was ever stored for it, unless an older spec was valid.
        if not state.task_id:
            return await let_go(context, record)
        return await _let_go_later(context, record, "its spec cannot be read")
    connection = connection_key(record, spec.connection_ref)
    pending = first_answer(context, record, connection)
    if pending is not None:
        return pending
    link = context.link(connection)
    orphan = spec.deletion is Deletion.ORPHAN
    if link is None or (not link.trust_snapshot() and hopeless(link)):
        if not state.task_id:
            return await let_go(context, record)
        if orphan:
            return await let_go_marked(context, record, f"task {state.task_id}")
        return await _let_go_later(
            context, record, f"InfluxConnection {spec.connection_ref.name} is gone or has no token"
        )
    if not link.trust_snapshot():
        if orphan:
            return await let_go_marked(context, record, f"task {state.task_id or '(id not known)'}")
        link.parked.add(record.key)
        return _held_up(link, "it has not answered yet")
    await confirm(context, record)
    try:
        if orphan:
            await _orphan(TaskVisit(context, record, link, state))
        else:
            await _delete(TaskVisit(context, record, link, state))
    except InfluxError as error:
        if orphan:
            again = release_again(context, record)
            return again or await let_go_marked(context, record, f"task {state.task_id or '(id not known)'}")
        outcome = outcome_of(error)
        if not isinstance(outcome, Wait) or outcome.parked or isinstance(error, Unauthorized):
            link.parked.add(record.key)
            return _held_up(link, str(error))
        return outcome
    return await let_go(context, record)


def _held_up(link: Link, why: str) -> Wait:
    return Wait(
        Reason.CONNECTION_NOT_READY,
        f"the task in InfluxDB cannot be deleted now: {why}. It is deleted when InfluxConnection {link.key.name} is ready; to "
        "let it go as it is, set spec.deletion to Orphan",
        after=30.0,
    )


async def _delete(visit: TaskVisit) -> None:
    """Delete every stored task that is this resource's own; copies that somebody made stay."""
    await settle_unknown(visit)
    await _look(visit)
    for task in _mine(visit):
        await delete_stored(visit, task.id, "its InfluxTask was deleted")


async def _look(visit: TaskVisit) -> None:
    """Ask for the task of status by its id when the list has left it out, as it does for a token that may not read it."""
    task_id = visit.state.task_id
    if task_id and task_id not in visit.link.snapshot.tasks:
        await refresh(visit, task_id)


def _mine(visit: TaskVisit) -> list[TaskRecord]:
    """The task in status, whatever became of it, and our doubles of it; copies that somebody made are not ours.

    Without an id in status (killed before it was written, or rebuilt from Git) the marker alone decides.
    """
    every = visit.link.snapshot.marked(visit.owner)
    marked = [task for task in every if task.marker is not None and task.marker.ordinary]
    under_way = [task for task in every if task not in marked and (task.intact or task.id == visit.state.task_id)]
    heirs = {task.marker.replaced_by for task in under_way if task.marker is not None and task.marker.replaced_by}
    settled = _settled(visit, marked)
    settled += [task for task in marked if task.id in heirs and task not in settled]
    return [*under_way, *settled]


def _settled(visit: TaskVisit, marked: list[TaskRecord]) -> list[TaskRecord]:
    """The same without those that replace another task, or are replaced."""
    state = visit.state
    stored = visit.link.snapshot.tasks.get(state.task_id) if state.task_id else None
    if not state.task_id:
        own = [
            task for task in marked if task.intact and task.marker is not None and task.marker.uid == visit.record.uid
        ]
        return own or (marked if len(marked) == 1 else [])
    digests = {state.script_hash.removeprefix(HASH), stored.digest if stored else ""} - {""}
    mine = [task for task in marked if task.id != state.task_id and task.intact and task.digest in digests]
    if stored is None and not mine:
        mine = _not_told_of(visit, marked)
    known = stored.marker is None or stored.marker.owner == visit.owner if stored is not None else False
    if stored is not None and known and (stored.marker is None or stored.marker.ordinary):
        mine.append(stored)
    return mine


def _not_told_of(visit: TaskVisit, marked: list[TaskRecord]) -> list[TaskRecord]:
    """The task of status is gone, and another was made in its place before status could tell: the one that we would keep, if
    it is of this very object, and its doubles.
    """
    uid = visit.record.uid
    found = match(Claim(visit.owner, uid, visit.state.task_id, "", frozenset()), marked, None, [])
    if found.ours is None or found.ours.marker is None or found.ours.marker.uid != uid:
        return []
    return [found.ours, *found.doubles]


async def _orphan(visit: TaskVisit) -> None:
    """Take our marker off and leave the task running; tried once, because letting go must not be held up.

    Of two tasks, one of which replaces the other, the one stays that runs, or should.
    """
    await settle_unknown(visit)
    await _look(visit)
    mine = _mine(visit)
    settled = {task.id for task in mine if task.marker is None or task.marker.ordinary}
    for known in sorted(mine, key=lambda task: bool(task.marker and task.marker.replaces)):
        marker = known.marker
        if marker is not None and (marker.replaces or marker.replaced_by in settled):
            await delete_stored(visit, known.id, "another task has its place")
        else:
            await _release(visit, known.id, _left(visit, marker))


def _left(visit: TaskVisit, marker: Marker | None) -> TaskStatus | None:
    """The status in which a task is let go of; None as it is. One that is to run may be off by our own doing, between two steps: then we
    know of it, or have not told of the task yet, as we have just taken it over, perhaps in place of one that was gone.
    """
    state, there = visit.state, visit.link.snapshot.tasks
    if marker is None or visit.record.spec().get("suspend"):
        return None
    ours = state.parked_step or state.task_id not in there or not marker.ordinary
    return TaskStatus.ACTIVE if ours else None


async def _release(visit: TaskVisit, task_id: str, status: TaskStatus | None) -> None:
    task = await refresh(visit, task_id)
    if task is None:
        return
    marker, body = read_script(task.flux)
    if marker is None or marker.owner != visit.owner:
        return
    updated = await visit.link.call(
        "release_task", lambda port: port.update_task(task_id, status=status or task.status, flux=body), write=True
    )
    visit.link.snapshot.put_task(TaskRecord.of(updated), visit.context.clock())
    visit.context.recorder.action(visit.record.key, "release", Reason.DELETING, task=task_id)


async def _let_go_later(context: Context, record: Record, why: str) -> Outcome:
    """After a while nobody will come any more: let go, and say what stays behind."""
    since = context.deleting_since.of(record, context.clock())
    task_id = str(record.status().get("taskID") or "unknown")
    left = LET_GO_AFTER - (context.clock() - since)
    if left > 0:
        return Wait(
            Reason.CONNECTION_NOT_READY,
            f"task {task_id} in InfluxDB cannot be deleted: {why}. It is left behind in {int(left)} s; set spec.deletion to "
            "Orphan to let it go now",
            after=min(left, 30.0),
        )
    context.recorder.event(
        record,
        Reason.ORPHANED_TASK,
        f"task {task_id} stays in InfluxDB, because {why}: delete it there if it is not wanted",
        warning=True,
    )
    return await let_go(context, record)
