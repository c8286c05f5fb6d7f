"""From the ledger in InfluxDB to a plan under way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.ahead import AHEAD, believed, unsaid
from influxops.core.pipeline.agenda.catch_up import made_of
from influxops.core.pipeline.agenda.circuit import Circuit
from influxops.core.pipeline.agenda.due import closed, due, next_window
from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.agenda.inserted import inserted
from influxops.core.pipeline.agenda.recalled import Recalled, near, parts
from influxops.core.pipeline.agenda.restore import dropped, horizon, restore
from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.counting import expiry_of
from influxops.engine.pipeline.course import Course, again
from influxops.engine.pipeline.ledger_writer import LedgerWriter

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plan as it begins."""

    course: Course
    given_up: tuple[Place, ...] = ()
    """Windows that are too old for ``catchUp``."""
    forgotten: tuple[Place, ...] = ()
    """Of each stage the newest window of which nobody can tell whether it ran, and that cannot be made again."""
    expired: tuple[Place, ...] = ()
    """Of each stage that is new in the pipeline the newest window that it cannot make up for, as what it is made of is gone in part."""
    dropped: tuple[Place, ...] = ()
    """Of each stage the newest window that had failed, or waited, and is left out for good."""
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
        return Loaded(Course(plan, plan, Agenda(plan), writer, circuits, plan.begin, None))
    marks = await link.run(
        "ledger_watermark", lambda port: port.ledger_watermark(link.org_id, plan.bucket, plan.owner, now + AHEAD)
    )
    known = marks.last.stop if marks.last is not None else None
    mark = _begin(plan, known, told, now)
    recalled = await _recall(link, plan, mark, now)
    asked, plan = plan, _resumed(plan, marks.last, recalled)
    begun = known is not None or told is not None
    lost = _lost(link, plan, mark, recalled, now) if begun else {}
    # Seconds, for fifty thousand windows.
    found = await asyncio.to_thread(due, plan, mark, now, recalled.done, lost)
    agenda = await asyncio.to_thread(restore, plan, mark, recalled, found.places, now)
    for record in recalled.unsaid:
        writer.put(record)
    too_many, expired = await _make_up(link, plan, agenda, writer, mark, recalled, now)
    gone: dict[str, Window] = {}
    for record in dropped(mark, recalled, agenda):
        writer.put(replace(record, state=WindowState.FAILED, cause=Cause.GIVEN_UP))
        gone[record.stage] = max(gone.get(record.stage, record.window), record.window, key=lambda one: one.stop)
    course = Course(
        asked,
        plan,
        agenda=agenda,
        writer=writer,
        circuits=circuits,
        watermark=mark,
        added_to=max(mark, now - timedelta(seconds=plan.delay)),
        next=next_window(plan, now),
        stranded=recalled.stranded,
        last=recalled.last,
        marked_at=now if marks.last is not None and (mark, marks.era) == (known, marks.last.era) else None,
        era=marks.era,
    )
    course.strand((*found.stranded, *made_of(plan, (*too_many, *expired))), now)
    return Loaded(
        course,
        (*(place for place in found.given_up if place[0] not in found.forgotten), *too_many),
        tuple(place for place in found.given_up if place[0] in found.forgotten),
        tuple(expired),
        tuple(gone.items()),
        recalled.records,
    )


async def _make_up(
    link: LiveLink,
    plan: PipelinePlan,
    agenda: Agenda,
    writer: LedgerWriter,
    mark: datetime,
    recalled: Recalled,
    now: datetime,
) -> tuple[list[Place], list[Place]]:
    """Put the windows of stages that are new in a pipeline, or back, on the agenda that open windows of others are made of, and have the ledger remember
    them. Gives the newest window of each stage that would have more to run than ``catchUp`` lets it, and of each whose windows would be made
    of a part, for what they are made of has begun to expire, or is not made up for itself.
    """
    too_many: list[Place] = []
    expired: list[Place] = []
    left_out: set[str] = set()
    wanted = bool(recalled.stages) and not plan.latest_only
    found = await asyncio.to_thread(inserted, plan, mark, recalled, horizon(plan, mark, now)) if wanted else {}
    for stage in [name for name in plan.graph.order if name in found]:
        windows, edge = found[stage], expiry_of(link, plan.stages[stage].inputs, now)
        if len(windows) > plan.max_windows:
            too_many.append((stage, windows[-1]))
        elif (edge is not None and windows[0].start < edge) or not left_out.isdisjoint(plan.graph.parents[stage]):
            expired.append((stage, windows[-1]))
        else:
            for window in windows:
                writer.put(again(agenda.add(stage, window, now, cause=Cause.REPAIR)))
            continue
        left_out.add(stage)
    return too_many, expired


