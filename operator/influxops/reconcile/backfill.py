"""A visit to an InfluxBackfill: find whose windows run, and hand it to whoever runs them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from influxops.api.common import RECONCILE_AT, Retry
from influxops.api.errors import SpecInvalid
from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.api.influxpipeline import LEDGER
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.conditions import parse_rfc3339
from influxops.core.desired import SpecFault, desired_task
from influxops.core.keys import Key, Kind
from influxops.core.marker import sha256
from influxops.core.outcome import Done, Gone, Outcome, Reason, Stalled, Wait
from influxops.core.pipeline.backfill.selection import Refused
from influxops.core.pipeline.backfill.status import View, backfill_status, looked_at_again, terminal
from influxops.core.pipeline.graph import StageNode, graph
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan, StagePlan
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.task_cadence import TaskCadenceFault, task_cadence
from influxops.core.record import Record, unpack
from influxops.influx.errors import InfluxError
from influxops.reconcile.announce import announce
from influxops.reconcile.context import Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.pipeline import check_ledger, ledger_owner
from influxops.reconcile.pipeline_state import BackfillOrder
from influxops.reconcile.references import NotUsable, connection_key, no_bucket, owner_of, park, usable_link
from influxops.reconcile.rerun_policy import pauses
from influxops.reconcile.script import script_facts, user_script
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_visit import TaskVisit

LOOK = 5.0
"""Seconds between looks for a pipeline or task that is missing or not ready."""
VISITED = 0.5
"""Seconds until the next look at a pipeline that is there and whose first visit has not ended."""


async def visit_backfill(context: Context, record: Record) -> Outcome:
    """Visit an InfluxBackfill. Errors of Kubernetes pass through to the engine."""
    if record.deleting:
        context.runner.drop_backfill(record.key)
        return Gone()
    status = unpack(record.packed_status)
    if terminal(status):
        return await _expire(context, record, status)
    try:
        spec = read(InfluxBackfillSpec, record.spec(), "spec")
    except SpecInvalid as error:
        return await _tell(
            context,
            record,
            View(refused=Refused(Reason.INVALID_SPEC, str(error))),
            Stalled(Reason.INVALID_SPEC, str(error)),
        )
    asked = record.annotations.get(RECONCILE_AT, "")
    order = BackfillOrder(record.key, record.uid, record.generation, record.created, spec, reconcile_at=asked)
    if spec.pipeline_ref is not None:
        return await _of_pipeline(
            context, record, order, Key(Kind.PIPELINE, record.key.namespace, spec.pipeline_ref.name)
        )
    try:
        connection, plan = await _task_plan(context, record, spec)
    except NotUsable as error:
        context.runner.stop(record.key)  # the ledger knows how far it is
        outcome = error.outcome
        if isinstance(outcome, Wait) and outcome.quiet:
            return outcome  # the connection has not been read yet, as after a start
        message = getattr(outcome, "message", "")
        return await _tell(
            context, record, View(waits=message, waits_reason=str(getattr(outcome, "reason", ""))), outcome
        )
    except SpecFault as fault:
        context.runner.stop(record.key)
        stalled = Stalled(fault.reason, str(fault))
        if status.get("startedAt"):  # the task was changed meanwhile, and may be changed back
            return await _tell(context, record, View(waits=str(fault), waits_reason=str(fault.reason)), stalled)
        return await _tell(context, record, View(refused=Refused(fault.reason, str(fault))), stalled)
    other = context.runner.other_of(record.key, plan.owner) if not spec.dry_run else None
    if other is not None:
        waits = (
            f"InfluxBackfill {other.namespace}/{other.name} has windows of the same InfluxTask run: this one begins when that has "
            "ended or is deleted"
        )
        return await _wait(context, record, waits)
    context.runner.configure(record.key, record.uid, connection, plan)
    context.runner.backfill(record.key, order)
    return Done(Reason.RUNNING)


async def _of_pipeline(context: Context, record: Record, order: BackfillOrder, pipeline: Key) -> Outcome:
    found = context.objects.get(pipeline)
    state = context.pipelines.get(pipeline)
    if found is None or found.deleting:
        waits = f"InfluxPipeline {pipeline.namespace}/{pipeline.name} (spec.pipelineRef) does not exist: create it"
    elif state is None or (state.outcome is None and not state.planned):
        return Wait(Reason.DEPENDENCY_NOT_READY, "", after=VISITED, quiet=True)  # as after a start
    elif not state.planned:
        why = getattr(state.outcome, "message", "")
        waits = f"InfluxPipeline {pipeline.namespace}/{pipeline.name} is not ready: {why}"
    else:
        context.runner.backfill(pipeline, order)
        return Done(Reason.RUNNING)
    return await _wait(context, record, waits)


async def _task_plan(context: Context, record: Record, spec: InfluxBackfillSpec) -> tuple[Key, PipelinePlan]:
    """The windows of an InfluxTask as a pipeline of one stage. Raises NotUsable and SpecFault."""
    name = spec.task_ref.name if spec.task_ref is not None else ""
    key = Key(Kind.TASK, record.key.namespace, name)
    found = context.objects.get(key)
    if found is None or found.deleting:
        message = f"InfluxTask {key.namespace}/{name} (spec.taskRef) does not exist: create it"
        raise NotUsable(Wait(Reason.DEPENDENCY_NOT_READY, message, after=LOOK))
    try:
        task = read(InfluxTaskSpec, found.spec(), "spec")
    except SpecInvalid as error:
        message = f"InfluxTask {key.namespace}/{name} is not valid: {error}"
        raise NotUsable(Wait(Reason.DEPENDENCY_NOT_READY, message, after=LOOK)) from None
    connection = connection_key(found, task.connection_ref)
    try:
        link = await usable_link(context, found, task.connection_ref)
        plan = await _plan(context, found, task, link, spec)
    except InfluxError as error:
        outcome = outcome_of(error)
        park(context, record.key, connection, outcome)
        raise NotUsable(outcome) from None
    except NotUsable as error:
        park(context, record.key, connection, error.outcome)
        raise
    link.refused.passed(record.key)
    return connection, plan


async def _plan(
    context: Context, found: Record, task: InfluxTaskSpec, link: Link, spec: InfluxBackfillSpec
) -> PipelinePlan:
    script = await user_script(TaskVisit(context, found, link, TaskState(uid=found.uid)), task)
    facts = await script_facts(link, script)
    desired = desired_task(task, script, facts, owner_of(context, found), found.uid, link.spec.policy, None)
    try:
        cadence = task_cadence(desired.schedule, desired.prelude)
    except TaskCadenceFault as fault:
        raise SpecFault(f"InfluxTask {found.key.namespace}/{found.key.name}: {fault}") from None
    bucket = spec.ledger.bucket if spec.ledger is not None else LEDGER
    check_ledger(bucket, link.spec.policy)
    for needed in sorted({bucket, *desired.buckets}):
        if not await link.bucket_exists(needed):
            where = (
                "spec.ledger"
                if needed == bucket
                else f"the script of InfluxTask {found.key.namespace}/{found.key.name}"
            )
            raise NotUsable(Wait(Reason.DEPENDENCY_NOT_READY, no_bucket(link, needed, where), after=LOOK))
    name = found.key.name
    stage = StagePlan(
        name=name,
        depends_on=(),
        cadence=cast("Cadence", cadence),  # one stage has no edges, for which more than SlotCadence has would be needed
        script=desired.rendered.text,
        facts=facts,
        digest=sha256(desired.rendered.text)[:16],
        source=None,
        target=None,
        replace=False,
        timeout=600.0,
        as_is=True,
    )
    retry = Retry()
    return PipelinePlan(
        owner=f"{ledger_owner(context.instance, found.key)}/task",
        bucket=bucket,
        stages={name: stage},
        graph=graph([StageNode(name)]),
        begin=datetime(1970, 1, 1, tzinfo=UTC),
        delay=desired.schedule.offset,
        max_active=spec.max_active_windows,
        newest_first=False,
        retry=RetryPlan(retry.limit, pauses(retry.backoff)),
        breaker_failures=20,
        breaker_open=60.0,
        scheduled=False,
    )


async def _wait(context: Context, record: Record, waits: str) -> Outcome:
    """Say for what it waits, and look again soon."""
    return await _tell(context, record, View(waits=waits), Wait(Reason.DEPENDENCY_NOT_READY, waits, after=LOOK))


async def _tell(context: Context, record: Record, view: View, outcome: Outcome) -> Outcome:
    """Say why nothing runs; what somebody has to mend also in an event and the log, for the API may refuse the status."""
    if isinstance(outcome, Stalled) and not any(
        one.get("type") == "Ready" and one.get("message") == outcome.message
        for one in record.status().get("conditions") or []
    ):
        announce(context, record, None, outcome)
    asked = record.annotations.get(RECONCILE_AT, "")
    status = backfill_status(record.status(), None, view, record.generation, context.now(), asked)
    await context.statuses.now(record.key, record.uid, status)
    return outcome


async def _expire(context: Context, record: Record, status: dict[str, Any]) -> Outcome:
    """A backfill that is over: end its loop, and delete the object when its time has come."""
    context.runner.stop(record.key)
    context.runner.drop_backfill(record.key)
    seen = looked_at_again(status, record.generation, record.annotations.get(RECONCILE_AT, ""))
    if seen != status:
        await context.statuses.now(record.key, record.uid, seen)
    seconds = record.spec().get("ttlSecondsAfterFinished")
    finished = status.get("finishedAt")
    if not isinstance(seconds, int) or not isinstance(finished, str):
        return Done(Reason.SUCCEEDED)
    try:
        due = parse_rfc3339(finished) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return Done(Reason.SUCCEEDED)  # written by something else, or in a million years
    left = (due - context.now()).total_seconds()
    if left > 0:
        return Done(Reason.SUCCEEDED, after=left)
    await context.kube.delete_object(record.key, record.uid)
    return Done(Reason.SUCCEEDED)
