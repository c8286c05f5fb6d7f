"""One visit to an InfluxPipeline: from its spec to a plan whose scripts are resolved, checked and allowed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from influxops.api.connection import Policy
from influxops.api.errors import SpecInvalid
from influxops.api.influxpipeline import LEDGER, CatchUpPolicy, InfluxPipelineSpec, OnLate, Order
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.api.stage import Execution, Severity, Stage, WriteDisposition
from influxops.core.desired import SpecFault, allowed_buckets, check_bucket, check_policy, desired_task
from influxops.core.durations import DAY, format_retention
from influxops.core.flux.facts import ScriptFacts
from influxops.core.flux.render import to_user_place
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, sha256
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait
from influxops.core.pipeline.agenda.restore import longest_window
from influxops.core.pipeline.faults import pipeline_faults
from influxops.core.pipeline.native import native_fault
from influxops.core.pipeline.plan import CheckPlan, NativeTask, PipelinePlan, RetryPlan, StagePlan
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.script import window_script
from influxops.core.pipeline.scripts import check_places, replace_fault, window_faults
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.record import Record, canonical
from influxops.core.schedule import Schedule
from influxops.influx.errors import InfluxError, ScriptInvalid
from influxops.reconcile.context import Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.pipeline_state import PipelineState
from influxops.reconcile.references import NotUsable, connection_key, no_bucket, park, poll_after, usable_link
from influxops.reconcile.rerun_policy import pauses
from influxops.reconcile.script import script_facts
from influxops.reconcile.stage_script import stage_script

TEMPLATES_EVERY = 60.0
"""Seconds after which ConfigMaps with templates are read again."""


@dataclass(frozen=True, slots=True)
class Visited:
    """What a visit came to. ``plan`` is None while nothing may run by this spec."""

    outcome: Outcome
    connection: Key | None = None
    plan: PipelinePlan | None = None
    keep: bool = False
    """The outcome tells of something that the running plan has nothing to do with: it goes on."""


async def reconcile_pipeline(context: Context, record: Record, state: PipelineState) -> Visited:
    """Make the plan. Writes nothing."""
    visited = await _visit(context, record, state)
    if visited.connection is not None:
        park(context, record.key, visited.connection, visited.outcome)
    return visited


async def _visit(context: Context, record: Record, state: PipelineState) -> Visited:
    try:
        spec = read(InfluxPipelineSpec, record.spec(), "spec")
    except SpecInvalid as error:
        return Visited(Stalled(Reason.INVALID_SPEC, str(error)))
    connection = connection_key(record, spec.connection_ref)
    try:
        link = await usable_link(context, record, spec.connection_ref)
        with link.visited_by(record.key):
            plan = await _plan(context, record, spec, link, state)
    except NotUsable as error:
        outcome = error.outcome
        return Visited(outcome, connection, keep=isinstance(outcome, Wait) and outcome.parked)
    except SpecFault as fault:
        return Visited(Stalled(fault.reason, str(fault)), connection)
    except InfluxError as error:
        outcome = outcome_of(error)
        return Visited(outcome, connection, keep=isinstance(outcome, Wait))
    held = next((stage.waits for stage in plan.stages.values() if stage.waits), "")
    if held:
        return Visited(_missing(context, link, state, held), connection, plan)
    state.waiting_since = None
    if spec.suspend:
        return Visited(
            Done(Reason.SUSPENDED, "suspended: no window is started while spec.suspend is true"), connection, plan
        )
    remote = any(stage.template is not None and stage.template.config_map_key_ref is not None for stage in spec.stages)
    count = len(spec.stages)
    message = f"{count} {'stage runs' if count == 1 else 'stages run'} over windows of {spec.window.every}"
    return Visited(Done(Reason.SYNCED, message, after=TEMPLATES_EVERY if remote else None), connection, plan)


async def _plan(
    context: Context, record: Record, spec: InfluxPipelineSpec, link: Link, state: PipelineState
) -> PipelinePlan:
    begin = spec.begin or record.created
    graph, cadences, faults = pipeline_faults(spec, begin)
    if faults or graph is None:
        raise SpecFault("; ".join(str(fault) for fault in faults))
    stages: dict[str, StagePlan] = {}
    for at, stage in enumerate(spec.stages):
        where = f"spec.stages[{at}]"
        stages[stage.name] = await _stage(context, record, spec, stage, cadences[stage.name], link, state, where, begin)
    retry = spec.retry
    plan = PipelinePlan(
        owner=ledger_owner(context.instance, record.key),
        bucket=spec.ledger.bucket,
        stages=stages,
        graph=graph,
        begin=begin,
        begin_given=spec.begin is not None,
        delay=spec.watermark.delay.seconds,
        max_active=spec.concurrency.max_active_windows,
        newest_first=spec.concurrency.order is Order.NEWEST_FIRST,
        retry=RetryPlan(retry.limit, pauses(retry.backoff)),
        breaker_failures=spec.circuit_breaker.consecutive_failures,
        breaker_open=spec.circuit_breaker.open_for.seconds,
        latest_only=spec.catch_up.policy is CatchUpPolicy.LATEST,
        max_windows=spec.catch_up.max_windows,
        allowed=spec.lateness.allowed.seconds if spec.lateness else None,
        check_every=spec.lateness.check_every.seconds if spec.lateness else DAY,
        rerun_late=spec.lateness is None or spec.lateness.on_late is OnLate.RERUN,
        deadline=spec.deadline.seconds if spec.deadline else None,
        suspended=spec.suspend,
    )
    check_ledger(plan.bucket, link.spec.policy)
    await _check_ledger(context, link, state, plan)
    return plan


def check_ledger(bucket: str, policy: Policy) -> None:
    """Hold a ledger against the connection's policy, which need not name the usual one. Raises SpecFault(NotAllowed)."""
    if bucket != LEDGER:
        check_bucket(bucket, "spec.ledger.bucket", "write", allowed_buckets(policy))


