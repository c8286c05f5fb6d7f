"""The two writes to a bucket: create it, or set description, retention and shard group in one request."""

from __future__ import annotations

from typing import Any

from influxops.core.bucket_plan import DesiredBucket, is_renamed
from influxops.core.durations import format_retention, format_seconds
from influxops.core.observed import Bucket
from influxops.core.outcome import Reason
from influxops.core.plan import UpdateBucket
from influxops.core.record import Record
from influxops.influx.errors import Conflict
from influxops.reconcile.context import Context, Link


def in_words(retention: int) -> str:
    """How long data is kept; seconds, 0 for ever."""
    return f"for {format_retention(retention)}" if retention else "for ever"


def settings_of(bucket: Bucket) -> dict[str, str]:
    """A bucket's settings as ``status.previous`` shows them."""
    return {
        "retention": format_retention(bucket.retention),
        "shardGroupDuration": format_seconds(bucket.shard_group, "dhms"),
        "description": bucket.description,
    }


async def look_up(context: Context, link: Link, name: str) -> Bucket | None:
    """Read the bucket now, and keep the snapshot in step."""
    bucket = await link.call("find_bucket", lambda port: port.find_bucket(link.org_id, name))
    if bucket is None:
        link.snapshot.drop_bucket(name, context.clock())
    else:
        link.snapshot.put_bucket(bucket, context.clock())
    return bucket


async def find_renamed(context: Context, link: Link, wanted: DesiredBucket, known_id: str) -> Bucket | None:
    """The bucket of this resource under another name, read now; ``known_id`` is ``status.bucketID``.

    By its id, since the last sweep may be from before the rename; and by the mark, since a status may be lost.
    """
    if known_id:
        found = await link.call("get_bucket", lambda port: port.get_bucket(link.org_id, known_id))
        if found is not None and is_renamed(wanted, found, known_id):
            return found
    # Most buckets are not ours: to look for the uid is cheaper than to read every mark.
    for candidate in [one for one in link.snapshot.buckets.values() if wanted.uid in one.description]:
        if is_renamed(wanted, candidate, known_id):
            fresh = await look_up(context, link, candidate.name)
            if fresh is not None and is_renamed(wanted, fresh, known_id):
                return fresh
    return None


async def create(context: Context, record: Record, link: Link, wanted: DesiredBucket) -> Bucket:
    """Create the bucket with all its settings and our mark. Raises Conflict when somebody was faster."""
    description = wanted.stored_description("")
    try:
        made = await link.call(
            "create_bucket",
            lambda port: port.create_bucket(
                link.org_id, wanted.name, description, wanted.retention, wanted.shard_group
            ),
            write=True,
        )
    except Conflict:
        await look_up(context, link, wanted.name)
        raise
    link.snapshot.put_bucket(made, context.clock())
    context.recorder.action(record.key, "create", Reason.CREATING, bucket=wanted.name)
    context.recorder.event(
        record, Reason.CREATING, f"created bucket {wanted.name!r}: keeps data {in_words(made.retention)}"
    )
    return made


async def update(
    context: Context,
    record: Record,
    link: Link,
    wanted: DesiredBucket,
    planned: Bucket,
    action: UpdateBucket,
    status: dict[str, Any],
    previous: dict[str, str],
) -> Bucket:
    """Send the planned change, after a fresh look that the bucket is still the one that was planned for.

    ``previous`` is ``status.previous``; when it is empty and the bucket was nobody's, it is filled in and written to the
    cluster before the bucket changes: neither a crash nor a lost answer may forget what the bucket had before it was
    taken over. Raises Conflict when the bucket has changed meanwhile.
    """
    fresh = await look_up(context, link, wanted.name)
    if fresh is None or fresh != planned:
        raise Conflict(f"bucket {wanted.name!r} has changed since it was last read")
    if not previous and planned.marker is None:
        previous.update(settings_of(planned))
        await context.statuses.now(record.key, record.uid, {**status, "previous": previous})
    description = wanted.stored_description(planned.description)
    made = await link.call(
        "update_bucket",
        lambda port: port.update_bucket(fresh.id, description, wanted.retention, wanted.shard_group),
        write=True,
    )
    link.snapshot.put_bucket(made, context.clock())
    changes = "; ".join(str(change) for change in action.changes)
    applied = status.get("appliedRetention")
    drift = applied == format_retention(wanted.retention) and planned.retention != wanted.retention
    reason = Reason.DRIFTED if drift else Reason.UPDATING
    if drift:
        context.recorder.drift(record.key, corrected=True)
    context.recorder.action(record.key, "update", reason, bucket=wanted.name, changes=changes)
    context.recorder.event(record, reason, f"updated bucket {wanted.name!r}: {changes}", warning=drift)
    return made
