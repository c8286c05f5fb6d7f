"""Which windows a backfill runs, in which order, and which it leaves alone.

The ledger is the only memory: a record that carries the uid of the backfill and is terminal is done. So the choice made
anew after any crash is the same one, less what is done since. There is no cursor that could lag behind.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import timedelta
from statistics import fmean

from influxops.core.pipeline.backfill.bounds import bounds, closed_until
from influxops.core.pipeline.backfill.ground import Ground
from influxops.core.pipeline.backfill.types import (
    MOST,
    BackfillSpec,
    Blocked,
    Bounds,
    Chosen,
    Estimate,
    Refused,
    Selection,
    Span,
)
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.task_cadence import Windows
from influxops.core.pipeline.windows.window import Window

__all__ = [
    "MOST",
    "BackfillSpec",
    "Blocked",
    "Bounds",
    "Chosen",
    "Estimate",
    "Refused",
    "Selection",
    "Span",
    "bounds",
    "estimate",
    "select",
]


_SECOND = timedelta(seconds=1)


def select(
    plan: PipelinePlan, spec: BackfillSpec, within: Bounds, records: Iterable[WindowRecord], uid: str
) -> Selection:
    """Which windows run. ``records`` are the ledger's of ``[within.read_from, within.read_to)``, of all stages, in any order.

    - A window of a named stage wholly in the range runs by ``reprocess``: ``None`` when the ledger has no record of it,
      ``Failed`` when that is FAILED, too, ``Completed`` always. A record that is READY belongs to the pipeline, which is
      about to run it itself: only ``Completed`` takes it.
    - With ``include_descendants`` every window made of one that runs does so as well, whatever its record says, when it
      lies wholly in the range. One that only partly lies in it (a day of which some hours are) runs when its record is
      SUCCESS, for what it was made of has changed; otherwise it is left to the pipeline, or to a backfill of that day.
    - A window before it that is not chosen counts as there when its record is SUCCESS or READY, or when it has none and
      begins at or after the pipeline's ``begin`` (the ledger keeps records for a time). A window is blocked when one
      before it is FAILED and left alone, or has never run.

    Raises Refused when descendants make it more than ``MOST`` windows. Takes some microseconds a window: of a large range,
    call it in a thread.
    """
    choice = _Choice(plan, spec, within, uid, Ground(plan, records))
    for stage in plan.graph.order:
        choice.stage(stage)
    return choice.selection()


class _Choice:
    """One stage after the other, parents first."""

    def __init__(self, plan: PipelinePlan, spec: BackfillSpec, within: Bounds, uid: str, ground: Ground) -> None:
        self._plan, self._spec, self._within, self._uid, self._ground = plan, spec, within, uid, ground
        self._spans = {span.stage: span for span in within.spans}
        self._runs: list[Chosen] = []
        self._done: list[WindowRecord] = []
        self._blocked: list[Blocked] = []
        self._skipped = 0

    def stage(self, name: str) -> None:
        """Judge the windows of a stage; those before it have been judged."""
        span = self._spans.get(name)
        if span is not None:
            windows: Windows = self._plan.stages[name].cadence
            for window in windows.between(span.after, span.last):
                self._judge(name, window, named=True, inside=True)
        if self._spec.include_descendants:
            for window in self._made_of_asked(name):
                if span is None or not span.after < window.stop <= span.last:
                    self._judge(name, window, named=False, inside=self._inside(window))
        self._ground.close(name)

    def _made_of_asked(self, name: str) -> Iterator[Window]:
        """Closed windows, oldest first, of which some are made of a window that was asked for."""
        ends = [end for parent in self._plan.graph.parents[name] for end in self._ground.reach(parent) or ()]
        closed = closed_until(self._plan, name, self._within.asked)
        if not ends or closed is None:
            return
        for window in self._plan.stages[name].cadence.windows_touching(min(ends) - _SECOND, max(ends)):
            if window.stop > closed:
                return
            yield window

    def _inside(self, window: Window) -> bool:
        return self._within.start <= window.start and window.stop <= self._within.stop

    def _judge(self, name: str, window: Window, *, named: bool, inside: bool) -> None:
        record = self._ground.record(name, window)
        if record is not None and record.backfill == self._uid and record.terminal:
            self._was_done(record)
            return
        wanted = named and _wanted(record, self._spec.reprocess, self._uid)
        if not wanted and not self._follows(name, window, record, inside=inside):
            self._skipped += named
            return
        lack = self._ground.lack(name, window, inside=inside)
        if lack is not None:
            self._blocked.append(Blocked(name, window, lack.message))
            self._ground.blocked(name, window, lack)
            return
        self._runs.append(Chosen(name, window, self._revision(record), descendant=not wanted))
        self._ground.runs(name, window)
        if len(self._runs) > MOST:
            raise Refused(
                "TooManyWindows",
                f"with the windows made of others, more than {MOST:,} would run: write a shorter range, or "
                "includeDescendants: false",
            )

    def _was_done(self, record: WindowRecord) -> None:
        self._done.append(record)
        if record.state is WindowState.SUCCESS:
            self._ground.runs(record.stage, record.window)
        else:
            self._ground.failed(record.stage, record.window)

    def _follows(self, name: str, window: Window, record: WindowRecord | None, *, inside: bool) -> bool:
        """Whether it runs because what it is made of does."""
        may = inside or (record is not None and record.state is WindowState.SUCCESS)
        return may and self._spec.include_descendants and self._ground.touched(name, window)

    def _revision(self, record: WindowRecord | None) -> int:
        if record is None:
            return 1
        return record.revision if record.backfill == self._uid else record.revision + 1

    def selection(self) -> Selection:
        """All that was judged."""
        rank = {name: number for number, name in enumerate(self._plan.graph.order)}
        sign = -1 if self._spec.order == "NewestFirst" else 1
        self._runs.sort(key=lambda one: (sign * one.window.stop.timestamp(), rank[one.stage]))
        asked = bool(self._runs or self._done or self._blocked)
        message = "" if asked else self._within.why_empty or _why_none(self._skipped)
        if asked and self._within.unclosed:
            message = f"{self._within.unclosed:,} windows of the range were not closed yet and are left to the schedule"
        return Selection(tuple(self._runs), tuple(self._done), tuple(self._blocked), self._skipped, message)


def estimate(selection: Selection, records: Iterable[WindowRecord], spec: BackfillSpec) -> Estimate:
    """What the runs would take, by the records of the same stages, which need not be of the range."""
    seconds, rows = _means(records)
    stages = Counter(one.stage for one in selection.runs)
    time = [number * seconds[name] for name, number in stages.items() if name in seconds]
    written = [number * rows[name] for name, number in stages.items() if name in rows]
    return Estimate(
        windows=len(selection.runs),
        seconds=sum(time) / min(spec.max_active_windows, max(1, len(selection.runs)))
        if len(time) == len(stages)
        else None,
        rows=round(sum(written)) if len(written) == len(stages) else None,
    )


def _means(records: Iterable[WindowRecord]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean duration and rows of the successful runs, by stage."""
    seconds: dict[str, list[float]] = {}
    rows: dict[str, list[float]] = {}
    for record in records:
        if record.state is WindowState.SUCCESS and record.duration is not None:
            seconds.setdefault(record.stage, []).append(record.duration)
        if record.state is WindowState.SUCCESS and record.rows is not None:
            rows.setdefault(record.stage, []).append(record.rows)
    return {name: fmean(all_) for name, all_ in seconds.items()}, {name: fmean(all_) for name, all_ in rows.items()}


def _wanted(record: WindowRecord | None, reprocess: str, uid: str) -> bool:
    if record is None or record.cause is Cause.GIVEN_UP or reprocess == "Completed" or record.backfill == uid:
        return True
    return reprocess == "Failed" and record.state is WindowState.FAILED


def _why_none(skipped: int) -> str:
    return (
        f"all {skipped:,} windows of the range have run before, so there is nothing to run; reprocess: Failed runs the failed "
        "ones again, reprocess: Completed all"
    )
