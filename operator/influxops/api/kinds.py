"""The kinds: their names, their models, and what ``kubectl get`` shows of them."""

from __future__ import annotations

from dataclasses import dataclass

from influxops.api.base import GROUP, VERSION
from influxops.api.common import Resource
from influxops.api.connection import InfluxConnection
from influxops.api.influxbackfill import InfluxBackfill
from influxops.api.influxpipeline import InfluxPipeline
from influxops.api.influxtask import InfluxTask
from influxops.api.retentionpolicy import RetentionPolicy

CATEGORY = "influx"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``. ``wide``: only with ``-o wide``."""

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of group influxops.dev."""

    model: type[Resource]
    plural: str
    short: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...]

    @property
    def name(self) -> str:
        """The kind as manifests write it."""
        return self.model.kind_name

    @property
    def singular(self) -> str:
        """The kind in lower case."""
        return self.name.lower()

    @property
    def crd(self) -> str:
        """The name of the CustomResourceDefinition."""
        return f"{self.plural}.{GROUP}"

    @property
    def path(self) -> str:
        """The path of the API, without host and namespace."""
        return f"/apis/{GROUP}/{VERSION}"


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_CONNECTION = Column("Connection", ".spec.connectionRef.name", "InfluxConnection in use")
_READY = Column("Ready", _ready("status"), "Whether InfluxDB is as the spec wants it")
_REASON = Column("Reason", _ready("reason"), "Why it is ready or not")
_MESSAGE = Column("Message", _ready("message"), "Why it is ready or not, in a sentence", wide=True)
_AGE = Column("Age", ".metadata.creationTimestamp", "Time since the object was created", "date")

CONNECTION = Kind(
    InfluxConnection,
    "influxconnections",
    "ic",
    (
        Column("URL", ".spec.url", "Address of InfluxDB"),
        Column("Org", ".spec.org", "Organization in InfluxDB"),
        _READY,
        _REASON,
        Column("Version", ".status.version", "Version of the server"),
        Column("Tasks", ".status.tasks.managed", "InfluxTasks that use the connection", "integer"),
        _AGE,
        Column("Drifted", ".status.tasks.drifted", "Tasks that differ from their InfluxTask", "integer", wide=True),
        Column("Failing", ".status.tasks.failing", "Tasks whose latest run failed", "integer", wide=True),
        Column("Late", ".status.tasks.late", "Tasks whose latest due slot has no successful run", "integer", wide=True),
        Column("User", ".status.user", "InfluxDB user whose rights the tasks have", wide=True),
        Column("Breaker", ".status.breaker", "State of the circuit breaker", wide=True),
        Column("Shard", ".status.shard", "Shard whose operator works the connection", wide=True),
        _MESSAGE,
    ),
    (".spec.org",),
)
TASK = Kind(
    InfluxTask,
    "influxtasks",
    "it",
    (
        _CONNECTION,
        Column("Schedule", ".status.schedule", "Schedule in force: every, or cron in UTC"),
        _READY,
        _REASON,
        Column("Last Run", ".status.lastRun.finishedAt", "Time since the latest run ended", "date"),
        Column("Result", ".status.lastRun.state", "Outcome of the latest run"),
        _AGE,
        Column("Task ID", ".status.taskID", "Id of the task in InfluxDB", wide=True),
        Column("Next Run", ".status.nextRun", "Slot for which the task runs next", wide=True),
        Column(
            "Failures", ".status.consecutiveFailures", "Slots that failed since the last success", "integer", wide=True
        ),
        _MESSAGE,
    ),
    (".spec.connectionRef.name",),
)
RETENTION = Kind(
    RetentionPolicy,
    "retentionpolicies",
    "rp",
    (
        Column("Bucket", ".spec.bucket", "Bucket in InfluxDB"),
        _CONNECTION,
        Column("Retention", ".status.appliedRetention", "Retention in force"),
        _READY,
        _REASON,
        _AGE,
        Column("Wanted", ".spec.retention", "Retention that the spec asks for", wide=True),
        Column("Shard Group", ".status.appliedShardGroupDuration", "Time that one shard group spans", wide=True),
        Column("Bucket ID", ".status.bucketID", "Id of the bucket in InfluxDB", wide=True),
        _MESSAGE,
    ),
    (".spec.connectionRef.name", ".spec.bucket"),
)

PIPELINE = Kind(
    InfluxPipeline,
    "influxpipelines",
    "ipl",  # ip is that of networking.k8s.io/IPAddress
    (
        _CONNECTION,
        Column("Every", ".spec.window.every", "Time from one window to the next"),
        Column("Stages", ".status.stageCount", "Number of stages", "integer"),
        Column("Ready", _ready("status"), "Whether the stages can run"),
        _REASON,
        Column("Watermark", ".status.watermark", "End of the latest window up to which all are settled"),
        Column("Waiting", ".status.windows.ready", "Windows that are due and wait", "integer"),
        Column("Failed", ".status.windows.failed", "Windows whose attempts are spent", "integer"),
        _AGE,
        Column("Running", ".status.windows.running", "Windows that run now", "integer", wide=True),
        Column("Late", ".status.lateWindows", "Windows that late data had run again", "integer", wide=True),
        Column("Next", ".status.nextWindow.stop", "End of the window that closes next", wide=True),
        _MESSAGE,
    ),
    (".spec.connectionRef.name",),
)
BACKFILL = Kind(
    InfluxBackfill,
    "influxbackfills",
    "ibf",
    (
        Column("Pipeline", ".spec.pipelineRef.name", "InfluxPipeline whose windows run"),
        Column("Task", ".spec.taskRef.name", "InfluxTask whose windows run"),
        Column("Phase", ".status.phase", "Where it stands"),
        Column("Done", ".status.progress", "Windows done of all"),
        Column("Failed", ".status.failed", "Windows whose attempts are spent", "integer"),
        Column("Rate", ".status.rate", "Windows per second"),
        Column("ETA", ".status.eta", "When it should be done"),
        _AGE,
        Column("Start", ".spec.start", "Start of the range", wide=True),
        Column("Stop", ".spec.stop", "End of the range", wide=True),
        Column("Reason", _ready("reason"), "Why it is done or not", wide=True),
        _MESSAGE,
    ),
    (".spec.pipelineRef.name", ".spec.taskRef.name"),
)

KINDS: tuple[Kind, ...] = (CONNECTION, TASK, RETENTION, PIPELINE, BACKFILL)


def kind_of(name: str) -> Kind:
    """The kind by the name that manifests write. Raises KeyError."""
    return {kind.name: kind for kind in KINDS}[name]
