"""One visit to a RetentionPolicy: the bucket's settings, and the guard before data is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from influxops.api.common import Deletion
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.api.retentionpolicy import RetentionPolicySpec
from influxops.core.bucket_plan import (
    DesiredBucket,
    default_shard_group,
    guard_message,
    plan_bucket,
    shortening,
)
from influxops.core.conditions import rfc3339
from influxops.core.durations import DurationError, format_retention, format_seconds, parse_retention
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, read_description
from influxops.core.observed import Bucket
from influxops.core.outcome import Done, Gone, Outcome, Reason, Stalled, Wait
from influxops.core.plan import CreateBucket, UpdateBucket
from influxops.core.record import Record
from influxops.influx.errors import Conflict, InfluxError, NotFound
from influxops.reconcile.context import CONFIRM_DELETE, FINALIZER, LET_GO_AFTER, Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.finalizer import ensure_finalizer, remove_finalizer
from influxops.reconcile.references import NotUsable, connection_key, usable_link

COUNT_TIMEOUT = 10.0
"""Seconds given to counting the points that a shorter retention would delete."""


@dataclass(slots=True)
class PolicyFacts:
    """What a visit found, for status."""

    bucket_id: str = ""
    applied_retention: str = ""
    applied_shard_group: str = ""
    previous: dict[str, str] = field(default_factory=dict)


async def reconcile_policy(
    context: Context, record: Record, status: dict[str, Any], losses: dict[tuple[str, int, str], str]
) -> tuple[Outcome, PolicyFacts]:
    """Bring a bucket's settings to what the resource says. ``losses`` remembers counts per bucket, cut and day."""
    facts = PolicyFacts(
        bucket_id=str(status.get("bucketID") or ""),
        applied_retention=str(status.get("appliedRetention") or ""),
        applied_shard_group=str(status.get("appliedShardGroupDuration") or ""),
        previous=dict(status.get("previous") or {}),
    )
    try:
        spec = read(RetentionPolicySpec, record.spec(), "spec")
    except SpecInvalid as error:
        return Stalled(Reason.INVALID_SPEC, str(error)), facts
    link = context.link(connection_key(record, spec.connection_ref))
    try:
        link = await usable_link(context, record, spec.connection_ref)
        rival = _rival(context, record, spec, link)
        if rival is not None:
            message = f"bucket {spec.bucket!r} is managed by RetentionPolicy {rival.namespace}/{rival.name}: keep one"
            return Stalled(Reason.CONFLICT, message, after=60.0), facts
        if spec.suspend:
            return Done(Reason.SUSPENDED, "spec.suspend is true: the bucket is left as it is"), facts
        outcome = await _converge(context, record, spec, link, facts, losses)
    except NotUsable as error:
        outcome = error.outcome
    except InfluxError as error:
        outcome = outcome_of(error)
    parked = isinstance(outcome, Wait) and outcome.parked
    if link is not None and (parked or (isinstance(outcome, Stalled) and outcome.reason is Reason.NOT_ALLOWED)):
        link.parked.add(record.key)
    return outcome, facts


def desired_bucket(context: Context, record: Record, spec: RetentionPolicySpec) -> DesiredBucket:
    """The settings wanted, in seconds."""
    retention = spec.retention.seconds
    shard_group = spec.shard_group_duration.seconds if spec.shard_group_duration else default_shard_group(retention)
    return DesiredBucket(
        owner=_owner(context, record.key),
        uid=record.uid,
        name=spec.bucket,
        retention=retention,
        shard_group=shard_group,
        description=spec.description or None,
        create=spec.create,
        approval=spec.data_loss_approval.seconds if spec.data_loss_approval else None,
    )


def _owner(context: Context, key: Key) -> Owner:
    return Owner(context.instance, key.kind.value, key.namespace, key.name)


def _rival(context: Context, record: Record, spec: RetentionPolicySpec, link: Link) -> Key | None:
    """Another policy for the same bucket of the same organization that is older (then: smaller uid)."""
    first: Record = record
    for other in _policies_of_org(context, link):
        if other.uid == record.uid or other.deleting or other.spec().get("bucket") != spec.bucket:
            continue
        if (other.created, other.uid) < (first.created, first.uid):
            first = other
    return None if first.uid == record.uid else first.key


