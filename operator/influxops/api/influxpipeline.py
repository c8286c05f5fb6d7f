"""InfluxPipeline: stages that run over windows of time, each once what it needs is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from influxops.api.base import ApiModel, Time
from influxops.api.common import ConnectionRef, Resource, Retry, Status
from influxops.api.defaults import unpromised
from influxops.api.lengths import Delay, Interval, WindowLength
from influxops.api.names import BucketName, TimeZone
from influxops.api.patterns import cel_fixed, cel_seconds
from influxops.api.rules import Fault, Rule, distinct
from influxops.api.stage import ATOMIC, Stage
from influxops.api.times import SpecTime
from influxops.core.durations import HOUR, parse_duration

LEDGER = "influxops-ledger"
"""Name of the ledger's bucket, unless the spec says another."""
MAX_STAGES = 30


class PipelineWindow(ApiModel):
    """How windows follow each other."""

    every: WindowLength
    """Time from the end of one window to the end of the next, such as `15m`, `1h`, `1d`, `1w` or `1mo`. Days, weeks, months and
    years are those of the calendar in `timezone`."""
    period: WindowLength | None = None
    """Length of a window; the default is `every`, so that each moment belongs to one window. A longer one makes sliding windows,
    which overlap; a shorter one is refused."""
    timezone: TimeZone = "UTC"
    """IANA time zone of the calendar, such as `Europe/Berlin`: a day there has 23, 24 or 25 hours."""
    origin: SpecTime | None = None
    """A time at which a window ends, from which all others are counted, such as `2026-01-01T06:00:00Z`; by default midnight of
    1970-01-01 in `timezone`, for weeks that of Monday 1970-01-05."""


class CatchUpPolicy(StrEnum):
    """What becomes of windows that were missed."""

    ALL = "All"
    LATEST = "Latest"


class PipelineCatchUp(ApiModel):
    """What becomes of windows that closed while nobody could run them."""

    policy: Annotated[CatchUpPolicy, Field(strict=False)] = CatchUpPolicy.ALL
    """`All`: each runs, at most `maxWindows` of them. `Latest`: only the latest runs."""
    max_windows: Annotated[int, Field(ge=1, le=10000, json_schema_extra=unpromised)] = 1000
    """Windows of each stage that may wait; the default is 1000. Older ones are given up and reported, and an InfluxBackfill can
    run them."""


class Watermark(ApiModel):
    """When a window is held for complete."""

    delay: Delay = parse_duration("0s")
    """Time to wait after the end of a window before it runs, such as `5m`, so that points that come late are in."""


class OnLate(StrEnum):
    """What happens with a window whose source has changed after it ran."""

    RERUN = "Rerun"
    REPORT = "Report"


