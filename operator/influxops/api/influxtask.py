"""InfluxTask: one native InfluxDB task."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel, Time
from influxops.api.common import (
    Approval,
    ConnectionRef,
    Deletion,
    Drift,
    PlanStatus,
    Resource,
    Retry,
    Status,
)
from influxops.api.lengths import Every, Interval, Lookback, Offset, WindowLength
from influxops.api.names import InfluxID, TaskName
from influxops.api.rules import Fault, Rule
from influxops.api.schedule import Cron
from influxops.api.template import Script, Template
from influxops.core.durations import parse_duration


class TaskWindow(ApiModel):
    """The range of time that one run covers, for scripts that read it from `v`."""

    period: WindowLength | None = None
    """Length of the window, such as `1h` or `1mo`; the default is `every`, and with `cron` it must be given. The script
    reads it as `v.windowPeriod`."""
    align: WindowLength | None = None
    """Grid on which the window ends: `v.timeRangeStop` is the scheduled time rounded down to a multiple of this; the
    default is `every`, with `cron` it is `period`."""
    lookback: Lookback = parse_duration("0s")
    """Time to begin before the window, to take in points that came late: `v.timeRangeStart` is the end of the window less
    `period` less `lookback`. It adds no runs."""


class Adoption(StrEnum):
    """What happens when InfluxDB has an unmanaged task of the same name already."""

    NEVER = "Never"
    ADOPT = "Adopt"


class CatchUpPolicy(StrEnum):
    """Which of the slots that InfluxDB missed are run."""

    NONE = "None"
    LATEST = "Latest"
    ALL = "All"


class CatchUp(ApiModel):
    """What happens to the slots that InfluxDB missed."""

    policy: Annotated[CatchUpPolicy, Field(strict=False)] = CatchUpPolicy.NONE
    """Which of them are run: `None` none, they are only counted and told; `Latest` the newest; `All` all of them, oldest
    first."""
    max_windows: Annotated[int, Field(ge=1, le=1000)] = 168
    """With `All`, the number of missed slots that are run at most: the newest; the older ones are given up."""


_OWN_OPTION = "belongs to every or cron; add one of them, or remove it where the script brings its own option task"


class InfluxTaskSpec(ApiModel):
    """What the task shall do, and when."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.connectionRef == oldSelf.connectionRef",
            "connectionRef cannot change, for the task lives in that database; delete this object and create another",
            lambda new, old: new.connection_ref == old.connection_ref,
            path=".connectionRef",
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            "has(self.flux) || has(self.template)",
            "write the script in flux, or a template of it in template",
            lambda m: m.flux is not None or m.template is not None,
            path=".flux",
            fault=Fault.REQUIRED,
        ),
        Rule(
            "!(has(self.flux) && has(self.template))",
            "flux and template exclude each other; remove one of them",
            lambda m: m.flux is None or m.template is None,
            path=".template",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!(has(self.every) && has(self.cron))",
            "every and cron exclude each other; remove one of them",
            lambda m: m.every is None or m.cron is None,
            path=".cron",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "has(self.every) || has(self.cron) || !has(self.name)",
            f"name {_OWN_OPTION}",
            lambda m: m.every is not None or m.cron is not None or m.name is None,
            path=".name",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "has(self.every) || has(self.cron) || !has(self.offset)",
            f"offset {_OWN_OPTION}",
            lambda m: m.every is not None or m.cron is not None or m.offset is None,
            path=".offset",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!(has(self.cron) && has(self.window)) || has(self.window.period)",
            "with cron, window needs its length; write window.period, such as 1h",
            lambda m: m.cron is None or m.window is None or m.window.period is not None,
            path=".window.period",
            fault=Fault.REQUIRED,
        ),
    )

    connection_ref: ConnectionRef
    """The InfluxConnection that says where the task lives. Cannot change."""
    name: TaskName | None = None
    """Name of the task in InfluxDB; by default `<namespace>/<name>` of this object. Not with a script that brings its own
    `option task`."""
    description: Annotated[str, Field(max_length=1024)] = ""
    """Description of the task in InfluxDB."""
    every: Every | None = None
    """Time from one run to the next, such as `15m` or `1h`: whole seconds, at least `1s`. Runs fall on whole multiples of
    it in UTC. Weeks, months and years go with `cron`. Exactly one of `every` and `cron`, or neither when the script
    brings its own `option task`."""
    cron: Cron | None = None
    """Schedule as a cron expression in UTC, such as `0 3 * * *`: minute, hour, day of month, month, day of week (`0-6` or
    `SUN-SAT`), or six fields with seconds in front, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`. Where day
    of month and day of week are both limited, both must fit."""
    offset: Offset | None = None
    """Time to wait after the scheduled time, such as `10m`, so that late points are in. The window of the run stays the
    same."""
    suspend: bool = False
    """True: the task does not run. A suspended task that does not exist yet is not created."""
    flux: Script | None = None
    """Flux script, at most 256 KiB. `option task` is put before it unless it brings its own; where it reads
    `v.timeRangeStart`, `v.timeRangeStop` or `v.windowPeriod`, `option v` is put before it too. It is checked on the
    server before it is stored. Exactly one of `flux` and `template`."""
    template: Template | None = None
    """Template that renders to the Flux script. Exactly one of `flux` and `template`."""
    window: TaskWindow | None = None
    """Range of time that one run covers, for scripts that read it from `v`. The default is the last whole `every`; with
    `cron`, `period` must be given."""
    drift: Annotated[Drift, Field(strict=False)] = Drift.CORRECT
    """What happens when the task is changed or deleted in InfluxDB by hand: `Correct` puts it right, `Warn` reports the
    condition `Drifted` with the difference in `status.plan` and changes nothing."""
    adoption: Annotated[Adoption, Field(strict=False)] = Adoption.NEVER
    """What happens when InfluxDB has a task of the same name that nobody manages: `Never` refuses, `Adopt` takes it over.
    A task that another object manages is never taken over."""
    import_id: InfluxID | None = None
    """Id of a task in InfluxDB to take over, whatever its name is; without a meaning once this object has a task."""
    approval: Annotated[Approval, Field(strict=False)] = Approval.AUTO
    """Who lets a change of InfluxDB happen: `Auto` influxops at once; `Manual` you: the plan waits in `status.plan` until
    the annotation `influxops.dev/approve` names its hash. Deleting this object needs no approval."""
    deletion: Annotated[Deletion, Field(strict=False)] = Deletion.DELETE
    """What happens to the task when this object is deleted: `Delete` deletes it, `Orphan` leaves it running and lets go of
    it."""
    retry: Retry | None = None
    """Run a slot again that failed; without this, a slot that failed stays so. What counts are the failed runs of that slot
    that InfluxDB remembers (3 days), whoever asked for them. The script must bear to run twice for one slot. Nothing is run
    while the task is suspended, drifted or waits for approval."""
    catch_up: CatchUp | None = None
    """Run slots that InfluxDB missed: it was down, or the task was suspended. Without this nobody looks for them. They count
    from the moment that the task was made or this was first set; with another schedule, or as another task in InfluxDB, it
    begins anew. Slots older than 3 days are left alone, for InfluxDB forgets by then which of them ran."""
    late_after: Interval | None = None
    """Time after the scheduled time plus `offset` at which a slot without a successful run sets the condition `Late`; by
    default nothing is ever late."""
    run_history_limit: Annotated[int, Field(ge=1, le=50)] = 5
    """Number of finished runs to keep in `status.history`."""


