"""What the kinds share: metadata, references, conditions."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel, Time
from influxops.api.lengths import Pause
from influxops.api.names import DataKey, NamespaceName, ObjectName
from influxops.api.patterns import cel_fixed, cel_seconds
from influxops.api.rules import Rule
from influxops.core.durations import parse_duration

RECONCILE_AT = "influxops.dev/reconcile-requested-at"
ACCEPT_TARGET = "influxops.dev/accept-target"
CONFIRM_DELETE = "influxops.dev/confirm-delete"
APPROVE = "influxops.dev/approve"
RECREATE = "influxops.dev/recreate"
FINALIZER = "influxops.dev/cleanup"


class Metadata(ApiModel):
    """The part of an object's metadata that influxops reads. The API server judges it, not we."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    finalizers: list[str] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class ConnectionRef(ApiModel):
    """The InfluxConnection to use."""

    name: ObjectName
    """Name of the InfluxConnection."""
    namespace: NamespaceName | None = None
    """Namespace of the InfluxConnection; by default the namespace of this object. A connection of another namespace must
    list this object's namespace in its `allowedNamespaces`."""


class SecretKeyRef(ApiModel):
    """One key of a Secret in the same namespace."""

    name: ObjectName
    """Name of the Secret, in the namespace of this object."""
    key: DataKey
    """Key within the data of the Secret."""


class SecretRef(ApiModel):
    """A whole Secret in the same namespace."""

    name: ObjectName
    """Name of the Secret, in the namespace of this object."""


class ConfigMapKeyRef(ApiModel):
    """One key of a ConfigMap in the same namespace."""

    name: ObjectName
    """Name of the ConfigMap, in the namespace of this object."""
    key: DataKey
    """Key within the data of the ConfigMap."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One aspect of the state of this object, in the standard Kubernetes form."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """Aspect that the condition tells of, such as `Ready`."""
    status: Annotated[ConditionStatus, Field(strict=False)]
    """Whether the condition holds: `True`, `False` or `Unknown`."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why, in one CamelCase word, for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """Why, in a sentence, for people: what is wrong, where, and what to do."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = None
    """The `metadata.generation` that the condition was computed from."""
    last_transition_time: Time
    """When `status` last changed."""


CONDITIONS_MARKERS: dict[str, Any] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}


class Status(ApiModel):
    """What every kind reports."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    """The `metadata.generation` that this status was computed from; -1 until influxops has seen the object."""
    conditions: Annotated[list[Condition], Field(max_length=16, json_schema_extra=CONDITIONS_MARKERS)] = Field(
        default_factory=list
    )
    """State of this object. `Ready` is always there; `Reconciling` and `Stalled` exist only while they are `True`."""
    last_handled_reconcile_at: str | None = None
    """The value of the annotation `influxops.dev/reconcile-requested-at` that was last acted on."""

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


class Deletion(StrEnum):
    """What happens in InfluxDB when the object is deleted in Kubernetes."""

    DELETE = "Delete"
    ORPHAN = "Orphan"


class Drift(StrEnum):
    """What happens when InfluxDB is changed by hand."""

    CORRECT = "Correct"
    WARN = "Warn"


class Approval(StrEnum):
    """Who lets a change of InfluxDB happen."""

    AUTO = "Auto"
    MANUAL = "Manual"


class Backoff(ApiModel):
    """How the pauses between attempts grow."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.initial) || !has(self.max) || "  # the default {} is judged before it is filled in
            f"!{cel_fixed('self.initial')} || !{cel_fixed('self.max')} || "
            f"{cel_seconds('self.initial')} <= {cel_seconds('self.max')}",
            "the first pause is longer than the longest; write an initial of at most max",
            lambda m: m.initial.seconds <= m.max.seconds,
            path=".initial",
        ),
    )

    initial: Pause = parse_duration("10s")
    """Pause after the first attempt, from its end."""
    factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    """By how much each pause is longer than the one before it."""
    max: Pause = parse_duration("10m")
    """Longest pause."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Part of a pause by which it is longer or shorter by chance, so that what failed together is not tried again
    together: `0.2` is up to a fifth."""


class Retry(ApiModel):
    """Whether, and when, what failed is tried again."""

    limit: Annotated[int, Field(ge=0, le=10)] = 3
    """Number of attempts after the first one; 0: none."""
    backoff: Backoff = Backoff()
    """Pauses between the attempts."""


class PlanChange(ApiModel):
    """One field that differs."""

    field: str
    """What differs, such as `retention`; of a script only that it differs, see `diff`."""
    old: str = ""
    """As it is in InfluxDB."""
    new: str = ""
    """As it will be."""


class PlanAction(ApiModel):
    """One thing to do in InfluxDB."""

    action: str
    """`create`, `update`, `adopt`, `recreate` or `delete`."""
    id: str | None = None
    """Id of the task or bucket in InfluxDB; absent before it is created."""
    changes: Annotated[
        list[PlanChange], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    ] = Field(default_factory=list)
    """The fields that change."""
    diff: str | None = None
    """The lines of the script that change, as a unified diff; cut when it is long."""


class PlanStatus(ApiModel):
    """What would be done in InfluxDB."""

    hash: str
    """Names exactly this plan; write it into the annotation `influxops.dev/approve` to have it applied."""
    actions: Annotated[list[PlanAction], Field(max_length=16, json_schema_extra={"x-kubernetes-list-type": "atomic"})]
    """What would be done, in order."""
    created_at: Time
    """When the plan was first made."""


class Resource(ApiModel):
    """A whole object."""

    kind_name: ClassVar[str]
    api_version: str = ""
    kind: str = ""
    metadata: Metadata = Metadata()
    spec: ApiModel
    status: Status = Status()

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.metadata.namespace}/{self.metadata.name}"
