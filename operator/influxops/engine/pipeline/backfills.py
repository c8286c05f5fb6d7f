"""The backfills of one pipeline: their windows come on its agenda in lanes of their own, beside the schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from influxops.core.keys import Key
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.backfill.recent import recent_from
from influxops.core.pipeline.backfill.refusal import refusal
from influxops.core.pipeline.backfill.selection import Bounds, Refused, Selection, bounds, estimate, select
from influxops.core.pipeline.backfill.status import Progress, View, backfill_status
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.record import unpack
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.backfill_work import Work
from influxops.engine.pipeline.course import Course
from influxops.engine.tools import Tools
from influxops.reconcile.pipeline_state import BackfillOrder

TOLD_EVERY = 3.0
"""Seconds between two statuses of a backfill under way: somebody may be watching."""


class Backfills:
    """Of one loop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._works: dict[Key, Work] = {}
        self._gone: set[str] = set()
        """uids of backfills that were deleted and whose windows are still on the agenda."""

    def __len__(self) -> int:
        return len(self._works)

    def order(self, order: BackfillOrder) -> bool:
        """Take a backfill in, or its change (suspend). Whether there is something to tell."""
        known = self._works.get(order.key)
        record = self._tools.context.objects.get(order.key)
        status = unpack(record.packed_status) if record is not None and record.uid == order.uid else {}
        if known is None or known.uid != order.uid:
            self.drop(order.key)
            self._works[order.key] = Work(order, status)
            return True
        changed = known.order != order
        known.order = order
        if not known.over and status.get("phase") == "Pending":
            known.status = status  # a visit has said that the pipeline was not ready
            return True
        return changed

    def drop(self, key: Key) -> bool:
        """The backfill is gone, if it was here: its windows leave the agenda at the next turn."""
        work = self._works.pop(key, None)
        if work is not None and not work.over:
            self._gone.add(work.uid)
        return work is not None

    def reload(self) -> None:
        """The agenda is a new one: every selection is made anew from the ledger."""
        self._gone.clear()
        for work in self._works.values():
            work.forget()

    def lanes(self) -> list[tuple[str, int]]:
        """The uid of each backfill that may run, and how many of its windows at one time."""
        return [
            (work.uid, work.order.spec.max_active_windows)
            for work in self._works.values()
            if work.added and not work.order.spec.suspend and not work.over
        ]

    def suspended(self) -> dict[str, str]:
        """Names, by uid, of those that have windows and may not run them."""
        return {
            work.uid: work.order.key.name
            for work in self._works.values()
            if work.added and work.order.spec.suspend and not work.over
        }

    @property
    def unsettled(self) -> bool:
        """Whether there is something for ``turn`` to do."""
        return bool(self._gone) or any(not work.chosen and not work.over for work in self._works.values())

    async def turn(self, link: LiveLink, course: Course, now: datetime) -> None:
        """Choose the windows of those that are new. Errors of InfluxDB pass through, and it is tried again."""
        if self._still_leaving(course, now):
            return
        for work in list(self._works.values()):
            if not work.chosen and not work.over:
                await self._choose(work, link, course.plan, course.agenda, now)

    def _still_leaving(self, course: Course, now: datetime) -> bool:
        """Whether runs of deleted backfills are under way; a new backfill of the same windows waits for their end."""
        for uid in list(self._gone):
            self._leave(uid, course, now)
            if course.agenda.running(uid) == 0:
                self._gone.discard(uid)
        return bool(self._gone)

    def _leave(self, uid: str, course: Course, now: datetime) -> bool:
        """Take the windows of a backfill off the agenda, but for those that another one counts on and those that become the pipeline's own;
        whether there are any of these, for its status to tell.
        """
        for other in self._works.values():
            if other.uid != uid and other.elsewhere:
                other.inherit(course.agenda, uid)
        taken_over = course.agenda.drop_backfill(uid, now)
        for entry in taken_over:
            if entry.state is not WindowState.FAILED:
                course.keep(entry)
        return bool(taken_over)

    async def _choose(self, work: Work, link: LiveLink, plan: PipelinePlan, agenda: Agenda, now: datetime) -> None:
        spec = work.order.spec
        try:
            within = bounds(plan, spec, work.order.created)
            records = _left(agenda, await _records(link, plan, within.read_from, within.read_to))
            kept = {name: bucket.retention for name, bucket in link.snapshot.buckets.items()}
            selection = await asyncio.to_thread(_select, work.order, plan, within, records, kept, now)
            if spec.dry_run:
                recent = await _records(link, plan, recent_from(plan, selection, now), now)
                guess = await asyncio.to_thread(estimate, selection, [*records, *recent], spec)
                work.view = View(dry_run=guess, selection=selection, over=True, finished_at=now)
        except Refused as fault:
            work.view, work.chosen = View(refused=fault, finished_at=now), True
            return
        work.progress, work.chosen = Progress(selection), True
        if not spec.dry_run:
            short = replace(selection, runs=(), done=())  # the agenda and the progress have them
            work.view = View(selection=short, started_at=now if selection.runs else None)
            await work.add(agenda, selection, now)

    def done(self, record: WindowRecord, now: datetime) -> None:
        """A window has ended."""
        for work in self._works.values():
            work.ended(record, now)

    def publish(self, course: Course, now: datetime, waits: str = "") -> bool:
        """Let their statuses tell how far they are, and with ``waits`` why nothing can be run now; whether there is more to tell
        soon.
        """
        more = False
        for work in self._works.values():
            if work.over or not (work.chosen or waits):
                continue
            more = work.settle(course.agenda, now) or more
            over = work.view.over and (not work.added or work.recorded(course.writer))
            if over and work.added:
                more = self._leave(work.uid, course, now) or more
            more = more or over != work.view.over
            self._publish(work, now, replace(work.view, over=over, waits=waits or _held(work.uid, course)))
        return more

    def _publish(self, work: Work, now: datetime, view: View) -> None:
        view = replace(view, suspended=work.order.spec.suspend)
        order = work.order
        status = backfill_status(work.status, work.progress, view, order.generation, now, order.reconcile_at)
        if status == work.status:
            return
        clock = self._tools.context.clock()
        urgent = _is_news(status, work.status) or clock - work.told > TOLD_EVERY
        work.status = status
        work.told = clock if urgent else work.told
        self._tools.later(work.order.key, work.uid, status, urgent=urgent)
        if work.over:
            work.forget()


