"""RetentionPolicy: the settings of one bucket."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from influxops.api.base import ApiModel
from influxops.api.common import Approval, ConnectionRef, Deletion, Drift, PlanStatus, Resource, Status
from influxops.api.lengths import Retention, ShardGroup
from influxops.api.names import BucketName
from influxops.api.patterns import cel_fixed, cel_seconds
from influxops.api.rules import Checked, Fault, Rule
from influxops.core.durations import INFINITE

_MARK = "[influxops/v1 "

BucketDescription = Annotated[
    str,
    Checked(
        (
            Rule(
                f"!self.contains('{_MARK}')",
                f"the description has {_MARK.strip()}, the mark that influxops puts behind descriptions; remove it",
                lambda text: _MARK not in text,
            ),
        ),
        max_length=1024,
    ),
]
"""A bucket's description without influxops' mark."""


class RetentionPolicySpec(ApiModel):
    """How long the bucket shall keep its points, and in which pieces."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.connectionRef == oldSelf.connectionRef",
            "connectionRef cannot change, for the bucket lives in that database; delete this object and create another",
            lambda new, old: new.connection_ref == old.connection_ref,
            path=".connectionRef",
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            "self.bucket == oldSelf.bucket",
            "bucket cannot change; delete this object and create another for the other bucket",
            lambda new, old: new.bucket == old.bucket,
            path=".bucket",
            fault=Fault.FORBIDDEN,
            transition=True,
        ),
        Rule(
            f"!has(self.shardGroupDuration) || self.retention == '{INFINITE}'"
            f" || !{cel_fixed('self.retention')} || !{cel_fixed('self.shardGroupDuration')}"
            f" || {cel_seconds('self.shardGroupDuration')} <= {cel_seconds('self.retention')}",
            "shardGroupDuration is longer than retention; write a shorter one, or remove it and InfluxDB's choice holds",
            lambda m: (
                m.shard_group_duration is None
                or m.retention.text == INFINITE
                or m.shard_group_duration.seconds <= m.retention.seconds
            ),
            path=".shardGroupDuration",
            fault=Fault.FORBIDDEN,
        ),
    )

    connection_ref: ConnectionRef
    """The InfluxConnection that says where the bucket lives. Cannot change."""
    bucket: BucketName
    """Name of the bucket. Cannot change. System buckets, whose names begin with `_`, are refused."""
    description: BucketDescription = ""
    """Description of the bucket in InfluxDB; influxops adds a mark that names this object."""
    retention: Retention
    """How long the bucket keeps its points: at least `1h`, such as `30d` or `52w`, or `infinite`. A retention that is
    shorter than the one in force deletes points, and so it needs `dataLossApproval`."""
    shard_group_duration: ShardGroup | None = None
    """Time that one shard group spans: at least `1h`, at most `retention`. InfluxDB drops points by whole shard groups. The
    default is InfluxDB's own: `1h` for a retention under 2 days, `1d` under 180 days, else `7d`."""
    create: bool = True
    """True: the bucket is created when it does not exist. False: wait until somebody creates it."""
    data_loss_approval: ShardGroup | None = None
    """Approval to shorten the retention and lose the points that are older: the new value of `retention`, such as `7d`. It
    holds for a change of `retention` in this object to exactly this value and for nothing else."""
    deletion: Annotated[Deletion, Field(strict=False)] = Deletion.ORPHAN
    """What happens to the bucket when this object is deleted: `Orphan` leaves it as it is, `Delete` deletes it with its
    points. A bucket that holds points is deleted only with the annotation `influxops.dev/confirm-delete: <bucket>`."""
    suspend: bool = False
    """True: influxops leaves the bucket alone."""
    drift: Annotated[Drift, Field(strict=False)] = Drift.CORRECT
    """What happens when the bucket's settings are changed in InfluxDB by hand: `Correct` puts them right, though it never
    shortens the retention; `Warn` reports the condition `Drifted` with the difference in `status.plan` and changes
    nothing."""
    approval: Annotated[Approval, Field(strict=False)] = Approval.AUTO
    """Who lets a change of InfluxDB happen: `Auto` influxops at once; `Manual` you: the plan waits in `status.plan` until
    the annotation `influxops.dev/approve` names its hash. It does not stand for `dataLossApproval`."""


class PreviousSettings(ApiModel):
    """The settings of a bucket before influxops changed them for the first time."""

    retention: str | None = None
    """Retention, or `infinite`."""
    shard_group_duration: str | None = None
    """Time that one shard group spanned."""
    description: str | None = None
    """Description of the bucket."""


class RetentionPolicyStatus(Status):
    """What influxops last saw and did."""

    bucket_id: str | None = None
    """Id of the bucket in InfluxDB."""
    applied_retention: str | None = None
    """Retention that influxops last set, or `infinite`."""
    applied_shard_group_duration: str | None = None
    """Shard group duration that influxops last set."""
    previous: PreviousSettings | None = None
    """Settings of the bucket before influxops changed them for the first time."""
    plan: PlanStatus | None = None
    """What would be done in InfluxDB, while it waits for approval or drift is only warned of."""


class RetentionPolicy(Resource):
    """How long one bucket of InfluxDB keeps its points. It manages the bucket's settings, not the points."""

    kind_name: ClassVar[str] = "RetentionPolicy"

    spec: RetentionPolicySpec
    """How long the bucket shall keep its points, and in which pieces."""
    status: RetentionPolicyStatus = RetentionPolicyStatus()
    """What influxops last saw and did."""
