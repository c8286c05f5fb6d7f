"""One backfill of a loop: its windows on the agenda, and whether it is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.entry import Entry, Place
from influxops.core.pipeline.backfill.selection import Blocked, Chosen, Selection
from influxops.core.pipeline.backfill.status import Progress, View, terminal
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.engine.pipeline.ledger_writer import LedgerWriter
from influxops.reconcile.pipeline_state import BackfillOrder

SLICE = 100
"""Windows that are added to the agenda before others have their turn; some milliseconds."""
_MOVES = frozenset({WindowState.READY, WindowState.RUNNING})


@dataclass(slots=True)
class Work:
    """One backfill. Its windows run in the lane of its uid, but for those that were on the agenda before it came."""

    order: BackfillOrder
    status: dict[str, Any] = field(default_factory=dict)
    """As last written."""
    progress: Progress | None = None
    view: View = field(default_factory=View)
    told: float = float("-inf")
    """Monotonic time of the last status that was sent ahead of routine ones."""
    chosen: bool = False
    """Its windows are known, or why it is refused."""
    added: bool = False
    """Windows of it are on the agenda, or have been."""
    ended_at: int | None = None
    """The mark in the ledger behind its last record, once all its windows have ended."""
    elsewhere: dict[Place, Chosen] = field(default_factory=dict)
    """Windows that the schedule or another backfill runs, and that have not ended."""

    @property
    def uid(self) -> str:
        """The lane of its windows."""
        return self.order.uid

    @property
    def over(self) -> bool:
        """Whether its status says so: it is never begun again."""
        return terminal(self.status)

    def forget(self) -> None:
        """The agenda is a new one: what is to be run is chosen anew. Nothing of one that is over is kept."""
        self.progress, self.view, self.chosen, self.added = None, View(), False, False
        self.ended_at = None
        self.elsewhere.clear()

    async def add(self, agenda: Agenda, selection: Selection, now: datetime) -> None:
        """Put its windows on the agenda, a slice at a time."""
        self.added = True
        for number, one in enumerate(selection.runs, 1):
            self._add(agenda, one, now)
            if number % SLICE == 0:
                await asyncio.sleep(0)

    def _add(self, agenda: Agenda, one: Chosen, now: datetime) -> None:
        spec, place = self.order.spec, (one.stage, one.window)
        known = agenda.entries.get(place)
        if known is not None and not known.lane and known.emptied and known.state is not WindowState.RUNNING:
            agenda.move(known, self.uid)  # left behind by a backfill, or by ourselves before a start
        if known is not None and known.lane != self.uid:
            self.elsewhere[place] = one
            ours = known.emptied and known.backfill == self.uid  # begun by us before a start
            if known.state is WindowState.RUNNING and (ours or spec.reprocess != "Completed"):
                known.backfill = known.backfill or self.uid
                return  # the run that is under way is the one that is asked for
        agenda.add(
            one.stage,
            one.window,
            now,
            cause=Cause.BACKFILL,
            revision=one.revision,
            backfill=self.uid,
            newest_first=spec.order == "NewestFirst",
        )

    def ended(self, record: WindowRecord, now: datetime) -> None:
        """A window of the loop has ended, whoever ran it."""
        ours = self.elsewhere.pop((record.stage, record.window), None) is not None or record.backfill == self.uid
        if ours and self.progress is not None:
            self.progress.ended(record, now)

    def settle(self, agenda: Agenda, now: datetime) -> bool:
        """See whether it is over: all windows have ended, or wait for one that has failed. True when it has put windows on
        the agenda that the schedule has given up.
        """
        if self.progress is None or self.view.over or not self.added:
            return False
        waiting: list[Entry] = []
        left = [
            one for one in agenda.entries.values() if one.backfill == self.uid and one.state is not WindowState.FAILED
        ]
        for entry in left:
            if entry.lane != self.uid:  # the pipeline has made it its own, for late data
                self.elsewhere.setdefault(entry.place, Chosen(entry.stage, entry.window, entry.revision))
        if left or not self.progress.complete:  # what a circuit that closed has run again had ended before
            own = [entry for entry in left if entry.lane == self.uid]
            if any(entry.state in _MOVES for entry in own):
                return False
            lost = [place for place in self.elsewhere if place not in agenda]
            for place in lost:
                self._add(agenda, self.elsewhere.pop(place), now)
            others = [agenda.entries[place] for place in self.elsewhere]
            if lost or any(entry.state in _MOVES for entry in others):
                return bool(lost)
            waiting = [entry for entry in (*own, *others) if entry.state is WindowState.PENDING]
            if any(agenda.failed_before(entry.place) is None for entry in waiting):
                return False  # behind a window of the schedule that will run
        stuck = tuple(_stuck(agenda, entry) for entry in waiting)
        self.view = replace(self.view, over=True, stuck=stuck, finished_at=now)
        return False

    def recorded(self, writer: LedgerWriter) -> bool:
        """Whether the ledger has all its records. Before that nobody is told that it is over: a crash would take them back."""
        if self.ended_at is None:
            self.ended_at = writer.mark()
        return writer.has(self.ended_at)

    def inherit(self, agenda: Agenda, uid: str) -> None:
        """Another backfill ends: run what it was to run for this one, and keep what holds that back."""
        left = [
            entry for entry in agenda.entries.values() if entry.lane == uid and entry.state is not WindowState.RUNNING
        ]
        if not any(entry.place in self.elsewhere for entry in left):
            return
        for entry in left:
            ours = self.elsewhere.pop(entry.place, None) is not None
            if ours or entry.state is WindowState.FAILED:
                agenda.move(entry, self.uid)


def _stuck(agenda: Agenda, entry: Entry) -> Blocked:
    before = agenda.failed_before(entry.place)
    why = f"waits for stage {before.stage}, which failed over {before.window}" if before is not None else ""
    return Blocked(entry.stage, entry.window, why)
