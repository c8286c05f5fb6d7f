"""What is to be run: every window of every stage that is not settled, and which of them may start next.

An entry comes in PENDING while a window before it is on the agenda too, and becomes READY when the last of those has
succeeded. What is not on the agenda counts as settled. Nothing here does I/O or reads a clock.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.entry import UNDECIDED, Entry, Place, by_order
from influxops.core.pipeline.agenda.neighbours import Neighbours
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import RUNS_AGAIN, Cause, Points, WindowState
from influxops.core.pipeline.windows.window import Window

SPARE = 64
"""Ends of windows that may be remembered beyond twice those on the agenda, before what is settled is forgotten."""


@dataclass(slots=True)
class Agenda:
    """Of one pipeline."""

    plan: PipelinePlan
    entries: dict[Place, Entry] = field(default_factory=dict)
    _ready: dict[str, dict[str, list[tuple[tuple[float, int], Place]]]] = field(default_factory=dict)
    """lane -> stage -> heap. Stale members are dropped when they come up."""
    _waiting: list[tuple[datetime, Place]] = field(default_factory=list)
    _stops: list[tuple[datetime, Place]] = field(default_factory=list)
    """Heap of the ends of the pipeline's own windows, for the watermark."""
    _running: Counter[str] = field(default_factory=Counter)
    """Runs under way, by lane."""
    _answered: Counter[str] = field(default_factory=Counter)
    """Of these, the ones that ask nothing more of InfluxDB."""
    _ranks: dict[str, int] = field(default_factory=dict)
    _neighbours: Neighbours = field(init=False)

    def __post_init__(self) -> None:
        """Number the stages."""
        self._ranks = {stage: rank for rank, stage in enumerate(self.plan.graph.order)}
        self._neighbours = Neighbours(self.plan)

    def __contains__(self, place: Place) -> bool:
        return place in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    # what comes on

    def add(
        self,
        stage: str,
        window: Window,
        now: datetime,
        *,
        cause: Cause = Cause.SCHEDULE,
        revision: int = 1,
        backfill: str = "",
        newest_first: bool | None = None,
    ) -> Entry:
        """Put a window on the agenda. One that is there already stays; if it runs, it runs once more afterwards. One of a backfill
        that the pipeline wants itself becomes its own, so that it is not dropped with the backfill.
        """
        place = (stage, window)
        known = self.entries.get(place)
        if known is not None:
            if known.lane and not backfill:
                self._adopt(known, cause)
            known.backfill = known.backfill or backfill
            self._meet(known, cause, revision, now)
            return known
        newest = self.plan.newest_first if newest_first is None else newest_first
        moment = window.stop.timestamp()
        entry = Entry(stage, window, cause, revision, backfill, backfill)
        entry.points = Points.KEPT if cause in RUNS_AGAIN else Points.UNKNOWN
        entry.order = (-moment if newest else moment, self._ranks[stage])
        entry.blockers = sum(parent in self.entries for parent in self._neighbours.parents(place))
        self.entries[place] = entry
        for child in self._neighbours.children(place):
            behind = self.entries.get(child)
            if behind is None:
                continue
            behind.blockers += 1
            if behind.state is WindowState.READY:
                behind.state = WindowState.PENDING
            behind.again = behind.again or behind.state is WindowState.RUNNING
        if not backfill:
            self._push_stop(entry)
        if entry.blockers == 0:
            self._make_ready(entry, now)
        return entry

    def add_failed(
        self,
        stage: str,
        window: Window,
        now: datetime,
        *,
        attempt: int,
        revision: int,
        error: str,
        script: str,
        cause: Cause,
    ) -> Entry:
        """Put a window on the agenda that has failed for good, as the ledger tells: it holds back what is behind it."""
        entry = self.add(stage, window, now, cause=cause, revision=revision)
        entry.attempt, entry.error, entry.script = attempt, error, script
        entry.state = WindowState.FAILED
        return entry

    def _adopt(self, entry: Entry, cause: Cause) -> None:
        if cause is not Cause.SCHEDULE:
            entry.cause = cause
        if entry.state is WindowState.RUNNING:
            self._count(entry, -1)
        entry.lane = ""
        if entry.state is WindowState.RUNNING:
            self._count(entry, 1)
        self._push_stop(entry)
        if entry.state is WindowState.READY:
            self._queue(entry)

    def _meet(self, entry: Entry, cause: Cause, revision: int, now: datetime) -> None:
        if entry.state is WindowState.RUNNING:
            entry.again = True
        elif entry.state is WindowState.FAILED:
            self._revive(entry, cause, max(revision, entry.revision), now)
        elif cause is not Cause.SCHEDULE and entry.cause is Cause.SCHEDULE and entry.attempt == 0:
            entry.revision = max(revision, entry.revision)

    # what is taken off, or put back

    def take(self, now: datetime, admits: Callable[[str], bool], lane: str = "") -> Entry | None:
        """The next entry to start, now RUNNING; None when nothing may start. ``admits`` tells whether a stage's circuit does."""
        self._due_retries(now)
        heaps = self._ready.get(lane, {})
        best: str | None = None
        for stage, heap in heaps.items():
            while heap and not self._startable(heap[0][1], lane):
                heapq.heappop(heap)
            if heap and (best is None or heap[0][0] < heaps[best][0][0]) and admits(stage):
                best = stage
        if best is None:
            return None
        _, place = heapq.heappop(heaps[best])
        entry = self.entries[place]
        entry.state = WindowState.RUNNING
        entry.attempt += 1
        entry.not_before = None
        self._running[lane] += 1
        return entry

    def answered(self, entry: Entry) -> None:
        """InfluxDB has done its part of a run, and the next may be sent while this one is judged."""
        if entry.state is WindowState.RUNNING and not entry.answered:
            entry.answered = True
            self._answered[entry.lane] += 1

    def succeeded(self, entry: Entry, now: datetime) -> Entry | None:
        """It is settled. Gives the entry of its next revision when its source changed while it ran."""
        self._end(entry)
        entry.points = Points.KEPT
        if self._again(entry, now):
            return entry
        self._settle(entry, now)
        return None

    def failed(self, entry: Entry, now: datetime, error: str, retry_at: datetime | None) -> None:
        """The attempt has failed. Without a time for another, the window has failed at ``now``."""
        self._end(entry)
        entry.undecided = 0
        if self._again(entry, now):
            return
        entry.error = error
        if retry_at is None:
            entry.state = WindowState.FAILED
            entry.script = self.plan.stages[entry.stage].digest
            return
        entry.state = WindowState.PENDING if entry.blockers else WindowState.READY
        entry.not_before = retry_at
        heapq.heappush(self._waiting, (retry_at, entry.place))

    def abandoned(self, entry: Entry, now: datetime, error: str = "") -> None:
        """The attempt came to no verdict (InfluxDB did not answer, as ``error`` says, or this process ends): it does not count."""
        self._end(entry)
        entry.undecided += bool(error)
        if entry.undecided >= UNDECIDED:
            entry.error = error or entry.error
        if self._again(entry, now):
            return
        entry.attempt -= 1
        entry.state = WindowState.PENDING
        if entry.blockers == 0:
            self._make_ready(entry, now)

    def revive(self, now: datetime, which: Callable[[Entry], bool], cause: Cause = Cause.REPAIR) -> list[Entry]:
        """Let failed windows run again, with all their attempts."""
        failed = [entry for entry in self.entries.values() if entry.state is WindowState.FAILED and which(entry)]
        for entry in failed:
            self._revive(entry, cause, entry.revision + 1, now)
        return failed

    def drop(self, entry: Entry, now: datetime) -> None:
        """Give a window up: what is behind it no longer waits for it."""
        self._settle(entry, now)

    def drop_backfill(self, uid: str, now: datetime) -> list[Entry]:
        """Take all windows of a backfill off that are not running. Those that it has left empty become the pipeline's own, and are given
        back: they are to be run to their end, and one that has failed stays so, and holds back what is made of it.
        """
        taken_over: list[Entry] = []
        for entry in [e for e in self.entries.values() if e.lane == uid and e.state is not WindowState.RUNNING]:
            if not entry.emptied:
                self._settle(entry, now)
                continue
            entry.backfill = ""
            self._adopt(entry, Cause.SCHEDULE if entry.state is WindowState.FAILED else Cause.REPAIR)
            taken_over.append(entry)
        self._ready.pop(uid, None)
        return taken_over

    def move(self, entry: Entry, uid: str) -> None:
        """Have another backfill run a window that is not running."""
        entry.lane = entry.backfill = uid
        if entry.state is WindowState.READY and entry.not_before is None:
            self._queue(entry)

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much: attempts that wait for a time wait no longer than they did."""
        for entry in self.entries.values():
            entry.not_before = entry.not_before and entry.not_before - by
        self._waiting = [(due - by, place) for due, place in self._waiting]

    # what can be told

    def running(self, lane: str = "") -> int:
        """Runs under way, of the pipeline's own windows or of those of a backfill."""
        return self._running[lane]

    def admits(self, lane: str, limit: int) -> bool:
        """Whether another run may start of so many that may ask InfluxDB at one time. As many again may be waiting for their
        verdict, no more: answers must not pile up.
        """
        running = self._running[lane]
        return running - self._answered[lane] < limit and running < 2 * limit

    def counts(self) -> Counter[WindowState]:
        """The pipeline's own windows by state; a backfill's are counted by its own status."""
        return Counter(entry.state for entry in self.entries.values() if not entry.lane)

    def oldest_stop(self, after: datetime) -> datetime | None:
        """The earliest end of the pipeline's own windows that end after ``after`` and are not settled; None when all are. ``after`` must
        not go back.
        """
        while self._stops and (self._stops[0][0] <= after or not self._own(self._stops[0][1])):
            heapq.heappop(self._stops)
        return self._stops[0][0] if self._stops else None

    def next_retry(self) -> datetime | None:
        """When the next failed attempt may be followed by another."""
        while self._waiting and not self._waits(*self._waiting[0]):
            heapq.heappop(self._waiting)
        return self._waiting[0][0] if self._waiting else None

    def behind_failed(self, limit: int) -> list[tuple[Entry, Entry]]:
        """Waiting windows of the pipeline's own, at most so many, each with a failed one that it waits for, near or far."""
        found: dict[Place, tuple[Entry, Entry]] = {}
        for failed in by_order(entry for entry in self.entries.values() if entry.state is WindowState.FAILED):
            ahead = [failed.place]
            while ahead and len(found) < limit:
                for place in self._neighbours.children(ahead.pop()):
                    entry = self.entries.get(place)
                    if entry is not None and entry.state is WindowState.PENDING and place not in found:
                        found[place] = entry, failed
                        ahead.append(place)
        return [pair for pair in found.values() if not pair[0].lane]

    def failed_before(self, place: Place) -> Entry | None:
        """A failed window that this one waits for, near or far; None when there is none."""
        return self.before(place, lambda entry: entry.state is WindowState.FAILED)

    def before(self, place: Place, holds: Callable[[Entry], bool]) -> Entry | None:
        """A window that this one waits for, near or far, and that ``holds`` it back; None when there is none."""
        seen: set[Place] = set()
        stack = [place]
        while stack:
            for parent in self._neighbours.parents(stack.pop()):
                entry = self.entries.get(parent)
                if entry is None or parent in seen:
                    continue
                if holds(entry):
                    return entry
                seen.add(parent)
                stack.append(parent)
        return None

    # inside

    def _end(self, entry: Entry) -> None:
        """A run has ended, once: a second verdict would let one run more than allowed start."""
        if entry.state is not WindowState.RUNNING or self.entries.get(entry.place) is not entry:
            raise ValueError(f"stage {entry.stage} does not run over {entry.window}")
        self._count(entry, -1)
        entry.answered = False

    def _count(self, entry: Entry, by: int) -> None:
        """Count a run of its lane in, or out."""
        self._running[entry.lane] += by
        self._answered[entry.lane] += by * entry.answered
        for counter in (self._running, self._answered):
            if not counter[entry.lane]:
                del counter[entry.lane]

    def _again(self, entry: Entry, now: datetime) -> bool:
        """Whether its source changed while it ran, so that this run does not count; it then waits for the next."""
        if not entry.again:
            return False
        entry.again = False
        self._revive(entry, Cause.LATE_DATA, entry.revision + 1, now)
        return True

    def _settle(self, entry: Entry, now: datetime) -> None:
        del self.entries[entry.place]
        for child in self._neighbours.children(entry.place):
            behind = self.entries.get(child)
            if behind is None or behind.blockers == 0:
                continue
            behind.blockers -= 1
            if behind.blockers == 0 and behind.state is WindowState.PENDING:
                self._make_ready(behind, now)

    def _revive(self, entry: Entry, cause: Cause, revision: int, now: datetime) -> None:
        if cause is not Cause.BACKFILL or entry.lane or entry.cause is Cause.SCHEDULE:
            entry.cause = cause  # what the pipeline owes stays so when a backfill wants it too
        entry.revision, entry.attempt, entry.undecided, entry.error = revision, 0, 0, ""
        entry.state = WindowState.PENDING
        if entry.blockers == 0:
            self._make_ready(entry, now)

    def _make_ready(self, entry: Entry, now: datetime) -> None:
        entry.state = WindowState.READY
        entry.ready_at = now
        self._queue(entry)

    def _push_stop(self, entry: Entry) -> None:
        heapq.heappush(self._stops, (entry.window.stop, entry.place))
        if len(self._stops) > 2 * len(self.entries) + SPARE:  # behind one that stays failed, all that have succeeded
            self._stops = [(one.window.stop, place) for place, one in self.entries.items() if not one.lane]
            heapq.heapify(self._stops)

    def _queue(self, entry: Entry) -> None:
        heap = self._ready.setdefault(entry.lane, {}).setdefault(entry.stage, [])
        heapq.heappush(heap, (entry.order, entry.place))

    def _due_retries(self, now: datetime) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            due, place = heapq.heappop(self._waiting)
            if self._waits(due, place):
                entry = self.entries[place]
                entry.not_before = None
                if entry.state is WindowState.READY:
                    self._queue(entry)

    def _waits(self, due: datetime, place: Place) -> bool:
        entry = self.entries.get(place)
        return entry is not None and entry.not_before == due

    def _startable(self, place: Place, lane: str) -> bool:
        entry = self.entries.get(place)
        return (
            entry is not None and entry.lane == lane and entry.state is WindowState.READY and entry.not_before is None
        )

    def _own(self, place: Place) -> bool:
        entry = self.entries.get(place)
        return entry is not None and not entry.lane
