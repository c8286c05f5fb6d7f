"""A visit to an InfluxPipeline: make the plan, have it run, and let the status say so."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from influxops.api.common import RECONCILE_AT
from influxops.core.conditions import parse_rfc3339
from influxops.core.keys import Key
from influxops.core.outcome import Gone, Outcome, Wait
from influxops.core.pipeline.pipeline_status import pipeline_status
from influxops.core.record import Record, pack, unpack
from influxops.reconcile.announce import announce
from influxops.reconcile.context import Context
from influxops.reconcile.pipeline import reconcile_pipeline
from influxops.reconcile.pipeline_state import PipelineState


async def visit_pipeline(context: Context, record: Record) -> Outcome:
    """Visit an InfluxPipeline. Errors of Kubernetes pass through to the engine."""
    if record.deleting:
        context.runner.stop(record.key)
        context.pipelines.pop(record.key, None)
        return Gone()
    state = state_of(context, record)
    visited = await reconcile_pipeline(context, record, state)
    if visited.connection is not None and not visited.keep:
        context.runner.configure(record.key, record.uid, visited.connection, visited.plan)
    elif visited.connection is None:
        context.runner.stop(record.key)
    state.planned = visited.plan is not None or (visited.keep and state.planned)
    asked = record.annotations.get(RECONCILE_AT, "")
    if asked != state.handled_reconcile_at:
        state.handled_reconcile_at, state.retry_failed = asked, True
    if state.planned and state.retry_failed:
        context.runner.retry_failed(record.key)
        state.retry_failed = False
    outcome = visited.outcome
    if isinstance(outcome, Wait) and (outcome.quiet or (outcome.parked and state.generation == record.generation)):
        return outcome  # the connection tells of it, once
    announce(context, record, state.outcome, outcome)
    state.outcome, state.generation = outcome, record.generation
    status = current_pipeline_status(context, state, record.key)
    state.packed_status = pack(status)
    await context.statuses.now(record.key, record.uid, status)
    return outcome


def state_of(context: Context, record: Record) -> PipelineState:
    """The memory of a pipeline; a re-created object of the same name starts afresh."""
    state = context.pipelines.get(record.key)
    if state is None or state.uid != record.uid:
        handled = str(record.status().get("lastHandledReconcileAt") or "")
        state = PipelineState(record.uid, packed_status=record.packed_status, handled_reconcile_at=handled)
        context.pipelines[record.key] = state
    return state


def told_windows(context: Context, key: Key) -> tuple[int, int]:
    """How many windows have succeeded, and how many of them again for late data, by the status that was told last."""
    state = context.pipelines.get(key)
    told = unpack(state.packed_status) if state is not None else {}
    return int((told.get("windows") or {}).get("succeeded") or 0), int(told.get("lateWindows") or 0)


def told_watermark(context: Context, key: Key) -> datetime | None:
    """The watermark of the status that was told last; None when there is none, or none that can be read."""
    state = context.pipelines.get(key)
    try:
        return parse_rfc3339(str(unpack(state.packed_status).get("watermark"))) if state is not None else None
    except ValueError:
        return None


def current_pipeline_status(context: Context, state: PipelineState, key: Key) -> dict[str, Any]:
    """The status that a pipeline comes to now. Before its loop has read the ledger, what the loop tells stays as it was."""
    previous = unpack(state.packed_status)
    outcome = state.outcome or Gone()
    return pipeline_status(
        previous, outcome, context.runner.facts(key), state.generation, context.now(), state.handled_reconcile_at
    )