class RunState(StrEnum):
    """States of a run as InfluxDB names them."""

    SCHEDULED = "scheduled"
    STARTED = "started"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


class RunStatus(ApiModel):
    """One run of the task."""

    id: str
    """Id of the run in InfluxDB."""
    state: Annotated[RunState, Field(strict=False)]
    """Outcome: `success`, `failed` or `canceled`; `scheduled` or `started` while it is not over."""
    scheduled_for: Time
    """Slot of the schedule that the run is for; `now()` in the script."""
    started_at: Time | None = None
    """When the run began."""
    finished_at: Time | None = None
    """When the run ended."""
    duration: str | None = None
    """How long the run took, such as `1.25s`."""
    error: Annotated[str, Field(max_length=4096)] | None = None
    """Why the run failed, from the run's log."""


class SlotsStatus(ApiModel):
    """How far the slots are settled."""

    settled_until: Time
    """Every slot up to this time succeeded, or nothing more is done for it."""
    waiting: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] = 0
    """Number of slots that failed or were missed, and that are run again, or wait for it."""
    missed: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] = 0
    """Number of slots that InfluxDB missed and that were given up, by `spec.catchUp`."""
    given_up_until: Time | None = None
    """Slots that InfluxDB missed up to this time are given up."""


class InfluxTaskStatus(Status):
    """What influxops last saw and did."""

    task_id: str | None = None
    """Id of the task in InfluxDB."""
    script_hash: str | None = None
    """sha256 of the script as it stands in InfluxDB."""
    schedule: str | None = None
    """Schedule in force, `every` or `cron`; also of a script that brings its own `option task`."""
    plan: PlanStatus | None = None
    """What would be done in InfluxDB, while it waits for approval or drift is only warned of."""
    last_run: RunStatus | None = None
    """The latest run."""
    next_run: Time | None = None
    """When the task runs next: its slot plus `offset`; absent while it is suspended."""
    consecutive_failures: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] | None = None
    """Number of slots that failed since the last one that succeeded."""
    last_success: Time | None = None
    """When the latest successful run ended."""
    slots: SlotsStatus | None = None
    """How far the slots are settled; only with `spec.retry` or `spec.catchUp`."""
    history: Annotated[
        list[RunStatus], Field(max_length=50, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = Field(default_factory=list)
    """Finished runs, newest first, at most `runHistoryLimit` of them."""


class InfluxTask(Resource):
    """A Flux script that InfluxDB runs on a schedule."""

    kind_name: ClassVar[str] = "InfluxTask"

    spec: InfluxTaskSpec
    """What the task shall do, and when."""
    status: InfluxTaskStatus = InfluxTaskStatus()
    """What influxops last saw and did."""
