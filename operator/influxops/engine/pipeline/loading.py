"""From the ledger in InfluxDB to a plan under way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda import Agenda, Place
from influxops.core.pipeline.circuit import Circuit
from influxops.core.pipeline.due import closed, due, next_window
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.restore import done, horizon, restore, stranded
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.course import Course
from influxops.engine.pipeline.ledger_writer import LedgerWriter


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plan as it begins."""

    course: Course
    given_up: tuple[Place, ...] = ()
    """Windows that are too old for ``catchUp``."""
    records: int = 0
    """Of the ledger that were read."""


async def load(
    link: LiveLink, plan: PipelinePlan, writer: LedgerWriter, now: datetime, told: datetime | None
) -> Loaded:
    """Read the ledger, and begin with what it tells; without a schedule, with an empty agenda. ``writer`` must have written all
    that it was given. ``told`` is the watermark that was told last. Errors of InfluxDB pass through.
    """
    circuits = {name: Circuit(plan.breaker_failures, plan.breaker_open) for name in plan.stages}
    if not plan.scheduled:
        return Loaded(Course(plan, Agenda(plan), writer, circuits, plan.begin, None))
    known = await link.run("ledger_watermark", lambda port: port.ledger_watermark(link.org_id, plan.bucket, plan.owner))
    mark = _begin(plan, known, told, now)
    start = horizon(plan, mark, now)
    records = await link.run(
        "ledger_records",
        lambda port: port.ledger_records(link.org_id, plan.bucket, plan.owner, start, now + timedelta(days=1)),
    )
    agenda = await asyncio.to_thread(restore, plan, mark, records, now)  # seconds, for fifty thousand windows
    course = Course(
        plan,
        agenda=agenda,
        writer=writer,
        circuits=circuits,
        watermark=mark,
        added_to=max(mark, now - timedelta(seconds=plan.delay)),
        next=next_window(plan, now),
        stranded=stranded(records),
        last=_last(plan, records),
        marked_at=now if mark == known else None,
    )
    found = await asyncio.to_thread(due, plan, mark, now, done(records))
    course.strand(found.stranded, now)
    return Loaded(course, found.given_up, len(records))


def _begin(plan: PipelinePlan, known: datetime | None, told: datetime | None, now: datetime) -> datetime:
    """The watermark to begin with: the ledger's, else the one that was told last (a ledger forgets, and what it has forgotten is
    settled), else the begin of the plan. One in the future tells of a ``begin`` that was changed, or of a clock that was ahead.
    """
    if known is not None:
        return known if known <= now else max(plan.begin, closed(plan, now))
    return told if told is not None and told <= now else plan.begin


def _last(plan: PipelinePlan, records: Iterable[WindowRecord]) -> dict[str, WindowRecord]:
    """Of each stage the newest window that succeeded."""
    last: dict[str, WindowRecord] = {}
    for record in records:
        if record.state is WindowState.SUCCESS and record.stage in plan.stages:
            newer = last.get(record.stage)
            if newer is None or newer.window.stop <= record.window.stop:
                last[record.stage] = record
    return last
