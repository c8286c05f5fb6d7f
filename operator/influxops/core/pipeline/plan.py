"""A pipeline as it is to run: its spec made whole, scripts resolved and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from influxops.core.flux.facts import ScriptFacts
from influxops.core.keys import Key
from influxops.core.pipeline.graph import Graph
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.reruns import Pauses


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """One proof, as ``api.stage.Check`` has it."""

    type: str
    """``RowCount``, ``Coverage``, ``Conservation`` or ``Checksum``."""
    blocks: bool
    """Whether a window that does not pass has failed (severity Error)."""
    min: int | None = None
    max: int | None = None
    min_percent: int = 100
    by: tuple[str, ...] = ()
    count_field: str = ""


@dataclass(frozen=True, slots=True)
class NativeTask:
    """The task in InfluxDB whose runs are observed."""

    key: Key
    task_id: str
    offset: int
    """Seconds from a slot to the start of its run."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage."""

    name: str
    depends_on: tuple[str, ...]
    cadence: Cadence
    script: str
    """The user's Flux, without the prelude."""
    facts: ScriptFacts
    digest: str
    """Of everything here that decides what a run writes; a window that failed runs again when it changes."""
    source: Source | None
    target: Target | None
    replace: bool
    timeout: float
    """Seconds."""
    checks: tuple[CheckPlan, ...] = ()
    as_is: bool = False
    """The script is run as it stands, with ``now()`` at the slot of the window: that of an InfluxTask, with its own prelude."""
    native: NativeTask | None = None
    waits: str = ""
    """What is missing before any window of this stage may start, such as a bucket; empty when nothing is."""

    @property
    def inputs(self) -> frozenset[str]:
        """Buckets that it reads, as far as they are known."""
        return frozenset({self.source.bucket}) if self.source else self.facts.reads


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """When a failed attempt is followed by another."""

    limit: int
    """Attempts after the first."""
    pauses: Pauses


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """All of a pipeline. Times in seconds."""

    owner: str
    """``<instance>/<namespace>/<name>``, the tag of its records in the ledger."""
    bucket: str
    """Of the ledger."""
    stages: Mapping[str, StagePlan]
    graph: Graph
    begin: datetime
    """No window that starts earlier is run by schedule."""
    begin_given: bool = field(default=True, kw_only=True)
    """False: the spec says none, and ``begin`` is when the object was created. A ledger that knows of windows before goes before that: the
    object was made anew.
    """
    delay: int
    """From the end of a window to its start."""
    max_active: int
    newest_first: bool
    retry: RetryPlan
    breaker_failures: int
    breaker_open: float
    latest_only: bool = False
    """Of several windows that wait, only the latest is run (catchUp.policy Latest)."""
    max_windows: int = 1000
    allowed: int | None = None
    """How far back late data is looked for; None: not at all."""
    check_every: int = 3600
    rerun_late: bool = True
    deadline: int | None = None
    scheduled: bool = True
    """False for the backfill of an InfluxTask: only what it asks for is run."""
    suspended: bool = False
