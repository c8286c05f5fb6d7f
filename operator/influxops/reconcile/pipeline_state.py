"""What the operator keeps in memory of one InfluxPipeline between visits, and who runs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.core.keys import Key
from influxops.core.outcome import Outcome
from influxops.core.pipeline.pipeline_status import PipelineFacts
from influxops.core.pipeline.plan import PipelinePlan


@dataclass(slots=True)
class PipelineState:
    """One pipeline's memory."""

    uid: str
    outcome: Outcome | None = None
    generation: int = -1
    checked: set[str] = field(default_factory=set)
    """Digests of scripts that the server has found well typed."""
    waiting_since: float | None = None
    """Monotonic time since which something it refers to has been missing."""
    planned: bool = False
    """Whether its windows run by a plan, be it that of an earlier visit."""
    handled_reconcile_at: str = ""
    retry_failed: bool = False
    """Whether its failed windows are to run again as soon as there is a plan."""
    packed_status: bytes = b""


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """A backfill that is to run. Its loop reads the ledger and does the rest."""

    key: Key
    uid: str
    generation: int
    created: datetime
    spec: InfluxBackfillSpec
    waits: str = ""
    """Why it cannot run yet; empty when it can."""
    reconcile_at: str = ""
    """The visit that was asked for by annotation, which its status echoes."""


class PipelineRunner(Protocol):
    """Whoever runs windows."""

    def configure(self, key: Key, uid: str, connection: Key, plan: PipelinePlan | None) -> None:
        """Run a pipeline by this plan from now on; None: start nothing until there is another."""

    def other_of(self, key: Key, owner: str) -> Key | None:
        """Another object whose windows are being run for the same owner."""

    def retry_failed(self, key: Key) -> None:
        """Let the failed windows of a pipeline run again."""

    def facts(self, key: Key) -> PipelineFacts:
        """How a pipeline stands."""

    def stop(self, key: Key) -> None:
        """The pipeline is gone: end its loop. What it was running ends or is forgotten; the ledger stays."""

    def backfill(self, pipeline: Key, order: BackfillOrder) -> None:
        """Have a loop run a backfill beside its schedule."""

    def drop_backfill(self, key: Key) -> None:
        """The backfill is gone: start no more of its windows."""


class NoRunner:
    """A ``PipelineRunner`` that runs nothing: for a visit that only shows a plan."""

    def configure(self, key: Key, uid: str, connection: Key, plan: PipelinePlan | None) -> None:
        """Nothing."""

    def other_of(self, key: Key, owner: str) -> Key | None:  # noqa: ARG002
        """Nobody."""
        return None

    def retry_failed(self, key: Key) -> None:
        """Nothing."""

    def facts(self, key: Key) -> PipelineFacts:  # noqa: ARG002
        """Nothing is known."""
        return PipelineFacts()

    def stop(self, key: Key) -> None:
        """Nothing."""

    def backfill(self, pipeline: Key, order: BackfillOrder) -> None:
        """Nothing."""

    def drop_backfill(self, key: Key) -> None:
        """Nothing."""