def _policies_of_org(context: Context, link: Link) -> list[Record]:
    keys = {
        key
        for connection in context.links_of_org(link.org_id)
        for key in context.objects.policies_by_connection(connection)
    }
    return [record for key in keys if (record := context.objects.get(key)) is not None]


async def _converge(
    context: Context,
    record: Record,
    spec: RetentionPolicySpec,
    link: Link,
    facts: PolicyFacts,
    losses: dict[tuple[str, int, str], str],
) -> Outcome:
    assert link.snapshot is not None
    wanted = desired_bucket(context, record, spec)
    bucket = link.snapshot.buckets.get(spec.bucket) or await _look(context, link, spec.bucket)
    held = _held_by_other(context, wanted, bucket)
    if held:
        return Stalled(Reason.CONFLICT, held, after=60.0)
    applied = _seconds(facts.applied_retention)
    plan = plan_bucket(wanted, bucket, applied)
    if plan.refusal is not None:
        if bucket is not None and plan.refusal.reason == Reason.DATA_LOSS_GUARD:
            blocked = shortening(wanted, bucket, applied)
            assert blocked is not None
            loss = await _loss(context, link, bucket, wanted.retention, losses)
            return Stalled(Reason.DATA_LOSS_GUARD, guard_message(blocked, bucket.name, loss), after=3600.0)
        reason = Reason(plan.refusal.reason)
        if reason is Reason.DEPENDENCY_NOT_READY:
            return Wait(reason, plan.refusal.message, after=5.0)
        return Stalled(reason, plan.refusal.message)
    record = await ensure_finalizer(context, record)
    for action in plan.actions:
        bucket = await _apply(context, record, link, wanted, bucket, action, facts)
    assert bucket is not None
    facts.bucket_id = bucket.id
    facts.applied_retention = format_retention(bucket.retention)
    facts.applied_shard_group = format_seconds(bucket.shard_group, "dhms")
    return Done(Reason.SYNCED, f"bucket {bucket.name!r} keeps its data {_words(bucket.retention)}")


def _held_by_other(context: Context, wanted: DesiredBucket, bucket: Bucket | None) -> str:
    """Why the bucket may not be taken: the mark of another owner that is, or may be, alive. Empty when it may."""
    marker = bucket.marker if bucket is not None else None
    if bucket is None or marker is None or marker.owner == wanted.owner:
        return ""
    owner = marker.owner
    if owner.instance == wanted.owner.instance:
        other = context.objects.get(Key(Kind.POLICY, owner.namespace, owner.name))
        if other is None or other.deleting or other.spec().get("bucket") != wanted.name:
            return ""
    return (
        f"bucket {bucket.name!r} is managed by {owner.kind} {owner.namespace}/{owner.name} of influxops instance "
        f"{owner.instance}: delete that one, or take its mark off the end of the bucket's description"
    )


def _words(retention: int) -> str:
    return f"for {format_retention(retention)}" if retention else "for ever"


async def _look(context: Context, link: Link, name: str) -> Bucket | None:
    bucket = await link.call("find_bucket", lambda port: port.find_bucket(link.org_id, name))
    if bucket is not None and link.snapshot is not None:
        link.snapshot.put_bucket(bucket, context.clock())
    return bucket


async def _apply(
    context: Context,
    record: Record,
    link: Link,
    wanted: DesiredBucket,
    bucket: Bucket | None,
    action: object,
    facts: PolicyFacts,
) -> Bucket:
    assert link.snapshot is not None
    if isinstance(action, CreateBucket):
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
            await _look(context, link, wanted.name)
            raise
        context.recorder.action(record.key, "create", Reason.CREATING, bucket=wanted.name)
        context.recorder.event(record, Reason.CREATING, f"created bucket {wanted.name!r}, {_words(wanted.retention)}")
    else:
        assert isinstance(action, UpdateBucket)
        assert bucket is not None
        fresh = await _look(context, link, wanted.name)
        if fresh is None or fresh != bucket:
            raise Conflict(f"bucket {wanted.name!r} has changed since it was last read")
        if not facts.previous and bucket.marker is None:
            facts.previous = {
                "retention": format_retention(bucket.retention),
                "shardGroupDuration": format_seconds(bucket.shard_group, "dhms"),
                "description": bucket.description,
            }
        description = wanted.stored_description(bucket.description)
        made = await link.call(
            "update_bucket",
            lambda port: port.update_bucket(fresh.id, description, wanted.retention, wanted.shard_group),
            write=True,
        )
        changes = "; ".join(str(change) for change in action.changes)
        drift = facts.applied_retention == format_retention(wanted.retention) and bucket.retention != wanted.retention
        reason = Reason.DRIFTED if drift else Reason.UPDATING
        if drift:
            context.recorder.drift(corrected=True)
        context.recorder.action(record.key, "update", reason, bucket=wanted.name, changes=changes)
        context.recorder.event(record, reason, f"updated bucket {wanted.name!r}: {changes}", warning=drift)
    link.snapshot.put_bucket(made, context.clock())
    return made


