"""Which windows a backfill runs, in which order, and which it leaves alone.

The ledger is the only memory: a record that carries the uid of the backfill and is terminal is done. So the choice made
anew after any crash is the same one, less what is done since. There is no cursor that could lag behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.window import Window

MOST = 100_000
"""Windows of all stages together that one backfill may look at."""


class BackfillSpec(Protocol):
    """The words of ``InfluxBackfill.spec`` that choose windows, as the model of the API has them."""

    @property
    def start(self) -> datetime:
        """Start of the range, which belongs to it."""

    @property
    def stop(self) -> datetime:
        """End of the range, which does not."""

    @property
    def stages(self) -> Sequence[str]:
        """Names; none means all."""

    @property
    def include_descendants(self) -> bool:
        """Whether windows made of a window that runs do so, too."""

    @property
    def reprocess(self) -> str:
        """``None``, ``Failed`` or ``Completed``."""

    @property
    def order(self) -> str:
        """``OldestFirst`` or ``NewestFirst``."""

    @property
    def max_active_windows(self) -> int:
        """Runs at one time."""


class Refused(ValueError):
    """The backfill cannot be run as it is written; the message says what to write. ``reason`` is one word for conditions."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of one stage whose stop lies in ``(after, last]``: those wholly in the range that are closed."""

    stage: str
    after: datetime
    last: datetime
    count: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a backfill may touch, before the ledger has been read."""

    start: datetime
    stop: datetime
    asked: datetime
    """When the backfill was created: windows that were not closed by then are not its own."""
    spans: tuple[Span, ...]
    """Of the stages that the spec names, parents first; a stage without a window in the range is left out."""
    behind: tuple[str, ...]
    """Stages whose windows run only because one before them does, parents first."""
    read_from: datetime
    """Records of windows that start here or later decide; for ``ledger_records``."""
    read_to: datetime
    """End of the same, exclusive."""
    why_empty: str = ""
    """Why no window lies in the range; empty when one does."""

    @property
    def count(self) -> int:
        """Windows of the named stages, before the ledger has said which of them run."""
        return sum(span.count for span in self.spans)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A window that is to run."""

    stage: str
    window: Window
    revision: int = 1
    """One more than that of its record, or that of a revision of this backfill that was not brought to its end."""
    descendant: bool = False
    """Whether it runs because a window before it does."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """A window that was asked for and cannot run, because what it is made of is missing and is not going to be made."""

    stage: str
    window: Window
    message: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What a backfill is to do. ``runs``, ``done`` and ``blocked`` together are all that was asked for."""

    runs: tuple[Chosen, ...]
    """To be run, in the order of the spec; of one end, parents first."""
    done: tuple[WindowRecord, ...] = ()
    """What this backfill has brought to an end before: SUCCESS and FAILED."""
    blocked: tuple[Blocked, ...] = ()
    skipped: int = 0
    """Windows of the range that ``reprocess`` leaves alone."""
    message: str = ""
    """Why there is nothing to run; empty otherwise."""

    @property
    def total(self) -> int:
        """Windows that were asked for and not skipped."""
        return len(self.runs) + len(self.done) + len(self.blocked)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the runs would take."""

    windows: int
    seconds: float | None
    """From the mean of each stage's records, ``maxActiveWindows`` at a time; None when a stage has none."""
    rows: int | None
    """From the mean of each stage's records; None when a stage has none."""


def bounds(plan: PipelinePlan, spec: BackfillSpec, asked: datetime) -> Bounds:
    """The windows that the range holds, counted and not listed.

    ``asked`` is the creationTimestamp of the InfluxBackfill, so that the answer is the same after a restart. Raises Refused:
    for a stage that the pipeline has not, for more than ``MOST`` windows, for a range of which nothing is closed, and for
    one that InfluxDB cannot hold (before 1970, after 2262).
    """
    raise NotImplementedError


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
    """
    raise NotImplementedError


def estimate(selection: Selection, records: Iterable[WindowRecord], spec: BackfillSpec) -> Estimate:
    """What the runs would take, by the records of the same stages, which need not be of the range."""
    raise NotImplementedError
