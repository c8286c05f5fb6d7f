"""One stage of an InfluxPipeline."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel
from influxops.api.lengths import Interval, WindowLength
from influxops.api.names import BucketName, ColumnName, ObjectName, StageName
from influxops.api.rules import Fault, Rule
from influxops.api.template import Script, Template

ATOMIC = {"x-kubernetes-list-type": "atomic"}


class TaskRef(ApiModel):
    """An InfluxTask in the same namespace."""

    name: ObjectName
    """Name of the InfluxTask, in the namespace of this object."""


class StageWindow(ApiModel):
    """Window of one stage, where it is coarser than the pipeline's."""

    every: WindowLength
    """Time from one window to the next, such as `1d`; each must hold whole windows of the stages before it."""
    period: WindowLength | None = None
    """Length of a window; the default is `every`. A longer one makes sliding windows."""


class StageSource(ApiModel):
    """Where a stage reads, so that its points can be counted."""

    bucket: BucketName
    """Name of the bucket."""
    measurement: ColumnName | None = None
    """Measurement to count; the default is all."""
    field: ColumnName | None = None
    """Field to count; the default is all."""


class StageDestination(ApiModel):
    """Where a stage writes, so that it can be proven and replaced."""

    bucket: BucketName
    """Name of the bucket."""
    measurement: ColumnName | None = None
    """Measurement that the stage writes; needed with `writeDisposition: Replace`."""


class Execution(StrEnum):
    """Who runs a stage."""

    QUERY = "Query"
    NATIVE = "Native"


class WriteDisposition(StrEnum):
    """What becomes of points of an earlier run of the same window."""

    OVERWRITE = "Overwrite"
    REPLACE = "Replace"


class CheckType(StrEnum):
    """What is proven of a window."""

    ROW_COUNT = "RowCount"
    COVERAGE = "Coverage"
    CONSERVATION = "Conservation"
    CHECKSUM = "Checksum"


class Severity(StrEnum):
    """What a failed check means."""

    WARN = "Warn"
    ERROR = "Error"


class Check(ApiModel):
    """A proof that is asked for after each run of a window."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type == 'RowCount' || (!has(self.min) && !has(self.max))",
            "min and max belong to the check RowCount; remove them, or write type: RowCount",
            lambda m: m.type is CheckType.ROW_COUNT or (m.min is None and m.max is None),
            path=".type",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "self.type != 'RowCount' || has(self.min) || has(self.max)",
            "the check RowCount needs a bound; write min or max, such as min: 1",
            lambda m: m.type is not CheckType.ROW_COUNT or m.min is not None or m.max is not None,
            path=".min",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.min) || !has(self.max) || self.min <= self.max",
            "min is above max; write a smaller min",
            lambda m: m.min is None or m.max is None or m.min <= m.max,
            path=".min",
        ),
        Rule(
            "self.type == 'Coverage' || (!has(self.minPercent) && !has(self.by))",
            "minPercent and by belong to the check Coverage; remove them, or write type: Coverage",
            lambda m: m.type is CheckType.COVERAGE or (m.min_percent is None and not m.by),
            path=".type",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "(self.type == 'Conservation') == has(self.countField)",
            "countField belongs to the check Conservation, which needs it: the field in which the destination keeps the "
            "number of points, such as temperature_count",
            lambda m: (m.type is CheckType.CONSERVATION) == (m.count_field is not None),
            path=".countField",
            fault=Fault.REQUIRED,
        ),
    )

    type: Annotated[CheckType, Field(strict=False)]
    """What is proven: `RowCount` the number of rows that the run wrote; `Coverage` that each series of the source has points in
    the destination; `Conservation` that the counts in the destination add up to the points of the source; `Checksum` that
    the destination holds exactly the rows that the run wrote."""
    severity: Annotated[Severity, Field(strict=False)] = Severity.ERROR
    """`Error`: the attempt has failed, and stages behind it wait. `Warn`: it is told, and all goes on."""
    min: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """Least number of rows."""
    max: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """Greatest number of rows."""
    min_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Least share of the source's series that must be covered, in percent; the default is 100."""
    by: Annotated[list[ColumnName], Field(max_length=16, json_schema_extra=ATOMIC)] = Field(default_factory=list)
    """Tags that tell one series from another; the default is all tags that source and destination have in common."""
    count_field: ColumnName | None = None
    """Field of the destination that holds the number of points of the source, such as `temperature_count`."""


