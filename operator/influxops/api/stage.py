"""One stage of an InfluxPipeline."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from influxops.api.base import ApiModel
from influxops.api.defaults import unpromised
from influxops.api.lengths import Interval, WindowLength
from influxops.api.names import BucketName, ColumnName, ObjectName, StageName
from influxops.api.rules import Fault, Rule, distinct
from influxops.api.template import Script, Template

ATOMIC = {"x-kubernetes-list-type": "atomic"}
MOST_ROWS = 10**12


class TaskRef(ApiModel):
    """An InfluxTask in the same namespace."""

    name: ObjectName
    """Name of the InfluxTask, in the namespace of this object."""


class StageWindow(ApiModel):
    """Window of one stage, where it is coarser than the pipeline's."""

    every: WindowLength
    """Time from the end of one window to the end of the next, such as `1d`. Each window must begin and end with one of the stages
    in `dependsOn`."""
    period: WindowLength | None = None
    """Length of a window; the default is `every`. A longer one makes sliding windows, which overlap."""


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
            "self.type == 'Coverage' || (!has(self.minPercent) && (!has(self.by) || size(self.by) == 0))",
            "minPercent and by belong to the check Coverage; remove them, or write type: Coverage",
            lambda m: m.type is CheckType.COVERAGE or (m.min_percent is None and not m.by),
            path=".type",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "self.type != 'Conservation' || has(self.countField)",
            "the check Conservation adds up counts in the destination; write the field that holds them in countField, such as "
            "temperature_count",
            lambda m: m.type is not CheckType.CONSERVATION or m.count_field is not None,
            path=".countField",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "self.type == 'Conservation' || !has(self.countField)",
            "countField belongs to the check Conservation; remove it, or write type: Conservation",
            lambda m: m.type is CheckType.CONSERVATION or m.count_field is None,
            path=".type",
            fault=Fault.FORBIDDEN,
        ),
    )

    type: Annotated[CheckType, Field(strict=False)]
    """What is proven: `RowCount` the number of rows that the run wrote; `Coverage` that each series of the source has points in
    the destination; `Conservation` that the counts in the destination add up to the points of the source; `Checksum` that
    the destination holds exactly the rows that the run wrote."""
    severity: Annotated[Severity, Field(strict=False, json_schema_extra=unpromised)] = Severity.ERROR
    """What it means when the proof fails: `Error`, the default: the attempt has failed, and stages behind it wait. `Warn`: it is
    told, and all goes on."""
    min: Annotated[int, Field(ge=0, le=MOST_ROWS, json_schema_extra={"format": "int64"})] | None = None
    """Least number of rows, for RowCount."""
    max: Annotated[int, Field(ge=0, le=MOST_ROWS, json_schema_extra={"format": "int64"})] | None = None
    """Greatest number of rows, for RowCount."""
    min_percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """Least share of the source's series that must be covered, in percent, for Coverage; the default is 100."""
    by: Annotated[list[ColumnName], Field(max_length=16, json_schema_extra=ATOMIC)] = Field(default_factory=list)
    """Tags that tell one series from another, for Coverage; the default is all tags that source and destination have in common."""
    count_field: ColumnName | None = None
    """Field of the destination that holds the number of points of the source, such as `temperature_count`, for Conservation."""


class Stage(ApiModel):
    """One script that runs over each window once the stages before it have succeeded there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.taskRef) || has(self.flux) || has(self.template)",
            "a stage needs a script; write it in flux, a template of it in template, or name an InfluxTask in taskRef",
            lambda m: m.task_ref is not None or m.flux is not None or m.template is not None,
            path=".flux",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "(has(self.taskRef) ? 1 : 0) + (has(self.flux) ? 1 : 0) + (has(self.template) ? 1 : 0) < 2",
            "a stage has one script, and taskRef, flux and template exclude each other; keep one of them",
            lambda m: sum(part is not None for part in (m.task_ref, m.flux, m.template)) < 2,
            path=".flux",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.execution) || self.execution != 'Native' || has(self.taskRef)",
            "execution Native waits for the runs of an InfluxTask; name it in taskRef, or write execution: Query",
            lambda m: m.execution is not Execution.NATIVE or m.task_ref is not None,
            path=".taskRef",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.writeDisposition) || self.writeDisposition != 'Replace' || "
            "(has(self.destination) && has(self.destination.measurement))",
            "writeDisposition Replace deletes the window's points before each run; write which in destination.bucket and "
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
            "writeDisposition Replace needs execution Query, for InfluxDB's own runs delete nothing; write execution: Query, or "
            "remove writeDisposition",
            lambda m: m.write_disposition is not WriteDisposition.REPLACE or m.execution is not Execution.NATIVE,
            path=".writeDisposition",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, c.type == 'RowCount' || has(self.destination))",
            "the checks Coverage, Conservation and Checksum look at what was written; write where in destination",
            lambda m: all(check.type is CheckType.ROW_COUNT for check in m.checks) or m.destination is not None,
            path=".destination",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, (c.type != 'Coverage' && c.type != 'Conservation') || has(self.source))",
            "the checks Coverage and Conservation compare with what was read; write where in source",
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
        list[StageName],
        AfterValidator(distinct),
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(default_factory=list)
    """Stages that must have succeeded first: for the same window, or for all their windows that end within this stage's longer
    one."""
    window: StageWindow | None = None
    """Window of this stage, in the time zone of the pipeline; the default is the pipeline's window."""
    task_ref: TaskRef | None = None
    """InfluxTask whose script runs. Exactly one of `taskRef`, `flux` and `template`."""
    flux: Script | None = None
    """Flux script. It reads its window from `v.timeRangeStart`, `v.timeRangeStop` and `v.windowPeriod`."""
    template: Template | None = None
    """Template that renders to the Flux script."""
    execution: Annotated[Execution, Field(strict=False, json_schema_extra=unpromised)] = Execution.QUERY
    """Who runs the script: `Query`, the default: influxops, window by window, with the rights of the connection's token. `Native`:
    InfluxDB, by the schedule of the InfluxTask in `taskRef`; influxops waits for its runs, proves them and repairs what is
    missing."""
    source: StageSource | None = None
    """Where the stage reads; needed for late data and for the checks Coverage and Conservation."""
    destination: StageDestination | None = None
    """Where the stage writes; needed for the checks Coverage, Conservation and Checksum, and for `Replace`."""
    write_disposition: Annotated[WriteDisposition, Field(strict=False, json_schema_extra=unpromised)] = (
        WriteDisposition.OVERWRITE
    )
    """What becomes of the points of an earlier run of the window: `Overwrite`, the default: points of the same series and time
    are overwritten, others stay. `Replace`: the window is deleted in the destination before each run."""
    timeout: Interval | None = None
    """Longest time that one run may take; the default is the pipeline's."""
    checks: Annotated[list[Check], Field(max_length=8, json_schema_extra=ATOMIC)] = Field(default_factory=list)
    """What is proven after each run."""
