"""From the ledger back to the agenda: what a restart has to know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda import Agenda, Place
from influxops.core.pipeline.due import due
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState

_RUN_AGAIN = frozenset({Cause.LATE_DATA, Cause.UPSTREAM, Cause.REPAIR})
"""Why a window below the watermark may still have to run. One of the schedule's own holds the watermark: below it, it was given up."""


def horizon(plan: PipelinePlan, watermark: datetime, now: datetime) -> datetime:
    """From where on the ledger is to be read: windows that are not settled, and those that late data may have run again."""
    back = now - timedelta(seconds=plan.allowed) if plan.allowed is not None else watermark
    return min(watermark, back) - longest_window(plan, now)


def longest_window(plan: PipelinePlan, now: datetime) -> timedelta:
    """A length that no window of any stage exceeds: days and months differ in theirs."""
    windows = [stage.cadence.latest(now) for stage in plan.stages.values()]
    return max((window.stop - window.start for window in windows), default=timedelta()) * 1.1 + timedelta(days=1)


def restore(plan: PipelinePlan, watermark: datetime, records: Iterable[WindowRecord], now: datetime) -> Agenda:
    """The agenda that the ledger and the watermark come to.

    A window above the watermark without a record has not run; one at or below it without a record is settled.
    """
    agenda = Agenda(plan)
    known: dict[Place, WindowRecord] = {
        (record.stage, record.window): record for record in records if record.stage in plan.stages
    }
    for place in due(plan, watermark, now, done(known.values())).places:
        record = known.pop(place, None)
        if record is None:
            agenda.add(*place, now)
        elif record.state is not WindowState.SUCCESS:
            _resume(agenda, record, now)
    rank = {stage: number for number, stage in enumerate(plan.graph.order)}
    for record in sorted(known.values(), key=lambda one: (one.window.stop, rank[one.stage])):
        old = record.window.stop <= watermark and record.cause in _RUN_AGAIN
        if old and plan.stages[record.stage].cadence.has(record.window) and record.state is not WindowState.SUCCESS:
            _resume(agenda, record, now)
    return agenda


def done(records: Iterable[WindowRecord]) -> set[Place]:
    """What has succeeded, whether the watermark has passed it or not."""
    return {(record.stage, record.window) for record in records if record.state is WindowState.SUCCESS}


def stranded(records: Iterable[WindowRecord]) -> set[Place]:
    """What must not run by schedule, as it is made of windows that were given up."""
    return {(record.stage, record.window) for record in records if record.cause is Cause.GIVEN_UP}


def _resume(agenda: Agenda, record: WindowRecord, now: datetime) -> None:
    stage, window = record.stage, record.window
    failed = record.state is WindowState.FAILED
    if failed and record.cause is Cause.GIVEN_UP:
        return
    if failed and record.script == agenda.plan.stages[stage].digest:
        agenda.add_failed(
            stage,
            window,
            now,
            attempt=record.attempt,
            revision=record.revision,
            error=record.error,
            script=record.script,
            cause=record.cause,
        )
        return
    cause = Cause.REPAIR if failed else record.cause
    agenda.add(stage, window, now, cause=cause, revision=record.revision + failed)
