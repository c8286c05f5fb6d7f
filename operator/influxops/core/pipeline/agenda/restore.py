"""From the ledger back to the agenda: what a restart has to know."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.agenda.recalled import Recalled
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import RUNS_AGAIN, Cause, Points, WindowRecord, WindowState

_OF_THE_SCHEDULE = frozenset({Cause.SCHEDULE, Cause.REPAIR})


def horizon(plan: PipelinePlan, watermark: datetime, now: datetime) -> datetime:
    """From where on the whole ledger is to be read: what ends later may be due. Of windows that are older, what is not settled counts."""
    return watermark - longest_window(plan, now)


def longest_window(plan: PipelinePlan, now: datetime) -> timedelta:
    """A length that no window of any stage exceeds: days and months differ in theirs."""
    windows = [stage.cadence.latest(now) for stage in plan.stages.values()]
    return max((window.stop - window.start for window in windows), default=timedelta()) * 1.1 + timedelta(days=1)


def restore(
    plan: PipelinePlan, watermark: datetime, recalled: Recalled, places: Iterable[Place], now: datetime
) -> Agenda:
    """The agenda that the ledger and the watermark come to.

    ``places`` are those that are due after the watermark: without a record they have not run. A window at or below the watermark
    without a record is settled.
    """
    agenda = Agenda(plan)
    known = dict(recalled.left)
    for place in places:
        record = known.pop(place, None)
        if record is None:
            agenda.add(*place, now)
        else:
            _resume(agenda, record, now)
    rank = {stage: number for number, stage in enumerate(plan.graph.order)}
    for record in sorted(known.values(), key=lambda one: (one.window.stop, rank[one.stage])):
        if _runs_again(plan, watermark, record):
            _resume(agenda, record, now)
    return agenda


def dropped(watermark: datetime, recalled: Recalled, agenda: Agenda) -> list[WindowRecord]:
    """Records above the watermark of windows that the agenda has left out, for too many wait or nobody can make them again: they are to be
    marked as given up, or the next start would take them for windows that are to run again.
    """
    return [
        record
        for place, record in recalled.left.items()
        if record.window.stop > watermark and place not in agenda and record.cause in _OF_THE_SCHEDULE
    ]


def _runs_again(plan: PipelinePlan, watermark: datetime, record: WindowRecord) -> bool:
    """Whether a window that is not due is to run again all the same, or has failed as it did and must not be taken for settled."""
    if not plan.stages[record.stage].cadence.has(record.window):
        return False
    if record.points is Points.EMPTIED or record.cause in RUNS_AGAIN:
        return True
    # What only a backfill wants, the backfill chooses anew.
    return record.cause is Cause.REPAIR and not record.backfill and record.window.stop <= watermark


def _resume(agenda: Agenda, record: WindowRecord, now: datetime) -> None:
    stage, window, plan = record.stage, record.window, agenda.plan.stages[record.stage]
    failed = record.state is WindowState.FAILED
    if failed and record.cause is Cause.GIVEN_UP:
        return
    if failed and record.script == plan.digest:
        entry = agenda.add_failed(
            stage,
            window,
            now,
            attempt=record.attempt,
            revision=record.revision,
            error=record.error,
            script=record.script,
            cause=record.cause,
        )
    else:
        cause = Cause.REPAIR if failed else record.cause
        entry = agenda.add(stage, window, now, cause=cause, revision=record.revision + failed)
    if record.points is not Points.UNKNOWN:  # records of earlier versions say nothing of it
        entry.points = record.points
    if entry.emptied and not failed:
        entry.backfill = record.backfill
