"""What the records of a ledger come to for a start, kept short: of a window that has succeeded, two numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.agenda.late import seconds
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

AT_ONCE = 20_000
"""Windows whose records are read with one request; some 30 MB of them for a moment."""
_BITS = 40
"""For the seconds of a window's length."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Done:
    """Windows that have succeeded, whether the watermark has passed them or not. A hundred thousand take some 8 MB, a tenth of their
    records.
    """

    _stages: dict[str, set[int]] = field(default_factory=dict)

    def add(self, place: Place) -> None:
        """One more."""
        stage, window = place
        self._stages.setdefault(stage, set()).add(_number(window))

    def of(self, stage: str) -> Iterator[Window]:
        """Those of a stage, in no order."""
        for number in self._stages.get(stage, ()):
            start = _EPOCH + timedelta(seconds=number >> _BITS)
            yield Window(start, start + timedelta(seconds=number & (1 << _BITS) - 1))

    def __contains__(self, place: object) -> bool:
        match place:
            case (str(stage), Window() as window):
                return _number(window) in self._stages.get(stage, ())
        return False


@dataclass(slots=True)
class Recalled:
    """Of one pipeline. Records may be taken in any order, each once or more."""

    plan: PipelinePlan
    done: Done = field(default_factory=Done)
    left: dict[Place, WindowRecord] = field(default_factory=dict)
    """Records that are no SUCCESS, of stages that the plan has."""
    last: dict[str, WindowRecord] = field(default_factory=dict)
    """Of each stage the newest window that succeeded."""
    stranded: set[Place] = field(default_factory=set)
    """What must not run by schedule, as it is made of windows that were given up."""
    oldest: datetime | None = None
    """Start of the oldest window that succeeded."""
    stages: set[str] = field(default_factory=set)
    """Those of which there is a record."""
    since: dict[str, datetime] = field(default_factory=dict)
    """Of each stage the start of the oldest window that it has run, or was to run, for no backfill: from there on the ledger tells of it."""
    scheduled_from: datetime | None = None
    """Start of the oldest window that no backfill had run, of whatever stage."""
    unsaid: list[WindowRecord] = field(default_factory=list)
    """Of windows that have run too early; the ledger is to be told."""
    records: int = 0
    """That were taken."""

    def has(self, place: Place) -> bool:
        """Whether there is a record of a window."""
        return place in self.done or place in self.left

    def take(self, records: Iterable[WindowRecord]) -> None:
        """Take records in."""
        for record in records:
            self.records += 1
            self.stages.add(record.stage)
            if not record.backfill:
                self.scheduled_from = min(self.scheduled_from or record.window.start, record.window.start)
            if record.cause is Cause.GIVEN_UP:
                self.stranded.add((record.stage, record.window))
            elif not record.backfill:
                since = self.since.get(record.stage, record.window.start)
                self.since[record.stage] = min(since, record.window.start)
            if record.stage not in self.plan.stages:
                continue
            if record.state is not WindowState.SUCCESS:
                self.left[record.stage, record.window] = record
                continue
            self.done.add((record.stage, record.window))
            self.oldest = min(self.oldest or record.window.start, record.window.start)
            last = self.last.get(record.stage)
            if last is None or last.window.stop <= record.window.stop:
                self.last[record.stage] = record


def parts(
    plan: PipelinePlan, start: datetime, stop: datetime, most: int | None = None
) -> Iterator[tuple[datetime, datetime]]:
    """``[start, stop)`` cut so that about ``most`` windows of the plan at most begin in each part; AT_ONCE by default."""
    if start >= stop:
        return
    windows = sum(stage.cadence.count_between(start, stop) for stage in plan.stages.values())
    number = windows // (most or AT_ONCE) + 1
    length = timedelta(seconds=-(-(seconds(stop) - seconds(start)) // number) + 1)
    while start < stop:
        end = min(start + length, stop)
        yield start, end
        start = end


def near(moments: Iterable[datetime], apart: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """The first and the last of moments that follow each other within ``apart``, oldest first."""
    first: datetime | None = None
    last: datetime | None = None
    for moment in sorted(moments):
        if first is not None and last is not None and moment - last > apart:
            yield first, last
            first = None
        first, last = first or moment, moment
    if first is not None and last is not None:
        yield first, last


def _number(window: Window) -> int:
    return seconds(window.start) << _BITS | (seconds(window.stop) - seconds(window.start))
