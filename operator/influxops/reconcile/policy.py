"""One visit to a RetentionPolicy: the bucket's settings, and the guard before data is lost."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from influxops.api.common import FINALIZER, RECONCILE_AT
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.api.retentionpolicy import RetentionPolicySpec
from influxops.core.bucket_plan import (
    DesiredBucket,
    default_shard_group,
    guard_message,
    plan_bucket,
    renamed_message,
    shortening,
)
from influxops.core.conditions import settled_generation
from influxops.core.durations import DurationError, format_retention, format_seconds, parse_retention
from influxops.core.keys import Key, Kind
from influxops.core.observed import Bucket
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait
from influxops.core.pending import bucket_actions, bucket_basis
from influxops.core.plan import Plan, UpdateBucket
from influxops.core.record import Record
from influxops.influx.errors import InfluxError
from influxops.reconcile.approval import Held, Shown, hold
from influxops.reconcile.context import Context, Link
from influxops.reconcile.faults import outcome_of
from influxops.reconcile.finalizer import confirm, ensure_finalizer
from influxops.reconcile.policy_apply import create, find_renamed, in_words, look_up, update
from influxops.reconcile.policy_loss import loss_in_words
from influxops.reconcile.references import NotUsable, connection_key, owner_of, park, poll_after, usable_link


@dataclass(slots=True)
class PolicyFacts:
    """What a visit found, for status."""

    bucket_id: str = ""
    applied_retention: str = ""
    applied_shard_group: str = ""
    previous: dict[str, str] = field(default_factory=dict)
    plan: dict[str, Any] | None = None
    """What would be done, while it waits for consent."""


def facts_in(status: dict[str, Any]) -> PolicyFacts:
    """What an earlier visit found."""
    return PolicyFacts(
        bucket_id=str(status.get("bucketID") or ""),
        applied_retention=str(status.get("appliedRetention") or ""),
        applied_shard_group=str(status.get("appliedShardGroupDuration") or ""),
        previous=dict(status.get("previous") or {}),
        plan=status.get("plan") or None,
    )


async def reconcile_policy(context: Context, record: Record, status: dict[str, Any]) -> tuple[Outcome, PolicyFacts]:
    """Bring a bucket's settings to what the resource says."""
    facts = facts_in(status)
    try:
        spec = read(RetentionPolicySpec, record.spec(), "spec")
    except SpecInvalid as error:
        return Stalled(Reason.INVALID_SPEC, str(error)), facts
    try:
        link = await usable_link(context, record, spec.connection_ref)
        with link.visited_by(record.key):
            outcome = _refusal(context, record, spec, link) or await _converge(
                context, record, spec, link, status, facts
            )
    except NotUsable as error:
        outcome = error.outcome
    except InfluxError as error:
        outcome = outcome_of(error)
    park(context, record.key, connection_key(record, spec.connection_ref), outcome)
    return outcome, facts


def desired_bucket(context: Context, record: Record, spec: RetentionPolicySpec) -> DesiredBucket:
    """The settings wanted, in seconds."""
    retention = spec.retention.seconds
    shard_group = spec.shard_group_duration.seconds if spec.shard_group_duration else default_shard_group(retention)
    return DesiredBucket(
        owner=owner_of(context, record),
        uid=record.uid,
        name=spec.bucket,
        retention=retention,
        shard_group=shard_group,
        description=spec.description or None,
        create=spec.create,
        approval=spec.data_loss_approval.seconds if spec.data_loss_approval else None,
    )


def _refusal(context: Context, record: Record, spec: RetentionPolicySpec, link: Link) -> Outcome | None:
    """What stands in the way before the bucket is looked at."""
    rival = _rival(context, record, spec, link)
    if rival is not None:
        message = f"bucket {spec.bucket!r} is managed by RetentionPolicy {rival.namespace}/{rival.name}: keep one"
        return Stalled(Reason.CONFLICT, message, after=60.0)
    if spec.suspend:
        return Done(Reason.SUSPENDED, "spec.suspend is true: the bucket is left as it is")
    return None


def _rival(context: Context, record: Record, spec: RetentionPolicySpec, link: Link) -> Key | None:
    """Another policy for the same bucket of the same organization that is older (then: smaller uid)."""
    first = min((record, *_rivals(context, record, spec.bucket, link)), key=lambda item: (item.created, item.uid))
    return None if first.uid == record.uid else first.key


def _rivals(context: Context, record: Record, bucket: str, link: Link) -> list[Record]:
    """Every other living policy for the same bucket of the same organization, whichever connection it uses."""
    connections = context.links_of_org(link.org_id)
    rivals = []
    for key in context.objects.policies_by_bucket(bucket):
        other = context.objects.get(key)
        if other is None or other.deleting or key == record.key:
            continue
        if key.namespace != link.key.namespace and FINALIZER not in other.finalizers:
            continue  # it may never be admitted to its connection
        if any(key in context.objects.policies_by_connection(connection) for connection in connections):
            rivals.append(other)
    return rivals