def _is_news(status: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether somebody waits for what has changed."""
    return any(status.get(name) != before.get(name) for name in ("phase", "lastHandledReconcileAt"))


def _held(uid: str, course: Course) -> str:
    """Why runs of a backfill wait that would empty their windows; empty when none does."""
    why, stages = course.unmarked, course.plan.stages
    replaces = why and any(stages[one.stage].replace for one in course.agenda.entries.values() if one.lane == uid)
    return f"the ledger takes no records: {why}" if replaces else ""


def _left(agenda: Agenda, records: list[WindowRecord]) -> list[WindowRecord]:
    """The records, with those as given up that say that a window is to run again, and nobody means to any more, for a backfill was deleted
    or is over.
    """
    return [
        replace(one, cause=Cause.GIVEN_UP)
        if one.state is WindowState.READY and (one.stage, one.window) not in agenda
        else one
        for one in records
    ]


async def _records(link: LiveLink, plan: PipelinePlan, start: datetime, stop: datetime) -> list[WindowRecord]:
    return await link.run(
        "ledger_records", lambda port: port.ledger_records(link.org_id, plan.bucket, plan.owner, start, stop)
    )


def _select(
    order: BackfillOrder,
    plan: PipelinePlan,
    within: Bounds,
    records: list[WindowRecord],
    retentions: Mapping[str, int],
    now: datetime,
) -> Selection:
    """What is to run. Raises Refused, but for retentions only before its first window has ended: what was begun is finished."""
    selection = select(plan, order.spec, within, records, order.uid)
    refused = refusal(plan, selection, retentions, now) if not selection.done else None
    if refused is not None:
        raise refused
    return selection
