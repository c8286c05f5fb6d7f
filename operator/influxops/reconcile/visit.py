"""One visit to one object: reconcile it, then let its status say what came of it."""

from __future__ import annotations

from typing import Any

from influxops.api.common import RECONCILE_AT
from influxops.core.conditions import of_outcome, settled_generation, stamp
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Done, Gone, Outcome, Reason, Stalled, Wait
from influxops.core.record import Record, pack, unpack
from influxops.core.task_status import TaskFacts, task_status
from influxops.reconcile.announce import announce
from influxops.reconcile.backfill import visit_backfill
from influxops.reconcile.context import Context
from influxops.reconcile.pipeline_visit import visit_pipeline
from influxops.reconcile.policy import facts_in, reconcile_policy
from influxops.reconcile.policy_delete import finish_policy
from influxops.reconcile.state import TaskState, ToldStatus, seed
from influxops.reconcile.task import reconcile_task
from influxops.reconcile.task_delete import finish_task
from influxops.reconcile.task_times import slots_status


async def visit(context: Context, key: Key) -> Outcome:
    """Visit an object of any kind but a connection. Errors of Kubernetes pass through to the engine."""
    record = context.objects.get(key)
    if record is None:
        forget(context, key)
        return Gone()
    return await _VISITS[key.kind](context, record)


def forget(context: Context, key: Key) -> None:
    """Remember nothing of an object that is gone, or another shard's; what runs for it ends."""
    context.tasks.pop(key, None)
    context.policies.pop(key, None)
    if key.kind is Kind.PIPELINE:
        context.pipelines.pop(key, None)
        context.runner.stop(key)
    elif key.kind is Kind.BACKFILL:
        context.runner.drop_backfill(key)
    context.deleting_since.end(key)
    context.missing_since.end(key)


def state_of(context: Context, record: Record) -> TaskState:
    """The memory of a task; a re-created object of the same name starts afresh."""
    state = context.tasks.get(record.key)
    if state is None or state.uid != record.uid:
        state = context.tasks[record.key] = seed(record)
    return state


async def _visit_task(context: Context, record: Record) -> Outcome:
    state = state_of(context, record)
    if record.deleting:
        outcome = await finish_task(context, record, state)
    else:
        outcome = await reconcile_task(context, record, state)
    if isinstance(outcome, Gone):
        context.tasks.pop(record.key, None)
        return outcome
    told = unpack(state.packed_status)
    if isinstance(outcome, Wait) and (outcome.again or outcome.quiet or _stays_settled(record, told, outcome)):
        return outcome
    outcome = _let_be(record, told, outcome)
    announce(context, record, state.outcome, outcome)
    state.outcome, state.generation = outcome, record.generation
    status = current_task_status(context, state)
    state.packed_status = pack(status)
    await context.statuses.now(record.key, record.uid, status)
    return outcome


def _stays_settled(record: Record, status: dict[str, Any], outcome: Wait) -> bool:
    """True when an outage meets an object that was right and has not changed: the connection tells of it, once."""
    if not outcome.parked or record.deleting or outcome.reason is Reason.SUSPENDED:
        return False
    before = _outcome_in(status)
    if not isinstance(before, Done) or (before.reason is Reason.SUSPENDED and not record.spec().get("suspend")):
        return False  # it was its connection that was suspended, which it is no longer
    return status.get("observedGeneration") == record.generation


def _let_be(record: Record, status: dict[str, Any], outcome: Outcome) -> Outcome:
    """While its connection is suspended, an object that was right stays Ready, and says that nobody looks any more."""
    if not isinstance(outcome, Wait) or outcome.reason is not Reason.SUSPENDED or record.deleting:
        return outcome
    return Done(outcome.reason, outcome.message) if settled_generation(status) == record.generation else outcome


def current_task_status(context: Context, state: TaskState) -> dict[str, Any]:
    """The status that a task's memory comes to now."""
    previous = unpack(state.packed_status)
    outcome = state.outcome or _outcome_in(previous)
    facts = TaskFacts(
        task_id=state.task_id,
        script_hash=state.script_hash,
        schedule_text=state.schedule_text,
        runs=state.runs,
        history_limit=state.history_limit,
        next_run=state.next_run,
        late_slot=state.late_slot,
        handled_reconcile_at=state.handled_reconcile_at,
        plan=state.plan,
        slots=slots_status(state),
    )
    generation = state.generation if state.outcome is not None else int(previous.get("observedGeneration") or -1)
    return task_status(previous, outcome, facts, generation, context.now())


def _outcome_in(status: dict[str, Any]) -> Outcome:
    """The outcome that a status tells of, for a task that this process has not visited yet."""
    conditions = {str(item.get("type")): item for item in status.get("conditions") or []}
    ready = conditions.get("Ready")
    try:
        reason = Reason(str(ready["reason"])) if ready else Reason.CREATING
    except ValueError:
        reason = Reason.ERROR
    message = str(ready["message"]) if ready else "not visited yet"
    if ready and ready.get("status") == "True":
        return Done(reason, message)
    return Stalled(reason, message) if "Stalled" in conditions else Wait(reason, message)


async def _visit_policy(context: Context, record: Record) -> Outcome:
    told = context.policies.get(record.key)
    previous = unpack(told.packed if told is not None and told.uid == record.uid else record.packed_status)
    if record.deleting:
        outcome = await finish_policy(context, record)
        facts = facts_in(previous)
    else:
        outcome, facts = await reconcile_policy(context, record, previous)
    if isinstance(outcome, Gone):
        context.policies.pop(record.key, None)
        return outcome
    if isinstance(outcome, Wait) and (outcome.quiet or _stays_settled(record, previous, outcome)):
        return outcome
    outcome = _let_be(record, previous, outcome)
    announce(context, record, _outcome_in(previous) if previous.get("conditions") else None, outcome)
    status: dict[str, Any] = {
        "observedGeneration": record.generation,
        "conditions": stamp(of_outcome(outcome), previous.get("conditions") or [], record.generation, context.now()),
    }
    optional = {
        "bucketID": facts.bucket_id,
        "appliedRetention": facts.applied_retention,
        "appliedShardGroupDuration": facts.applied_shard_group,
        "previous": facts.previous,
        "plan": facts.plan,
        "lastHandledReconcileAt": record.annotations.get(RECONCILE_AT, ""),
    }
    status.update({name: value for name, value in optional.items() if value})
    context.policies[record.key] = ToldStatus(record.uid, pack(status))
    await context.statuses.now(record.key, record.uid, status)
    return outcome


_VISITS = {
    Kind.TASK: _visit_task,
    Kind.POLICY: _visit_policy,
    Kind.PIPELINE: visit_pipeline,
    Kind.BACKFILL: visit_backfill,
}