def ledger_owner(instance: str, key: Key) -> str:
    """The tag ``owner`` of an object's records."""
    return f"{instance}/{key.namespace}/{key.name}"


async def _stage(
    context: Context,
    record: Record,
    spec: InfluxPipelineSpec,
    stage: Stage,
    cadence: Cadence,
    link: Link,
    state: PipelineState,
    where: str,
    begin: datetime,
) -> StagePlan:
    script, task = await stage_script(context, record, stage, link, state, where)
    try:
        facts = await script_facts(link, script)
        _judge(stage, facts, cadence, link)
        await _check(link, state, script, facts, cadence, context.now())
    except SpecFault as fault:
        raise SpecFault(f"{where} ({stage.name}): {fault}", fault.reason) from None
    named = {part.bucket for part in (stage.source, stage.destination) if part is not None}
    missing = [bucket for bucket in sorted(facts.reads | facts.writes | named) if not await link.bucket_exists(bucket)]
    native, waits = None, no_bucket(link, missing[0], f"{where} ({stage.name})") if missing else ""
    if stage.execution is Execution.NATIVE and task is not None and stage.task_ref is not None:
        native = _native(context, record, stage.task_ref.name, task, facts, script, link, cadence, where, begin)
        if not native.task_id:
            task_name = f"{native.key.namespace}/{native.key.name}"
            waits = waits or (
                f"{where} ({stage.name}).taskRef: InfluxTask {task_name} has no task in InfluxDB: kubectl describe influxtask -n "
                f"{native.key.namespace} {native.key.name} tells why"
            )
    return StagePlan(
        name=stage.name,
        depends_on=tuple(stage.depends_on),
        cadence=cadence,
        script=script,
        facts=facts,
        digest=sha256(canonical([script, stage.to_json(), str(native)]).decode())[:16],
        source=Source(stage.source.bucket, stage.source.measurement or "", stage.source.field or "")
        if stage.source
        else None,
        target=Target(stage.destination.bucket, stage.destination.measurement or "") if stage.destination else None,
        replace=stage.write_disposition is WriteDisposition.REPLACE,
        timeout=float((stage.timeout or spec.timeout).seconds),
        checks=tuple(
            CheckPlan(
                type=check.type.value,
                blocks=check.severity is Severity.ERROR,
                min=check.min,
                max=check.max,
                min_percent=check.min_percent or 100,
                by=tuple(check.by),
                count_field=check.count_field or "",
            )
            for check in stage.checks
        ),
        native=native,
        waits=waits,
    )