class Stage(ApiModel):
    """One script that runs over each window once the stages before it have succeeded there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.taskRef), has(self.flux), has(self.template)].exists_one(given, given)",
            "a stage has one script; write exactly one of taskRef, flux and template",
            lambda m: sum(part is not None for part in (m.task_ref, m.flux, m.template)) == 1,
            path=".flux",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.execution) || self.execution != 'Native' || has(self.taskRef)",
            "execution Native observes the runs of an InfluxTask; name it in taskRef, or write execution: Query",
            lambda m: m.execution is not Execution.NATIVE or m.task_ref is not None,
            path=".taskRef",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.writeDisposition) || self.writeDisposition != 'Replace' || "
            "(has(self.destination) && has(self.destination.measurement))",
            "writeDisposition Replace deletes the window's points first; name them in destination.bucket and "
            "destination.measurement",
            lambda m: (
                m.write_disposition is not WriteDisposition.REPLACE
                or (m.destination is not None and m.destination.measurement is not None)
            ),
            path=".destination",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.writeDisposition) || self.writeDisposition != 'Replace' || "
            "!has(self.execution) || self.execution != 'Native'",
            "writeDisposition Replace needs execution Query: InfluxDB's own runs delete nothing",
            lambda m: m.write_disposition is not WriteDisposition.REPLACE or m.execution is not Execution.NATIVE,
            path=".writeDisposition",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, c.type == 'RowCount' || has(self.destination))",
            "Coverage, Conservation and Checksum look at what was written; name it in destination",
            lambda m: all(check.type is CheckType.ROW_COUNT for check in m.checks) or m.destination is not None,
            path=".destination",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, (c.type != 'Coverage' && c.type != 'Conservation') || has(self.source))",
            "Coverage and Conservation compare with what was read; name it in source",
            lambda m: (
                all(check.type not in {CheckType.COVERAGE, CheckType.CONSERVATION} for check in m.checks)
                or m.source is not None
            ),
            path=".source",
            fault=Fault.REQUIRED,
        ),
    )

    name: StageName
    """Name of the stage, unique in its pipeline."""
    depends_on: Annotated[
        list[StageName], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"})
    ] = Field(default_factory=list)
    """Stages that must have succeeded for the same window, or for all windows within this stage's coarser one."""
    window: StageWindow | None = None
    """Window of this stage; the default is the pipeline's."""
    task_ref: TaskRef | None = None
    """InfluxTask whose script runs. Exactly one of `taskRef`, `flux` and `template`."""
    flux: Script | None = None
    """Flux script. It reads its window from `v.timeRangeStart`, `v.timeRangeStop` and `v.windowPeriod`."""
    template: Template | None = None
    """Template that renders to the Flux script."""
    execution: Annotated[Execution, Field(strict=False)] = Execution.QUERY
    """Who runs the script: `Query` influxops, window by window, with the token's own rights; `Native` InfluxDB, by the schedule
    of the InfluxTask in `taskRef`: influxops waits for its runs, proves them and repairs what is missing."""
    source: StageSource | None = None
    """Where the stage reads; needed for late data and for the checks Coverage and Conservation."""
    destination: StageDestination | None = None
    """Where the stage writes; needed for checks and for `Replace`."""
    write_disposition: Annotated[WriteDisposition, Field(strict=False)] = WriteDisposition.OVERWRITE
    """What becomes of the points of an earlier run of the window: `Overwrite` points of the same series and time are
    overwritten, others stay; `Replace` the window is deleted in the destination before it is written."""
    timeout: Interval | None = None
    """Longest time that one run may take; the default is the pipeline's."""
    checks: Annotated[list[Check], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(default_factory=list)
    """What is proven after each run."""
