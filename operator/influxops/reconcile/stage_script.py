"""From a stage to the Flux that it runs: its own text, a template, or the script of an InfluxTask."""

from __future__ import annotations

from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.api.stage import Stage
from influxops.core.desired import SpecFault
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Reason, Stalled, Wait
from influxops.core.record import Record
from influxops.reconcile.context import Context, Link
from influxops.reconcile.pipeline_state import PipelineState
from influxops.reconcile.references import NotUsable, connection_key, poll_after
from influxops.reconcile.script import Scripted, user_script
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_visit import TaskVisit


async def stage_script(
    context: Context, record: Record, stage: Stage, link: Link, state: PipelineState, where: str
) -> tuple[str, InfluxTaskSpec | None]:
    """The user's script of a stage, and the spec of the InfluxTask that it is from, if so. Raises SpecFault and NotUsable."""
    task: InfluxTaskSpec | None = None
    if stage.task_ref is not None:
        task = _task(context, record, stage.task_ref.name, link, state, where)
    source: Scripted = task if task is not None else stage
    memory = TaskState(uid=record.uid, waiting_since=state.waiting_since)
    try:
        script = await user_script(
            TaskVisit(context, record, link, memory), source, f"{where}.taskRef" if task else where
        )
    finally:
        state.waiting_since = memory.waiting_since
    if not script.strip():
        raise SpecFault(f"{where}: the script is empty: write Flux", Reason.INVALID_SCRIPT)
    return script, task


def _task(context: Context, record: Record, name: str, link: Link, state: PipelineState, where: str) -> InfluxTaskSpec:
    key = Key(Kind.TASK, record.key.namespace, name)
    found = context.objects.get(key)
    if found is None or found.deleting:
        state.waiting_since = state.waiting_since or context.clock()
        raise NotUsable(
            Wait(
                Reason.DEPENDENCY_NOT_READY,
                f"{where}.taskRef: InfluxTask {key.namespace}/{name} does not exist: create it",
                after=poll_after(context, state.waiting_since, link.spec.sync_interval.seconds),
            )
        )
    try:
        spec = read(InfluxTaskSpec, found.spec(), "spec")
    except SpecInvalid as error:
        message = f"{where}.taskRef: InfluxTask {key.namespace}/{name} is not valid: {error}"
        raise NotUsable(Stalled(Reason.INVALID_SPEC, message)) from None
    if connection_key(found, spec.connection_ref) != link.key:
        other = connection_key(found, spec.connection_ref)
        message = (
            f"{where}.taskRef: InfluxTask {key.namespace}/{name} uses connection {other.namespace}/{other.name}, and the pipeline "
            f"{link.key.namespace}/{link.key.name}: use one connection, or write the script into the stage"
        )
        raise NotUsable(Stalled(Reason.INVALID_SPEC, message))
    return spec