async def _loss(
    context: Context, link: Link, bucket: Bucket, retention: int, losses: dict[tuple[str, int, str], str]
) -> str:
    """What a retention of so many seconds would delete today, in words."""
    cut = context.now() - timedelta(seconds=retention)
    memo = (bucket.id, retention, cut.strftime("%Y-%m-%d"))
    if memo in losses:
        return losses[memo]
    try:
        count = await link.call(
            "count_points", lambda port: port.count_points(link.org_id, bucket.name, None, cut, COUNT_TIMEOUT)
        )
    except InfluxError as error:
        return f"all points before {rfc3339(cut)} (not counted: {error})"
    if count.points is None:
        span = f"; from {rfc3339(count.oldest)} to {rfc3339(cut)}" if count.oldest else f"; all before {rfc3339(cut)}"
        text = f"points (not counted in {COUNT_TIMEOUT:.0f} s{span})"
    elif count.points == 0:
        text = f"no point today (none is older than {rfc3339(cut)}), and from then on what grows older"
    else:
        first = rfc3339(count.oldest) if count.oldest else "the first"
        last = rfc3339(count.newest) if count.newest else rfc3339(cut)
        text = f"{count.points} points, from {first} to {last}"
    losses[memo] = text
    return text


async def finish_policy(context: Context, record: Record) -> Outcome:
    """The end of a RetentionPolicy: the bucket stays by default, and never goes with its points unasked."""
    if FINALIZER not in record.finalizers:
        return Gone()
    try:
        spec = read(RetentionPolicySpec, record.spec(), "spec")
    except SpecInvalid:
        await remove_finalizer(context, record)
        return Gone()
    link = context.link(connection_key(record, spec.connection_ref))
    orphan = spec.deletion is Deletion.ORPHAN
    if link is None or link.snapshot is None or not link.trust_snapshot():
        since = context.deleting_since.setdefault(record.key, context.clock())
        if orphan or context.clock() - since > LET_GO_AFTER:
            return await _let_go(context, record)
        return Wait(
            Reason.CONNECTION_NOT_READY,
            "its InfluxConnection is not ready; set spec.deletion to Orphan to let go",
            15.0,
        )
    try:
        held = await _finish_bucket(context, record, spec, link, orphan=orphan)
    except InfluxError as error:
        if orphan:
            return await _let_go(context, record)
        link.parked.add(record.key)
        return Wait(
            Reason.CONNECTION_NOT_READY,
            f"the bucket cannot be deleted now: {error}; set spec.deletion to Orphan to let it go",
            after=30.0,
        )
    return held if held is not None else await _let_go(context, record)


async def _finish_bucket(
    context: Context, record: Record, spec: RetentionPolicySpec, link: Link, *, orphan: bool
) -> Outcome | None:
    bucket = await _look(context, link, spec.bucket)
    if bucket is None or bucket.marker is None or bucket.marker.owner != _owner(context, record.key):
        return None
    assert link.snapshot is not None
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
    try:
        await link.call("delete_bucket", lambda port: port.delete_bucket(bucket.id), write=True)
    except NotFound:
        pass
    link.snapshot.drop_bucket(bucket.name, context.clock())
    context.recorder.action(record.key, "delete", Reason.DELETING, bucket=bucket.name)
    return None


async def _let_go(context: Context, record: Record) -> Gone:
    await remove_finalizer(context, record)
    context.deleting_since.pop(record.key, None)
    return Gone()


def _seconds(text: str) -> int | None:
    try:
        return parse_retention(text).seconds if text else None
    except DurationError:
        return None
