"""Retention: planned exactly, and never shortened unasked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.core.bucket_plan import (
    DesiredBucket,
    default_shard_group,
    guard_message,
    is_renamed,
    plan_bucket,
    renamed_message,
    shortening,
)
from influxops.core.durations import DAY, HOUR
from influxops.core.marker import Owner, stamp_description
from influxops.core.observed import Bucket
from influxops.core.plan import CreateBucket, UpdateBucket

OWNER = Owner("c1", "RetentionPolicy", "ns", "raw")
WANTED = DesiredBucket(OWNER, "u1", "raw", 7 * DAY, DAY, None, create=True, approval=None)


def bucket(retention: int, shard: int = DAY, description: str = "") -> Bucket:
    return Bucket("b1", "o", "raw", "user", description, retention, shard)


@pytest.mark.parametrize(
    ("retention", "shard"), [(0, 7 * DAY), (180 * DAY, 7 * DAY), (2 * DAY, DAY), (2 * DAY - 1, HOUR), (HOUR, HOUR)]
)
def test_the_default_shard_group_is_the_servers(retention: int, shard: int) -> None:
    assert default_shard_group(retention) == shard


def test_a_missing_bucket_is_created_or_waited_for() -> None:
    assert plan_bucket(WANTED, None).actions == (CreateBucket(),)
    refusal = plan_bucket(replace(WANTED, create=False), None).refusal
    assert refusal is not None
    assert "spec.create" in refusal.message


def test_in_sync_means_no_action() -> None:
    assert plan_bucket(WANTED, bucket(7 * DAY, DAY, stamp_description(OWNER, "u1", ""))).actions == ()


def test_a_longer_retention_is_set_at_once_and_the_users_description_stays() -> None:
    plan = plan_bucket(WANTED, bucket(DAY, HOUR, "by hand"))
    (action,) = plan.actions
    assert isinstance(action, UpdateBucket)
    assert {change.field for change in action.changes} == {"retention", "shardGroupDuration", "description"}
    assert WANTED.stored_description("by hand").startswith("by hand [influxops/")


@pytest.mark.parametrize("observed", [30 * DAY, 0])
def test_a_shorter_retention_needs_consent_of_that_very_value(observed: int) -> None:
    """Infinite counts as longest."""
    assert shortening(WANTED, bucket(observed), observed) is not None
    assert shortening(replace(WANTED, approval=8 * DAY), bucket(observed), observed) is not None
    assert shortening(replace(WANTED, approval=7 * DAY), bucket(observed), observed) is None


def test_a_retention_raised_by_hand_is_not_shortened_by_an_old_consent() -> None:
    blocked = shortening(replace(WANTED, approval=7 * DAY), bucket(30 * DAY), 7 * DAY)
    assert blocked is not None
    assert blocked.raised_by_hand
    message = guard_message(blocked, "raw", "5 points")
    assert "30d" in message
    assert "5 points" in message


def test_system_buckets_are_refused() -> None:
    refusal = plan_bucket(replace(WANTED, name="_tasks"), replace(bucket(DAY), name="_tasks", type="system")).refusal
    assert refusal is not None
    assert "system bucket" in refusal.message


def test_a_shard_group_longer_than_the_retention_is_refused() -> None:
    refusal = plan_bucket(replace(WANTED, shard_group=8 * DAY), None).refusal
    assert refusal is not None
    assert "spec.shardGroupDuration" in refusal.message


def test_when_status_was_lost_an_old_consent_does_not_shorten_our_own_bucket() -> None:
    """Restored from a backup without status: the bucket bears our mark, and what was applied is not known."""
    mine = bucket(30 * DAY, DAY, stamp_description(OWNER, "u1", ""))
    assert shortening(replace(WANTED, approval=7 * DAY), mine, None) is not None


@pytest.mark.parametrize(
    ("name", "owner", "uid", "known", "renamed"),
    [
        ("other", OWNER, "u1", "b1", True),
        ("other", OWNER, "u1", "", True),
        ("other", OWNER, "restored", "b1", True),
        ("raw", OWNER, "u1", "b1", False),
        ("other", OWNER, "of before", "", False),
        ("other", OWNER._replace(name="next"), "u2", "b1", False),
    ],
    ids=["both", "status lost", "uid of a backup", "its own name", "left by an object of before", "another's now"],
)
def test_a_bucket_that_was_renamed_is_known_by_uid_or_id(
    name: str, owner: Owner, uid: str, known: str, renamed: bool
) -> None:
    found = replace(bucket(DAY, DAY, stamp_description(owner, uid, "mine")), name=name)
    assert is_renamed(WANTED, found, known) is renamed


def test_without_our_mark_a_bucket_of_the_known_id_is_let_be() -> None:
    """That is how a user gives it up."""
    assert not is_renamed(WANTED, replace(bucket(DAY), name="other"), "b1")


def test_what_is_said_of_a_renamed_bucket_and_of_one_that_may_be_a_copy() -> None:
    found = replace(bucket(DAY), name="other")
    for known in ("", "b1"):
        assert renamed_message(WANTED, found, known).startswith(
            "bucket 'raw' was renamed to 'other' in InfluxDB (id b1)"
        )
    assert "bucket 'raw' does not exist, and bucket 'other' (id b1) bears" in renamed_message(WANTED, found, "b0")
