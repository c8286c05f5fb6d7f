"""A plan under way: its agenda, its circuits, its ledger, and how far it is. What the parts of a loop share."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.catch_up import GivenUp, keep_newest, made_of
from influxops.core.pipeline.agenda.circuit import Circuit
from influxops.core.pipeline.agenda.due import due, next_window, watermark
from influxops.core.pipeline.agenda.entry import Entry, Place
from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState, given_up
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline.ledger_writer import LedgerWriter
from influxops.engine.pipeline.old_look import Found
from influxops.engine.pipeline.pauses import Pauses

MOST_HEALED = 3
"""Times that one window runs again because a circuit has closed. Windows that can never succeed would open it for ever."""

PATIENCE = 30.0
"""Seconds that a run waits for its mark to be written."""

MARK_EVERY = timedelta(hours=1)
"""The watermark is written again after so long although it has not moved: the ledger forgets what is old."""

MARKS = 10
"""Watermarks that may wait for the ledger at one time."""


@dataclass(slots=True)
class Course:
    """Made anew for every plan, from what the ledger tells."""

    asked: PipelinePlan
    """As the spec says it."""
    plan: PipelinePlan
    """As it runs: where the spec says no begin, the ledger may."""
    agenda: Agenda
    writer: LedgerWriter
    circuits: dict[str, Circuit]
    watermark: datetime
    """Every window that ends here or earlier is settled."""
    added_to: datetime | None
    """Windows that ended by then are on the agenda or settled; None when no window comes by schedule."""
    next: Window | None = None
    """The window that closes next."""
    stranded: set[Place] = field(default_factory=set)
    """Windows that are made of some that were given up."""
    pauses: Pauses = field(default_factory=lambda: Pauses(time.monotonic))
    """Stages whose attempts come to no verdict."""
    last: dict[str, WindowRecord] = field(default_factory=dict)
    """Of each stage the newest window that succeeded."""
    succeeded: int = 0
    """Windows, by the status that the operator before this one told last, and since."""
    late_windows: int = 0
    """Of those, the ones that ran again for late data."""
    too_late: Found = ()
    """Old windows whose source has changed and that are not run again."""
    fresh: dict[Place, int] | None = None
    """While late data is looked for: windows that have succeeded since, with their revision. What the look has read of the ledger may
    not tell of them yet.
    """
    marked_at: datetime | None = None
    """When the watermark was written last."""
    era: int = 0
    """Of the marks that are written."""
    dirty: bool = True
    """Whether something has changed that the status tells."""
    _waits_for: int | None = None
    """The ledger's mark behind what it could not be told of in time."""
    kept: datetime = field(init=False)
    """The watermark that the ledger has. No later one is told: where the ledger has none, the next operator begins with what was told."""
    _on_its_way: deque[tuple[int, datetime]] = field(default_factory=deque)
    """Watermarks that are to be written, each with what to ask the writer for; a few, however long the ledger cannot be written."""
    _held: bool = False
    """Whether the watermark is to be written when those have been."""
    _judged: tuple[datetime | None, datetime | None] = (None, None)
    """The oldest window and the last closed moment at which the watermark was last reckoned."""

    def __post_init__(self) -> None:
        self.kept = self.watermark

    def admits(self, stage: str, now: datetime) -> bool:
        """Whether a window of the stage may start."""
        held = bool(self.plan.stages[stage].waits) or self.pauses.holds(stage)
        return not held and self.circuits[stage].admits(now)

    def add_due(self, now: datetime) -> tuple[Place, ...]:
        """Put windows that have closed on the agenda. Gives the newest one of each stage that was given up, for too many wait."""
        until = now - timedelta(seconds=self.plan.delay)
        if self.added_to is None or self.next is None or self.next.stop > until:
            return ()
        closed = due(self.plan, self.added_to, now)
        self.strand(closed.stranded, now)
        for stage, window in closed.places:
            if (stage, window) not in self.stranded:
                self.agenda.add(stage, window, now)
        found = GivenUp()
        if self.plan.latest_only:
            self._only_latest(now)
        else:
            found = keep_newest(self.agenda, now, self.watermark, closed.given_up)
        for entry in found.marked:
            self.writer.put(replace(again(entry), state=WindowState.FAILED, cause=Cause.GIVEN_UP, error=entry.error))
        self.added_to = until
        # What the watermark has passed cannot come again.
        self.stranded = {place for place in self.stranded if place[1].stop > self.watermark}
        self.next = next_window(self.plan, now)
        self.dirty = True
        made = (one for one in made_of(self.plan, found.newest) if one[1].stop > self.watermark)
        self.strand((one for one in made if one not in self.agenda), now)
        return found.newest

    def strand(self, places: Iterable[Place], now: datetime) -> None:
        """Keep in mind, and in the ledger, what would be made of a part of its windows."""
        for place in places:
            if place not in self.stranded:
                self.stranded.add(place)
                self.writer.put(given_up(*place, now))

    def _only_latest(self, now: datetime) -> None:
        """catchUp.policy Latest: of what waits by schedule, only the newest window of each stage stays."""
        scheduled = [one for one in self.agenda.entries.values() if not one.lane and one.cause is Cause.SCHEDULE]
        newest: dict[str, datetime] = {}
        for entry in scheduled:
            newest[entry.stage] = max(newest.get(entry.stage, entry.window.stop), entry.window.stop)
        for entry in scheduled:
            if entry.window.stop < newest[entry.stage] and entry.state is not WindowState.RUNNING:
                self.agenda.drop(entry, now)

    def advance(self, now: datetime) -> None:
        """Move the watermark over what is settled, and the one that is told to where the ledger has it."""
        if self.added_to is None:
            return
        while self._on_its_way and self.writer.has(self._on_its_way[0][0]):
            kept = self._on_its_way.popleft()[1]
            self.dirty = self.dirty or kept != self.kept
            self.kept = kept
        if self._held and not self._on_its_way:
            self._mark(now)
        if self.watermark <= now and (self.marked_at is None or now - self.marked_at >= MARK_EVERY):
            self._mark(now)
        judged = (self.agenda.oldest_stop(self.watermark), self.added_to)
        if judged == self._judged:
            return
        self._judged = judged
        until = self.added_to + timedelta(seconds=self.plan.delay)
        settled = watermark(self.plan, judged[0], until, self.watermark)
        if settled > self.watermark:
            self.watermark = settled
            self._mark(now)
            self.dirty = True

    def _mark(self, now: datetime) -> None:
        self.marked_at = now
        self._held = len(self._on_its_way) >= MARKS
        if not self._held:
            mark = Mark(self.watermark, self.plan.begin, self.era)
            self._on_its_way.append((self.writer.watermark(mark, now), self.watermark))

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much."""
        self.agenda.earlier(by)
        self.marked_at = self.marked_at and self.marked_at - by
        for circuit in self.circuits.values():
            circuit.earlier(by)

    def ahead(self, now: datetime) -> bool:
        """Whether windows were added that have not closed at ``now``, as they had by a clock that was ahead."""
        return self.added_to is not None and self.added_to > now - timedelta(seconds=self.plan.delay)

    def revive(self, now: datetime, which: Callable[[Entry], bool]) -> list[Entry]:
        """Let failed windows run again, and have the ledger remember it."""
        revived = self.agenda.revive(now, which)
        for entry in revived:
            self.keep(entry)
        self.dirty = True
        return revived

    def keep(self, entry: Entry) -> None:
        """Have the ledger remember that a window is to run again."""
        self.writer.put(again(entry))
        self.dirty = True

    async def emptying(self, entry: Entry) -> bool:
        """A run is about to delete what a window has. Have the ledger remember that first, for nothing else would bring it back: should the
        process end, and a backfill that asked for the run be deleted meanwhile, the pipeline runs the window to its end. Whether it does
        remember; a window that has not run before has nothing to lose.
        """
        if entry.lane or entry.revision > 1:
            if entry.marked != entry.revision:
                entry.marked = entry.revision
                self.writer.put(replace(again(entry), cause=Cause.REPAIR, points=Points.EMPTIED))
            if not await self.writer.settle(PATIENCE):
                self._waits_for = self.writer.mark()
                return False
            entry.points = Points.EMPTIED
        return True

    @property
    def unmarked(self) -> str:
        """Why the ledger cannot be told of runs that would empty their windows, so that they wait; empty when it can."""
        waits = self._waits_for is not None and not self.writer.has(self._waits_for)
        return (self.writer.trouble or "it does not answer") if waits else ""

    def heal(self, stage: str, now: datetime) -> None:
        """The circuit of a stage has closed: what had failed runs again, but for windows that have failed again each time."""
        for entry in self.revive(now, lambda one: one.stage == stage and one.healed < MOST_HEALED):
            entry.healed += 1


def again(entry: Entry) -> WindowRecord:
    """The mark in the ledger that a window is to run again, so that a restart does not forget it."""
    return WindowRecord(
        stage=entry.stage,
        window=entry.window,
        state=WindowState.READY,
        revision=entry.revision,
        attempt=0,
        cause=entry.cause,
        backfill=entry.backfill,
        points=entry.points,
        ready_at=entry.ready_at,
    )
