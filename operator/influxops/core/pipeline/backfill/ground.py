"""What the windows of a backfill stand on: which windows before them are there, are going to be, or are missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from influxops.core.pipeline.backfill.bounds import starts_from
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

_MARGIN = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Lack:
    """A window that is missing."""

    window: Window
    message: str
    """What it is, and what makes it be there."""
    ours: bool = False
    """Whether it is missing because a run of this backfill has failed."""


@dataclass(slots=True)
class _Stage:
    """Ends of windows, sorted once the stage is closed: a window stands on those with an end in ``(start, stop]`` of it."""

    records: dict[Window, WindowRecord] = field(default_factory=dict)
    asked: list[datetime] = field(default_factory=list)
    """Of windows that run, have run, or would have run had none before them failed."""
    there: list[datetime] = field(default_factory=list)
    """Of these, and of those that need not run."""
    lacks: dict[datetime, Lack] = field(default_factory=dict)
    our_ends: list[datetime] = field(default_factory=list)
    """Of those that are missing only because a run of this backfill has failed."""
    other_ends: list[datetime] = field(default_factory=list)
    """Of those that would be missing without it, too."""
    oldest: datetime | None = None
    """Windows that end here or earlier were never run by schedule; None until it is asked for."""

    def first(self, ends: list[datetime], window: Window) -> Lack | None:
        """The first of the lacks with these ends that the window stands on."""
        place = bisect_right(ends, window.start)
        return self.lacks[ends[place]] if place < len(ends) and ends[place] <= window.stop else None


class Ground:
    """Filled stage by stage, parents first."""

    def __init__(self, plan: PipelinePlan, records: Iterable[WindowRecord]) -> None:
        """The records may be of any stage; those of windows that are not of the stage's cadence (any more) do not count."""
        self._plan = plan
        self._stages = {name: _Stage() for name in plan.graph.order}
        for record in records:
            stage = self._stages.get(record.stage)
            if stage is not None:
                stage.records[record.window] = record

    def record(self, stage: str, window: Window) -> WindowRecord | None:
        """What the ledger has of it."""
        return self._stages[stage].records.get(window)

    # filled for one stage

    def runs(self, stage: str, window: Window) -> None:
        """It is going to run, has run in this backfill, or would have had none before it failed."""
        self._stages[stage].asked.append(window.stop)
        self._stages[stage].there.append(window.stop)

    def failed(self, stage: str, window: Window) -> None:
        """It has failed in this backfill."""
        self.runs(stage, window)
        self._lack(stage, Lack(window, f"waits for {window} of stage {stage}, which failed", ours=True))

    def blocked(self, stage: str, window: Window, lack: Lack) -> None:
        """It cannot run."""
        if lack.ours:
            self.runs(stage, window)
        behind = f"waits for {window} of stage {stage}, which {lack.message}"
        self._lack(stage, Lack(window, behind, lack.ours))

    def close(self, stage: str) -> None:
        """All windows of the stage have been judged; the others are as the ledger says."""
        known = self._stages[stage]
        cadence = self._plan.stages[stage].cadence
        judged = {*known.there, *known.lacks}
        for window, record in known.records.items():
            if window.stop in judged or not self._plan.graph.children[stage] or not cadence.has(window):
                continue
            if record.state is WindowState.FAILED:
                remedy = f"name stage {stage} and reprocess: Failed"
                self._lack(stage, Lack(window, f"waits for {window} of stage {stage}, which has failed: {remedy}"))
            else:
                known.there.append(window.stop)
        known.asked.sort()
        known.there.sort()
        for end in sorted(known.lacks):
            (known.our_ends if known.lacks[end].ours else known.other_ends).append(end)

    # asked of closed stages

    def reach(self, stage: str) -> tuple[datetime, datetime] | None:
        """The first and the last end of a window of the stage that was asked for; None when none was."""
        asked = self._stages[stage].asked
        return (asked[0], asked[-1]) if asked else None

    def touched(self, stage: str, window: Window) -> bool:
        """Whether it is made of a window that was asked for."""
        asked = (self._stages[parent].asked for parent in self._plan.graph.parents[stage])
        return any(_within(ends, window) for ends in asked)

    def lack(self, stage: str, window: Window, *, inside: bool) -> Lack | None:
        """A window that it is made of and that is missing; None when all are there, or will be.

        One that would be missing had no run of this backfill failed comes first: whether a window was asked for must not
        depend on how the runs before it end. Of a window that is not ``inside`` the range the records are not known; it
        has succeeded before, with what it is made of. So only what fails in this backfill is missing.
        """
        ours: Lack | None = None
        for parent in self._plan.graph.parents[stage]:
            known = self._stages[parent]
            if inside:
                other = known.first(known.other_ends, window) or self._never_ran(parent, window)
                if other is not None:
                    return other
            ours = ours or known.first(known.our_ends, window)
        return ours

    def _never_ran(self, parent: str, window: Window) -> Lack | None:
        """A window before the pipeline's begin of which there is no record: nobody has run it."""
        known, cadence = self._stages[parent], self._plan.stages[parent].cadence
        if known.oldest is None:
            begin = self._plan.begin
            first = cadence.following(Window(begin, begin))
            known.oldest = starts_from(cadence, begin, first.stop + (first.stop - first.start) + _MARGIN)
        until = min(window.stop, known.oldest)
        if until <= window.start or cadence.count_between(window.start, until) == _count(
            known.there, window.start, until
        ):
            return None
        there = set(known.there[bisect_right(known.there, window.start) : bisect_right(known.there, until)])
        missing = next(one for one in cadence.between(window.start, until) if one.stop not in there)
        return Lack(missing, f"is made of {missing} of stage {parent}, which has never run: name stage {parent}, too")

    def _lack(self, stage: str, lack: Lack) -> None:
        self._stages[stage].lacks[lack.window.stop] = lack


def _within(ends: list[datetime], window: Window) -> bool:
    return _count(ends, window.start, window.stop) > 0


def _count(ends: list[datetime], start: datetime, stop: datetime) -> int:
    return bisect_right(ends, stop) - bisect_right(ends, start)