def _judge(stage: Stage, facts: ScriptFacts, cadence: Cadence, link: Link) -> None:
    of_task = stage.task_ref is not None
    if stage.execution is not Execution.NATIVE and (faults := window_faults(facts, of_task=of_task)):
        raise SpecFault("; ".join(faults), Reason.INVALID_SCRIPT)
    buckets = allowed_buckets(link.spec.policy)
    every = cadence.every
    check_policy(facts, Schedule(28 * DAY if every.calendar else every.seconds, None), link.spec.policy, buckets)
    check_places(stage, buckets)
    fault = replace_fault(stage, facts)
    if fault:
        raise SpecFault(fault, Reason.INVALID_SPEC)


async def _check(
    link: Link, state: PipelineState, script: str, facts: ScriptFacts, cadence: Cadence, now: datetime
) -> None:
    """Let the server type-check the script as it will run, once."""
    digest = sha256(script)
    if digest in state.checked:
        return
    sent = window_script(script, facts, cadence.latest(now), cadence.period)
    try:
        await link.call("check_script", lambda port: port.check_script(link.org_id, sent.text))
    except ScriptInvalid as error:
        place = to_user_place(script, sent, error.line or 0, error.column or 0)
        at = f"line {place[0]}, column {place[1]}: " if place else ""
        raise SpecFault(f"the script is not valid Flux: {at}{error}", Reason.INVALID_SCRIPT) from None
    state.checked.add(digest)


def _missing(context: Context, link: Link, state: PipelineState, what: str) -> Wait:
    """Something that users make is not there."""
    state.waiting_since = state.waiting_since or context.clock()
    after = poll_after(context, state.waiting_since, link.spec.sync_interval.seconds)
    return Wait(Reason.DEPENDENCY_NOT_READY, what, after=after)


async def _check_ledger(context: Context, link: Link, state: PipelineState, plan: PipelinePlan) -> None:
    """The ledger must exist, and remember for as long as windows may still change."""
    if not await link.bucket_exists(plan.bucket):
        raise NotUsable(_missing(context, link, state, no_bucket(link, plan.bucket, "spec.ledger")))
    bucket = link.snapshot.buckets.get(plan.bucket)
    if bucket is None or bucket.retention == 0:
        return
    longest = int(longest_window(plan, context.now()).total_seconds())
    needed = longest + (plan.allowed or 0) + plan.delay
    if bucket.retention < needed:
        raise SpecFault(
            f"spec.ledger: bucket {plan.bucket!r} keeps its points for {format_retention(bucket.retention)}, and the states of "
            f"windows are needed for {format_retention(-(-needed // DAY) * DAY)} (lateness.allowed and the longest window): "
            "raise its retention, or shorten lateness.allowed"
        )


def _native(
    context: Context,
    record: Record,
    name: str,
    spec: InfluxTaskSpec,
    facts: ScriptFacts,
    script: str,
    link: Link,
    cadence: Cadence,
    where: str,
    begin: datetime,
) -> NativeTask:
    """What is known of the InfluxTask's task; without an id while there is none."""
    key = Key(Kind.TASK, record.key.namespace, name)
    found = context.tasks.get(key)
    task_id = found.task_id if found is not None and not found.gone else ""
    if spec.suspend:
        raise SpecFault(
            f"{where}: execution Native needs an InfluxTask that runs, and {key.namespace}/{name} is suspended: resume it, or "
            "write execution: Query"
        )
    desired = desired_task(spec, script, facts, Owner.of(context.instance, key), record.uid, link.spec.policy, None)
    period = spec.window.period if spec.window is not None and spec.window.period is not None else spec.every
    fault = native_fault(desired.schedule, period, cadence, begin)
    if fault:
        raise SpecFault(f"{where}: {fault}")
    return NativeTask(key, task_id, desired.schedule.offset)