def _resumed(plan: PipelinePlan, known: Mark | None, recalled: Recalled) -> PipelinePlan:
    """The plan with the begin that the ledger tells of, where the spec says none: the object was deleted and made anew, or its cluster was,
    and what it had begun goes on. Where the watermark is of an earlier version, a window that was open at it runs if the records go back to its
    start.
    """
    if plan.begin_given or known is None:
        return plan
    if known.begin is not None:
        return replace(plan, begin=min(plan.begin, known.begin))
    if known.stop >= plan.begin:
        return plan
    return replace(plan, begin=min(known.stop, recalled.scheduled_from or known.stop))


async def _recall(link: LiveLink, plan: PipelinePlan, mark: datetime, now: datetime) -> Recalled:
    """Read what a start has to know, in parts: behind a window that has failed long ago there may be hundreds of thousands of
    records. Of windows that are older, those that are not settled.
    """
    start, recalled, complete = horizon(plan, mark, now), Recalled(plan), closed(plan, now)
    for begin, end in parts(plan, start, now + DAY):
        records = await _records(link, plan, begin, end)
        recalled.take(believed(records, mark, complete, now))
        recalled.unsaid += unsaid(records, mark, complete, now)
    left = await link.run("ledger_left", lambda port: port.ledger_left(link.org_id, plan.bucket, plan.owner, start))
    for first, last in near(left, DAY):
        for begin, end in parts(plan, first, last + timedelta(microseconds=1)):
            old = await _records(link, plan, begin, end)
            recalled.take(one for one in old if one.state is not WindowState.SUCCESS)
    return recalled


async def _records(link: LiveLink, plan: PipelinePlan, start: datetime, stop: datetime) -> list[WindowRecord]:
    return await link.run(
        "ledger_records", lambda port: port.ledger_records(link.org_id, plan.bucket, plan.owner, start, stop)
    )


def _lost(link: LiveLink, plan: PipelinePlan, mark: datetime, recalled: Recalled, now: datetime) -> dict[str, datetime]:
    """Of each stage the moment before which windows that have run cannot be told from those that have not, for the ledger keeps no
    record of them, and cannot be made again, for their source has begun to expire.
    """
    ledger = link.snapshot.buckets.get(plan.bucket)
    kept = [] if ledger is None or not ledger.retention else [now - timedelta(seconds=ledger.retention)]
    if recalled.oldest is not None and plan.begin < mark < recalled.oldest:
        # What the watermark has passed had records. Should it keep them for longer by now, that brings none back.
        kept.append(recalled.oldest)
    if not kept:
        return {}
    edges = {name: expiry_of(link, stage.inputs, now) for name, stage in plan.stages.items()}
    return {name: min(max(kept), edge) for name, edge in edges.items() if edge is not None}


def _begin(plan: PipelinePlan, known: datetime | None, told: datetime | None, now: datetime) -> datetime:
    """The watermark to begin with: the plan's begin while that is to come, for nothing is run before; else the ledger's, else the one that
    was told last (a ledger forgets, and what it has forgotten is settled), else the begin of the plan. One of the ledger in the future
    tells of a clock that was ahead by a little, and that all is settled; one that was told, of a ``begin`` that was changed, or of such a
    clock.
    """
    if plan.begin > now:
        return plan.begin
    if known is not None:
        return known if known <= now else max(plan.begin, closed(plan, now))
    return told if told is not None and told <= now else plan.begin