class Lateness(ApiModel):
    """How points are noticed that arrive after their window ran."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!{cel_fixed('self.allowed')} || has(self.checkEvery) && !{cel_fixed('self.checkEvery')}"
            f" || (has(self.checkEvery) ? {cel_seconds('self.checkEvery')} : {HOUR}) <= {cel_seconds('self.allowed')}",
            "checkEvery, 1h by default, is longer than allowed, so that some windows would never be looked at; write a shorter "
            "checkEvery",
            lambda m: m.check_every.seconds <= m.allowed.seconds,
            path=".checkEvery",
        ),
    )

    allowed: Interval
    """How far back the sources are looked at, such as `2d`, from the present. What changes in older windows is not noticed."""
    check_every: Annotated[Interval, Field(json_schema_extra=unpromised)] = parse_duration("1h")
    """Time from one look to the next; the default is `1h`. A look is one counting query for each source."""
    on_late: Annotated[OnLate, Field(strict=False)] = OnLate.RERUN
    """`Rerun`: the window runs again, and so does every window of other stages that is made of it. `Report`: it is only told."""


class Order(StrEnum):
    """Which of several waiting windows runs first."""

    OLDEST_FIRST = "OldestFirst"
    NEWEST_FIRST = "NewestFirst"


class Concurrency(ApiModel):
    """How much runs at once."""

    max_active_windows: Annotated[int, Field(ge=1, le=64, json_schema_extra=unpromised)] = 4
    """Runs at one time, of all stages together; the default is 4."""
    order: Annotated[Order, Field(strict=False)] = Order.OLDEST_FIRST
    """Which of several waiting windows runs first."""


class CircuitBreaker(ApiModel):
    """When a stage that keeps failing is left alone for a while."""

    consecutive_failures: Annotated[int, Field(ge=1, le=1000, json_schema_extra=unpromised)] = 5
    """Failed attempts in a row, of whatever windows, that open the circuit of a stage: none of its windows is run then. The
    default is 5."""
    open_for: Annotated[Interval, Field(json_schema_extra=unpromised)] = parse_duration("30m")
    """Time until one window is tried; the default is `30m`. When it succeeds, the circuit closes and what had failed runs
    again."""


class Ledger(ApiModel):
    """Where the state of each window is kept."""

    bucket: BucketName = LEDGER
    """Name of the bucket. It must exist (a RetentionPolicy makes it), and keep its points for longer than `lateness.allowed` and
    than the windows of `catchUp` reach back."""


def _named_once(stages: list[Stage]) -> list[Stage]:
    """Stages of different names, as the API server demands of a map. Its words are JSON: ``Duplicate value: {"name":"a"}``."""
    distinct([stage.name for stage in stages], word='{{"name":"{}"}}')
    return stages


class InfluxPipelineSpec(ApiModel):
    """Which stages run over which windows."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.connectionRef == oldSelf.connectionRef",
            "connectionRef cannot change, for the ledger lives in that database; delete this object and create another",
            lambda new, old: new.connection_ref == old.connection_ref,
            path=".connectionRef",
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            "self.ledger == oldSelf.ledger",
            "ledger cannot change, for it is all that is known of what has run; delete this object and create another, with begin where "
            "status.watermark stands",
            lambda new, old: new.ledger == old.ledger,
            path=".ledger",
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            "!has(self.lateness) || self.stages.all(s, has(s.dependsOn) && size(s.dependsOn) > 0 || has(s.source))",
            "late data is found by counting what the first stages read; give each stage without dependsOn a source, or "
            "remove lateness",
            lambda m: m.lateness is None or all(s.depends_on or s.source is not None for s in m.stages),
            path=".lateness",
            fault=Fault.FORBIDDEN,
        ),
        Rule(
            "!has(self.deadline) || !has(self.watermark) || !has(self.watermark.delay)"
            f" || !{cel_fixed('self.deadline')} || !{cel_fixed('self.watermark.delay')}"
            f" || {cel_seconds('self.deadline')} > {cel_seconds('self.watermark.delay')}",
            "deadline is over before the window may run, which is after watermark.delay; write a longer deadline, or a shorter "
            "watermark.delay",
            lambda m: m.deadline is None or m.deadline.seconds > m.watermark.delay.seconds,
            path=".deadline",
        ),
    )

    connection_ref: ConnectionRef
    """The InfluxConnection that says where the pipeline runs. Cannot change."""
    suspend: bool = False
    """True: no run is started. What is running goes on to its end."""
    window: PipelineWindow
    """How windows follow each other."""
    begin: SpecTime | None = None
    """Time from which windows run: the first is the first that starts then or later, such as `2026-11-01T00:00:00Z`. The default
    is when this object was created, or, if the ledger knows of one before it of this name, where that one began. What is older is left to an
    InfluxBackfill, also when this is moved to an earlier time later on."""
    catch_up: Annotated[PipelineCatchUp, Field(json_schema_extra=unpromised)] = PipelineCatchUp()
    """What becomes of windows that closed while nobody could run them."""
    watermark: Annotated[Watermark, Field(json_schema_extra=unpromised)] = Watermark()
    """When a window is held for complete."""
    lateness: Lateness | None = None
    """How points are noticed that arrive after their window ran; by default they are not."""
    concurrency: Annotated[Concurrency, Field(json_schema_extra=unpromised)] = Concurrency()
    """How much runs at once."""
    retry: Annotated[Retry, Field(json_schema_extra=unpromised)] = Retry()
    """How often and when a failed run is tried again."""
    timeout: Annotated[Interval, Field(json_schema_extra=unpromised)] = parse_duration("10m")
    """Longest time that one run may take; the default is `10m`."""
    deadline: Interval | None = None
    """Time after the end of a window by which all its stages should have succeeded; later than that the condition `Late` is set."""
    circuit_breaker: Annotated[CircuitBreaker, Field(json_schema_extra=unpromised)] = CircuitBreaker()
    """When a stage that keeps failing is left alone for a while."""
    ledger: Ledger = Ledger()
    """Where the state of each window is kept. Cannot change."""
    stages: Annotated[
        list[Stage],
        AfterValidator(_named_once),
        Field(
            min_length=1,
            max_length=MAX_STAGES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ]
    """The scripts, in any order."""


class WindowRange(ApiModel):
    """A window."""

    start: Time
    """Its start, which belongs to it."""
    stop: Time
    """Its end, which does not."""


class WindowCounts(ApiModel):
    """How many windows of all stages are in which state, of those that are looked at."""

    pending: int = 0
    """Waiting for a stage before them."""
    ready: int = 0
    """Waiting for their turn, for a retry, or for an open circuit."""
    running: int = 0
    """Running."""
    succeeded: int = 0
    """Succeeded so far, each revision by itself. It goes on from the status: in a rebuilt cluster it begins at 0."""
    failed: int = 0
    """All attempts spent."""


class Completion(ApiModel):
    """One run of a stage over a window that succeeded."""

    window: WindowRange
    """The window."""
    revision: int = 1
    """1 for its first run; higher where late data or a backfill had it run again."""
    attempt: int = 1
    """The attempt that succeeded."""
    rows: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """Rows written."""
    series: int | None = None
    """Series written."""
    checksum: str | None = None
    """sha256 of the rows."""
    duration: str | None = None
    """How long the run took, such as `0.125s`."""
    finished_at: Time | None = None
    """When it ended."""


class StageStatus(ApiModel):
    """What is known of one stage."""

    name: str
    """Name of the stage."""
    circuit: str = "Closed"
    """`Closed`, `Open`, or `HalfOpen` while one window is tried."""
    consecutive_failures: Annotated[int, Field(ge=0)] = 0
    """Attempts that failed in a row."""
    failed: int = 0
    """Windows whose attempts are spent."""
    waiting: int = 0
    """Windows that are due and have not succeeded."""
    last_completion: Completion | None = None
    """The latest window that succeeded."""


class WindowException(ApiModel):
    """A window that is not as it should be."""

    stage: str
    """Name of the stage."""
    window: WindowRange
    """The window."""
    state: str
    """`PENDING`, `READY`, `RUNNING` or `FAILED`; `SUCCESS` for one that has changed too late."""
    reason: str
    """Why, in one word: `RunFailed`, `UpstreamFailed`, `CircuitOpen`, `BackfillSuspended`, `LateData`, `UpstreamChanged`,
    `Repair`, `Backfill` or `TooLate`."""
    attempt: int = 0
    """Attempts so far."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why, in a sentence."""


class InfluxPipelineStatus(Status):
    """What influxops last saw and did."""

    watermark: Time | None = None
    """Every window that ends here or earlier is settled in all stages."""
    next_window: WindowRange | None = None
    """The window that closes next."""
    windows: WindowCounts | None = None
    """How many windows are in which state."""
    stage_count: int | None = None
    """Number of stages."""
    late_windows: int | None = None
    """Windows that late data had run again, since this operator began to lead."""
    stages: Annotated[list[StageStatus], Field(max_length=MAX_STAGES, json_schema_extra=ATOMIC)] = Field(
        default_factory=list
    )
    """What is known of each stage."""
    exceptions: Annotated[list[WindowException], Field(max_length=50, json_schema_extra=ATOMIC)] = Field(
        default_factory=list
    )
    """Windows that are not as they should be, oldest first, at most 50."""


class InfluxPipeline(Resource):
    """Flux scripts that run over windows of time in the order of their dependencies."""

    kind_name: ClassVar[str] = "InfluxPipeline"

    spec: InfluxPipelineSpec
    """Which stages run over which windows."""
    status: InfluxPipelineStatus = InfluxPipelineStatus()
    """What influxops last saw and did."""
