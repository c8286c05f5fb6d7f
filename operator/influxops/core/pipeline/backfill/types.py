"""The words of a backfill: what is asked for, what it may touch, what it is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.window import Window

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
    unclosed: int = 0
    """Windows of the range that were not closed by then: they are left to the schedule."""
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
    """Why there is nothing to run, or what of the range is left to the schedule; empty when there is nothing to tell."""

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
