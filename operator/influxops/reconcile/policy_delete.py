"""The end of a RetentionPolicy: the bucket stays by default, and never goes with its points unasked."""

from __future__ import annotations

import contextlib

from influxops.api.common import CONFIRM_DELETE, FINALIZER, Deletion
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.api.retentionpolicy import RetentionPolicySpec
from influxops.core.marker import read_description
from influxops.core.outcome import Gone, Outcome, Reason, Stalled, Wait
from influxops.core.record import Record
from influxops.influx.errors import InfluxError, NotFound
from influxops.reconcile.context import LET_GO_AFTER, Context, Link
from influxops.reconcile.finalizer import confirm, let_go, let_go_marked, remove_finalizer
from influxops.reconcile.policy_apply import look_up
from influxops.reconcile.policy_loss import COUNT_TIMEOUT
from influxops.reconcile.references import connection_key, first_answer, hopeless, owner_of, release_again


async def finish_policy(context: Context, record: Record) -> Outcome:
    """One step of deleting a RetentionPolicy."""
    if FINALIZER not in record.finalizers:
        context.deleting_since.end(record.key)
        return Gone()
    try:
        spec = read(RetentionPolicySpec, record.spec(), "spec")
    except SpecInvalid:
        await remove_finalizer(context, record)
        return Gone()
    connection = connection_key(record, spec.connection_ref)
    pending = first_answer(context, record, connection)
    if pending is not None:
        return pending
    link = context.link(connection)
    orphan = spec.deletion is Deletion.ORPHAN
    if link is None or not link.trust_snapshot():
        if orphan:
            return await let_go_marked(context, record, f"bucket {spec.bucket!r}")
        return await _held_up(context, record, link)
    try:
        held = await _finish_bucket(context, record, spec, link, orphan=orphan)
    except InfluxError as error:
        if orphan:
            again = release_again(context, record)
            return again or await let_go_marked(context, record, f"bucket {spec.bucket!r}")
        link.parked.add(record.key)
        return Wait(
            Reason.CONNECTION_NOT_READY,
            f"the bucket cannot be deleted now: {error}; set spec.deletion to Orphan to let it go",
            after=30.0,
        )
    return held if held is not None else await let_go(context, record)


async def _held_up(context: Context, record: Record, link: Link | None) -> Outcome:
    """A dead InfluxDB holds the deletion up; a connection that is gone, or has no token, does so for a while only."""
    remedy = "to let the bucket go as it is, set spec.deletion to Orphan"
    if link is not None and not hopeless(link):
        link.parked.add(record.key)
        message = f"the bucket is deleted when InfluxConnection {link.key.name} is ready; {remedy}"
        return Wait(Reason.CONNECTION_NOT_READY, message, after=30.0)
    since = context.deleting_since.of(record, context.clock())
    left = LET_GO_AFTER - (context.clock() - since)
    if left > 0:
        message = f"its InfluxConnection is gone or has no token; the bucket is left behind in {int(left)} s; {remedy}"
        return Wait(Reason.CONNECTION_NOT_READY, message, after=min(left, 30.0))
    context.recorder.event(
        record, Reason.ORPHANED_TASK, "the bucket stays in InfluxDB: no connection leads there any more", warning=True
    )
    return await let_go(context, record)


async def _finish_bucket(
    context: Context, record: Record, spec: RetentionPolicySpec, link: Link, *, orphan: bool
) -> Outcome | None:
    bucket = await look_up(context, link, spec.bucket)
    if bucket is None or bucket.marker is None or bucket.marker.owner != owner_of(context, record):
        return None
    await confirm(context, record)
    if orphan:
        own = read_description(bucket.description)[1]
        made = await link.call(
            "release_bucket",
            lambda port: port.update_bucket(bucket.id, own, bucket.retention, bucket.shard_group),
            write=True,
        )
        link.snapshot.put_bucket(made, context.clock())
        context.recorder.action(record.key, "release", Reason.DELETING, bucket=bucket.name)
        return None
    if record.annotations.get(CONFIRM_DELETE) != bucket.name:
        count = await link.call(
            "count_points", lambda port: port.count_points(link.org_id, bucket.name, None, None, COUNT_TIMEOUT)
        )
        if count.points != 0:
            holds = "points (not counted in 10 s)" if count.points is None else f"{count.points} points"
            return Stalled(
                Reason.CONFIRM_DELETE,
                f"bucket {bucket.name!r} holds {holds}, and deleting it deletes them: to confirm, annotate this object with "
                f"{CONFIRM_DELETE}={bucket.name}; to keep the bucket, set spec.deletion to Orphan",
                after=60.0,
            )
    with contextlib.suppress(NotFound):
        await link.call("delete_bucket", lambda port: port.delete_bucket(bucket.id), write=True)
    link.snapshot.drop_bucket(bucket.name, context.clock())
    context.recorder.action(record.key, "delete", Reason.DELETING, bucket=bucket.name)
    return None
