"""InfluxBackfill: windows of a range that are run once, as a Job is."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from influxops.api.base import ApiModel, Time
from influxops.api.common import Resource, Status
from influxops.api.influxpipeline import Ledger, Order, WindowRange
from influxops.api.names import ObjectName, StageName
from influxops.api.rules import Fault, Rule, distinct
from influxops.api.stage import ATOMIC, TaskRef
from influxops.api.times import SpecTime


class PipelineRef(ApiModel):
    """An InfluxPipeline in the same namespace."""

    name: ObjectName
    """Name of the InfluxPipeline, in the namespace of this object."""


class Reprocess(StrEnum):
    """Which windows of the range run."""

    NONE = "None"
    FAILED = "Failed"
    COMPLETED = "Completed"


_FIXED = (
    "pipelineRef",
    "taskRef",
    "start",
    "stop",
    "stages",
    "includeDescendants",
    "reprocess",
    "order",
    "maxActiveWindows",
    "dryRun",
    "ledger",
)


def _same(field: str) -> str:
    return f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"


def _comparable(spec: InfluxBackfillSpec) -> dict[str, object]:
    """All that cannot change; the stages are a set, whose order does not count."""
    kept = spec.model_dump(exclude={"suspend", "ttl_seconds_after_finished"})
    return kept | {"stages": frozenset(spec.stages)}


class InfluxBackfillSpec(ApiModel):
    """Which windows run, and how."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            " && ".join(_same(field) for field in _FIXED),
            "only suspend and ttlSecondsAfterFinished of a backfill can change; delete it and create another, which leaves out what "
            "this one has run",
            lambda new, old: _comparable(new) == _comparable(old),
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            "has(self.pipelineRef) || has(self.taskRef)",
            "write whose windows run: an InfluxPipeline in pipelineRef, or an InfluxTask in taskRef",
            lambda m: m.pipeline_ref is not None or m.task_ref is not None,
            path=".pipelineRef",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!(has(self.pipelineRef) && has(self.taskRef))",
            "pipelineRef and taskRef exclude each other; remove one of them",
            lambda m: m.pipeline_ref is None or m.task_ref is None,
            path=".taskRef",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "self.start < self.stop",
            "stop is not after start; write a later stop, or an earlier start",
            lambda m: m.start < m.stop,
            path=".stop",
        ),
        Rule(
            "!has(self.taskRef) || !has(self.stages) || size(self.stages) == 0",
            "stages belong to a pipeline; remove them, or name an InfluxPipeline in pipelineRef",
            lambda m: m.task_ref is None or not m.stages,
            path=".stages",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.pipelineRef) || !has(self.ledger)",
            "a backfill of a pipeline uses the pipeline's ledger; remove ledger",
            lambda m: m.pipeline_ref is None or m.ledger is None,
            path=".ledger",
            fault=Fault.FORBIDDEN,
        ),
    )

    pipeline_ref: PipelineRef | None = None
    """InfluxPipeline whose windows run. Exactly one of `pipelineRef` and `taskRef`."""
    task_ref: TaskRef | None = None
    """InfluxTask whose script runs over its windows."""
    start: SpecTime
    """Start of the range, such as `2026-10-01T00:00:00Z`; windows that begin earlier are left out."""
    stop: SpecTime
    """End of the range, which does not belong to it; windows that end later are left out."""
    stages: Annotated[
        list[StageName],
        AfterValidator(distinct),
        Field(max_length=30, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default_factory=list)
    """Stages of the pipeline that run; the default is all."""
    include_descendants: bool = True
    """True: the stages that depend on those of `stages` run, too, for every window that is made of one that ran."""
    reprocess: Annotated[Reprocess, Field(strict=False)] = Reprocess.NONE
    """Which windows run: `None` those that the ledger knows nothing of, `Failed` those and the failed ones, `Completed` all."""
    order: Annotated[Order, Field(strict=False)] = Order.OLDEST_FIRST
    """Which of the windows runs first."""
    max_active_windows: Annotated[int, Field(ge=1, le=64)] = 4
    """Runs at one time, beside those of the pipeline's schedule."""
    dry_run: bool = False
    """True: nothing runs; `status` lists the windows and estimates the time."""
    suspend: bool = False
    """True: no run is started. What is running goes on to its end."""
    ledger: Ledger | None = None
    """Where the state of each window of a task is kept; a pipeline has its own."""
    ttl_seconds_after_finished: (
        Annotated[int, Field(ge=0, le=2**31 - 1, json_schema_extra={"format": "int32"})] | None
    ) = None
    """Seconds after its end at which this object is deleted; by default never."""


class Phase(StrEnum):
    """Where a backfill stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    REFUSED = "Refused"


class BackfillWindow(ApiModel):
    """A window of a stage."""

    stage: str
    """Name of the stage."""
    window: WindowRange
    """The window."""
    message: Annotated[str, Field(max_length=1024)] | None = None
    """Why it failed or was left out."""


class Estimate(ApiModel):
    """What a run would take."""

    windows: int
    """Windows of all stages that would run."""
    duration: str | None = None
    """How long it would take, from how long these stages took so far, such as `12m`."""
    rows: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """Rows that it would write, from what these stages wrote so far."""


class InfluxBackfillStatus(Status):
    """How far the backfill is."""

    phase: Annotated[Phase, Field(strict=False)] | None = None
    """`Pending`, `Running`, `Suspended`, `Succeeded`, `Failed` (some windows failed), or `Refused`."""
    progress: str | None = None
    """Windows done of all, such as `500/720`."""
    total: int | None = None
    """Windows of all stages that are to run."""
    succeeded: int | None = None
    """Windows that have succeeded."""
    failed: int | None = None
    """Windows whose attempts are spent."""
    skipped: int | None = None
    """Windows of the range that are left out by `reprocess`."""
    rate: str | None = None
    """Windows per second, such as `12.5/s`."""
    eta: Time | None = None
    """When it should be done, at this rate."""
    started_at: Time | None = None
    """When the first window began."""
    finished_at: Time | None = None
    """When the last window ended."""
    estimate: Estimate | None = None
    """What it would take; of a dry run."""
    windows: Annotated[list[BackfillWindow], Field(max_length=100, json_schema_extra=ATOMIC)] = Field(
        default_factory=list
    )
    """Of a dry run the first windows, at most 100."""
    failures: Annotated[list[BackfillWindow], Field(max_length=20, json_schema_extra=ATOMIC)] = Field(
        default_factory=list
    )
    """Windows that failed, oldest first, at most 20."""


class InfluxBackfill(Resource):
    """Windows of a range of time that run once."""

    kind_name: ClassVar[str] = "InfluxBackfill"

    spec: InfluxBackfillSpec
    """Which windows run, and how."""
    status: InfluxBackfillStatus = InfluxBackfillStatus()
    """How far the backfill is."""
