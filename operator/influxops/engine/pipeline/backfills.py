"""The backfills of one pipeline: their windows come on its agenda in lanes of their own, beside the schedule."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from influxops.core.keys import Key
from influxops.core.pipeline.agenda import Agenda
from influxops.core.pipeline.backfill import Blocked, Refused, Selection, bounds, estimate, select
from influxops.core.pipeline.backfill_refusal import refusal
from influxops.core.pipeline.backfill_status import Progress, View, backfill_status, terminal
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.record import unpack
from influxops.engine.link import LiveLink
from influxops.engine.tools import Tools
from influxops.reconcile.pipeline_state import BackfillOrder

TOLD_EVERY = 3.0
"""Seconds between two statuses of a backfill under way: somebody may be watching."""
AT_ONCE = 200
"""Windows that come on the agenda before others have a turn."""


@dataclass(slots=True)
class _Work:
    """One backfill."""

    order: BackfillOrder
    selection: Selection | None = None
    progress: Progress | None = None
    view: View = field(default_factory=View)
    status: dict[str, Any] = field(default_factory=dict)
    """As last written."""
    told: float = float("-inf")
    """Monotonic time of the last status that was sent ahead of routine ones."""
    added: bool = False
    """Its windows are on the agenda."""


class Backfills:
    """Of one loop."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._works: dict[Key, _Work] = {}
        self._gone: set[str] = set()
        """uids of backfills whose objects are gone; their windows leave the agenda."""

    def __len__(self) -> int:
        return len(self._works)

    def order(self, order: BackfillOrder) -> None:
        """Take a backfill in, or its change (suspend)."""
        known = self._works.get(order.key)
        if known is not None and known.order.uid == order.uid:
            known.order = order
            return
        if known is not None:
            self._gone.add(known.order.uid)  # deleted and made anew under the same name
        record = self._tools.context.objects.get(order.key)
        status = unpack(record.packed_status) if record is not None else {}
        self._works[order.key] = _Work(order, status=status)

    def drop(self, key: Key) -> None:
        """The backfill is gone; its windows leave the agenda at the next turn."""
        work = self._works.pop(key, None)
        if work is not None:
            self._gone.add(work.order.uid)

    def reload(self) -> None:
        """The agenda is a new one: every selection is made anew from the ledger."""
        self._gone.clear()
        for work in self._works.values():
            work.selection, work.progress, work.added = None, None, False

    @property
    def unsettled(self) -> bool:
        """Whether there is something for ``turn`` to do."""
        return bool(self._gone) or any(_open(work) for work in self._works.values())

    def lanes(self) -> list[tuple[str, int]]:
        """The uid of each backfill that may run, and how many of its windows at one time."""
        return [
            (work.order.uid, work.order.spec.max_active_windows)
            for work in self._works.values()
            if work.added and not work.order.spec.suspend and not work.order.waits
        ]

    async def turn(self, link: LiveLink, plan: PipelinePlan, agenda: Agenda, now: datetime) -> None:
        """Choose the windows of those that are new. Errors of InfluxDB pass through, and it is tried again."""
        for uid in list(self._gone):
            agenda.drop_backfill(uid, now)
            if agenda.running(uid) == 0:
                self._gone.discard(uid)
        for work in list(self._works.values()):
            if _open(work):
                await self._choose(work, link, plan, agenda, now)

    async def _choose(self, work: _Work, link: LiveLink, plan: PipelinePlan, agenda: Agenda, now: datetime) -> None:
        spec, uid = work.order.spec, work.order.uid
        try:
            within = bounds(plan, spec, work.order.created)
            records = await link.run(
                lambda port: port.ledger_records(link.org_id, plan.bucket, plan.owner, within.read_from, within.read_to)
            )
            selection = await asyncio.to_thread(select, plan, spec, within, records, uid)
            retentions = {name: bucket.retention for name, bucket in link.snapshot.buckets.items()}
            refused = refusal(plan, selection, retentions, now)
            if refused is not None:
                raise refused
        except Refused as fault:
            work.view = View(refused=fault, finished_at=now)
            return
        work.selection, work.progress = selection, Progress(selection)
        if spec.dry_run:
            work.view = View(
                dry_run=estimate(selection, records, spec), selection=selection, over=True, finished_at=now
            )
            return
        for number, chosen in enumerate(selection.runs):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)  # there may be a hundred thousand of them
            agenda.add(
                chosen.stage,
                chosen.window,
                now,
                cause=Cause.BACKFILL,
                revision=chosen.revision,
                backfill=uid,
                newest_first=spec.order == "NewestFirst",
            )
        work.added = True
        work.view = View(selection=selection, started_at=now if selection.runs else None)

    def done(self, record: WindowRecord, now: datetime) -> None:
        """A window has ended."""
        for work in self._works.values():
            if work.progress is not None and record.backfill == work.order.uid:
                work.progress.ended(record, now)

    def publish(self, agenda: Agenda, now: datetime) -> None:
        """Let their statuses tell how far they are."""
        for work in self._works.values():
            self._settle(work, agenda, now)
            if work.selection is None and work.view.refused is None:
                continue
            view = replace(work.view, suspended=work.order.spec.suspend)
            status = backfill_status(work.status, work.progress, view, work.order.generation, now)
            if status == work.status:
                continue
            clock = self._tools.context.clock()
            urgent = status.get("phase") != work.status.get("phase") or clock - work.told > TOLD_EVERY
            work.status = status
            work.told = clock if urgent else work.told
            self._tools.later(work.order.key, work.order.uid, status, urgent=urgent)

    def _settle(self, work: _Work, agenda: Agenda, now: datetime) -> None:
        """Whether it is over: all windows have ended, or wait for one that has failed."""
        if work.progress is None or work.view.over or not work.added:
            return
        uid = work.order.uid
        left = [entry for entry in agenda.entries.values() if entry.lane == uid]
        if any(entry.state in {WindowState.READY, WindowState.RUNNING} for entry in left):
            return
        waiting = [entry for entry in left if entry.state is WindowState.PENDING]
        if any(agenda.failed_before(entry.place) is None for entry in waiting):
            return  # behind a window of the schedule that will run
        if not left and not work.progress.complete:
            return
        stuck = tuple(_stuck(agenda, entry.stage, entry.window) for entry in waiting)
        work.view = replace(work.view, over=True, stuck=stuck, finished_at=now)
        agenda.drop_backfill(uid, now)


def _open(work: _Work) -> bool:
    """Whether its windows are yet to be chosen."""
    return work.selection is None and work.view.refused is None and not terminal(work.status)


def _stuck(agenda: Agenda, stage: str, window: Any) -> Blocked:
    before = agenda.failed_before((stage, window))
    why = f"waits for stage {before.stage}, which failed over {before.window}" if before is not None else ""
    return Blocked(stage, window, why)
