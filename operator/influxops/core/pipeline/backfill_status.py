"""The status of an InfluxBackfill, put together from its selection and from what has ended since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.core.pipeline.backfill import Blocked, Estimate, Refused, Selection
from influxops.core.pipeline.record import WindowRecord

MOST_FAILURES = 20
MOST_WINDOWS = 100
"""Windows that the status of a dry run lists."""


class Progress:
    """Counts what has ended. One for each backfill under way; made anew after a restart from the selection."""

    def __init__(self, selection: Selection) -> None:
        """What ``selection.done`` tells is counted."""
        raise NotImplementedError

    def ended(self, record: WindowRecord, now: datetime) -> None:
        """A window that was chosen has ended, SUCCESS or FAILED. The same one twice counts once, by its last state."""
        raise NotImplementedError

    @property
    def complete(self) -> bool:
        """Whether every window has ended or is blocked."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class View:
    """What a status is made of, besides ``Progress``."""

    waits: str = ""
    """Why nothing can be run yet (the pipeline is not there, the connection is not ready); phase Pending."""
    waits_reason: str = "DependencyNotReady"
    refused: Refused | None = None
    suspended: bool = False
    over: bool = False
    """True once nothing of it is left that could run: done, or behind a window that failed (given in ``stuck``)."""
    stuck: tuple[Blocked, ...] = ()
    """Windows that never became ready because one before them failed."""
    dry_run: Estimate | None = None
    selection: Selection | None = None
    """For the windows of a dry run and for the message of an empty selection."""
    started_at: datetime | None = None
    finished_at: datetime | None = None


def backfill_status(
    previous: Mapping[str, Any], progress: Progress | None, view: View, generation: int, now: datetime
) -> dict[str, Any]:
    """The whole status, in the form of the CRD. Equal inputs but ``now`` give an equal status, so nothing is written."""
    raise NotImplementedError


def terminal(status: Mapping[str, Any]) -> bool:
    """Whether a status says that this backfill is over, so that it is never started again."""
    raise NotImplementedError
