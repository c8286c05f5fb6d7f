"""Buckets: what a RetentionPolicy wants, and the guard that keeps a shorter retention from deleting data unasked.

InfluxDB drops whole shard groups older than the retention every 30 minutes, without a warning and without a way back
(influxdb#24765), so a retention is never shortened by drift correction and never by a typing error.
"""

from __future__ import annotations

from dataclasses import dataclass

from influxops.core.durations import DAY, HOUR, format_retention, format_seconds, shorter_retention
from influxops.core.fields import field_changes
from influxops.core.marker import Owner, read_description, stamp_description
from influxops.core.observed import Bucket
from influxops.core.outcome import Reason
from influxops.core.plan import Change, CreateBucket, Plan, Refusal, UpdateBucket


@dataclass(frozen=True, slots=True)
class DesiredBucket:
    """Settings of one bucket. Seconds; retention 0 keeps for ever. ``description`` None leaves the user's text alone."""

    owner: Owner
    uid: str
    name: str
    retention: int
    shard_group: int
    description: str | None
    create: bool
    approval: int | None
    """``spec.dataLossApproval`` in seconds: the retention that may be shortened to."""

    def stored_description(self, current: str) -> str:
        """The description with our mark, given what is stored now."""
        own = read_description(current)[1] if self.description is None else self.description
        return stamp_description(self.owner, self.uid, own)


@dataclass(frozen=True, slots=True)
class Shortening:
    """A shorter retention that waits for consent: from and to in seconds."""

    old: int
    new: int
    raised_by_hand: bool
    """True when the longer retention was set in InfluxDB, not by an earlier spec."""


def default_shard_group(retention: int) -> int:
    """The shard group that the server computes when none is given (v1/services/meta in influxdb 2.7), in seconds."""
    if retention == 0 or retention >= 180 * DAY:
        return 7 * DAY
    return DAY if retention >= 2 * DAY else HOUR


def shortening(desired: DesiredBucket, bucket: Bucket, applied: int | None) -> Shortening | None:
    """The shortening that may not be done yet, or None when nothing gets shorter or consent is there.

    ``applied`` is ``status.appliedRetention``: what this resource set last; None before the first time. Consent counts
    only for a change of spec: a retention raised by hand in an incident stays until the spec has taken it over.
    """
    if not shorter_retention(desired.retention, bucket.retention):
        return None
    managed = bucket.marker is not None and bucket.marker.owner == desired.owner
    by_hand = applied != bucket.retention if applied is not None or managed else False
    if desired.approval == desired.retention and not by_hand:
        return None
    return Shortening(bucket.retention, desired.retention, by_hand)


def guard_message(blocked: Shortening, bucket: str, loss: str) -> str:
    """What a user reads at ``Stalled/DataLossGuard``; ``loss`` tells what would go."""
    new, old = format_retention(blocked.new), format_retention(blocked.old)
    if blocked.raised_by_hand:
        remedy = (
            f"the {old} were not set by this resource (status.appliedRetention): to keep that, set spec.retention to {old}; to shorten it, set "
            f"spec.retention to {old} first, then to {new} with spec.dataLossApproval: {new}"
        )
    else:
        remedy = f"to allow it, set spec.dataLossApproval to {new}"
    return (
        f"spec.retention {new} is shorter than the {old} that bucket {bucket!r} has, and would delete {loss}; {remedy}"
    )


def is_renamed(desired: DesiredBucket, bucket: Bucket, known_id: str) -> bool:
    """Whether a bucket of another name is the one of this resource: ``spec.bucket`` cannot change, so somebody renamed it.

    ``known_id`` is ``status.bucketID``. An owner key alone does not tell: an object of before may have left it.
    """
    marker = bucket.marker
    if marker is None or bucket.name == desired.name:
        return False
    return marker.uid == desired.uid or (marker.owner == desired.owner and bucket.id == known_id)


def renamed_message(desired: DesiredBucket, bucket: Bucket, known_id: str) -> str:
    """What a user reads when the bucket has another name; one that bears the mark and another id may be a copy."""
    if known_id in {"", bucket.id}:
        what = f"was renamed to {bucket.name!r} in InfluxDB (id {bucket.id}), which holds its points"
    else:
        what = f"does not exist, and bucket {bucket.name!r} (id {bucket.id}) bears the mark of this object"
    return (
        f"bucket {desired.name!r} {what}: rename it back (influx bucket update --id {bucket.id} --name {desired.name!r}); or, to "
        f"have a new, empty one, take the mark off the end of its description (influx bucket update --id {bucket.id} "
        "--description TEXT)"
    )


def plan_bucket(desired: DesiredBucket, bucket: Bucket | None) -> Plan:
    """Plan a bucket's settings. Whether a shorter retention may be applied is for ``shortening`` to say, before."""
    if desired.shard_group > desired.retention > 0:
        return Plan(
            refusal=Refusal(
                Reason.INVALID_SPEC,
                f"spec.shardGroupDuration {format_seconds(desired.shard_group)} is longer than spec.retention "
                f"{format_retention(desired.retention)}: make it at most as long, or leave it out",
            )
        )
    if bucket is None:
        if desired.create:
            return Plan((CreateBucket(),))
        return Plan(
            refusal=Refusal(
                Reason.DEPENDENCY_NOT_READY,
                f"bucket {desired.name!r} does not exist and spec.create is false: create it, or set spec.create to true",
            )
        )
    if bucket.type == "system" or bucket.name.startswith("_"):
        return Plan(
            refusal=Refusal(
                Reason.NOT_ALLOWED,
                f"bucket {desired.name!r} is a system bucket of InfluxDB: influxops does not change it",
            )
        )
    changes = _changes(desired, bucket)
    return Plan((UpdateBucket(bucket.id, changes),) if changes else (), task_id=bucket.id)


def _changes(desired: DesiredBucket, bucket: Bucket) -> tuple[Change, ...]:
    before = {
        "retention": format_retention(bucket.retention),
        "shardGroupDuration": format_seconds(bucket.shard_group),
        "description": bucket.description,
    }
    after = {
        "retention": format_retention(desired.retention),
        "shardGroupDuration": format_seconds(desired.shard_group),
        "description": desired.stored_description(bucket.description),
    }
    return field_changes(before, after)