async def _converge(
    context: Context, record: Record, spec: RetentionPolicySpec, link: Link, status: dict[str, Any], facts: PolicyFacts
) -> Outcome:
    wanted = desired_bucket(context, record, spec)
    bucket = link.snapshot.buckets.get(spec.bucket)
    asked = record.annotations.get(RECONCILE_AT, "") != status.get("lastHandledReconcileAt", "")
    if bucket is None or asked:
        bucket = await look_up(context, link, spec.bucket)
    held = _held_by_other(context, wanted, bucket, {rival.key for rival in _rivals(context, record, spec.bucket, link)})
    if held:
        return Stalled(Reason.CONFLICT, held, after=60.0)
    renamed = await find_renamed(context, link, wanted, facts.bucket_id) if bucket is None else None
    if renamed is not None:  # never renamed back unasked: others may use it by its new name
        return Stalled(Reason.CONFLICT, renamed_message(wanted, renamed, facts.bucket_id), after=60.0)
    applied = _seconds(facts.applied_retention)
    plan = plan_bucket(wanted, bucket)
    if plan.refusal is not None:
        reason = Reason(plan.refusal.reason)
        if reason is Reason.DEPENDENCY_NOT_READY:
            since = context.missing_since.of(record, context.clock())
            return Wait(reason, plan.refusal.message, after=poll_after(context, since, link.spec.sync_interval.seconds))
        return Stalled(reason, plan.refusal.message)
    context.missing_since.end(record.key)
    drift = settled_generation(status) == record.generation or _changed_by_hand(wanted, bucket, facts)
    waiting = _held(context, record, spec, link, wanted, bucket, plan, facts, drift=drift) if plan.actions else None
    if waiting is not None and isinstance(waiting.outcome, Done):
        facts.plan = waiting.plan
        return waiting.outcome
    blocked = shortening(wanted, bucket, applied) if bucket is not None else None
    if bucket is not None and blocked is not None:
        loss = await loss_in_words(context, link, bucket, wanted.retention)
        return Stalled(Reason.DATA_LOSS_GUARD, guard_message(blocked, bucket.name, loss), after=3600.0)
    if waiting is not None:
        facts.plan = waiting.plan
        return waiting.outcome
    facts.plan = None
    if plan.actions and FINALIZER in record.finalizers and not _marked_by(bucket, record):
        await confirm(context, record)
    record = await ensure_finalizer(context, record)
    if bucket is None:
        bucket = await create(context, record, link, wanted)
    for action in plan.actions:
        if isinstance(action, UpdateBucket):
            bucket = await update(context, record, link, wanted, bucket, action, status, facts.previous)
    facts.bucket_id = bucket.id
    facts.applied_retention = format_retention(bucket.retention)
    facts.applied_shard_group = format_seconds(bucket.shard_group, "dhms")
    return Done(Reason.SYNCED, f"bucket {bucket.name!r} keeps its data {in_words(bucket.retention)}")


def _marked_by(bucket: Bucket | None, record: Record) -> bool:
    """Whether the bucket names this very object as its owner, not only one of its name."""
    return bucket is not None and bucket.marker is not None and bucket.marker.uid == record.uid


def _changed_by_hand(wanted: DesiredBucket, bucket: Bucket | None, facts: PolicyFacts) -> bool:
    """Whether the bucket is not as it was set last, although what is wanted is still that."""
    applied = facts.applied_retention, facts.applied_shard_group
    if not facts.bucket_id or applied != _settings(wanted.retention, wanted.shard_group):
        return False
    return bucket is None or applied != _settings(bucket.retention, bucket.shard_group)


def _settings(retention: int, shard_group: int) -> tuple[str, str]:
    return format_retention(retention), format_seconds(shard_group, "dhms")


def _held(
    context: Context,
    record: Record,
    spec: RetentionPolicySpec,
    link: Link,
    wanted: DesiredBucket,
    bucket: Bucket | None,
    plan: Plan,
    facts: PolicyFacts,
    *,
    drift: bool,
) -> Held | None:
    settings = {
        "bucket": wanted.name,
        "retention": format_retention(wanted.retention),
        "shardGroupDuration": format_seconds(wanted.shard_group, "dhms"),
    }
    interval = float(link.spec.sync_interval.seconds)
    shown = Shown(bucket_actions(plan, settings), bucket_basis(wanted, bucket))
    return hold(context, record, spec, shown, None, facts.plan, drift=drift, interval=interval)


def _held_by_other(context: Context, wanted: DesiredBucket, bucket: Bucket | None, beaten: AbstractSet[Key]) -> str:
    """Why the bucket may not be taken: the mark of another owner that is, or may be, alive. Empty when it may.

    ``beaten`` are the rivals that this policy comes before: of two that were created in the same second, the other one may
    have been faster to leave its mark.
    """
    marker = bucket.marker if bucket is not None else None
    if bucket is None or marker is None or marker.owner == wanted.owner:
        return ""
    owner = marker.owner
    if owner.instance == wanted.owner.instance:
        other = context.objects.get(Key(Kind.POLICY, owner.namespace, owner.name))
        if other is None or other.deleting or other.key in beaten or other.spec().get("bucket") != wanted.name:
            return ""
    return (
        f"bucket {bucket.name!r} is managed by {owner.kind} {owner.namespace}/{owner.name} of influxops instance "
        f"{owner.instance}: delete that one, or take its mark off the end of the bucket's description"
    )


def _seconds(text: str) -> int | None:
    try:
        return parse_retention(text).seconds if text else None
    except DurationError:
        return None
