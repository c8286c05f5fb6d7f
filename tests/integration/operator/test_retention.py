"""RetentionPolicies: a bucket's settings, and the guard before data is lost."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.expect import condition
from tests.support.gate import Gate
from tests.support.lab import POLICY, TASK, Lab

HOUR, DAY = 3600, 86400


def rule(bucket: dict[str, Any]) -> tuple[int, int]:
    """Retention and shard group in seconds; 0 is for ever."""
    rules = bucket["retentionRules"]
    return rules[0]["everySeconds"], rules[0]["shardGroupDurationSeconds"]


@pytest.mark.parametrize(
    ("retention", "shard_group", "expected"),
    [
        ("1h", None, (HOUR, HOUR)),
        ("30d", None, (30 * DAY, DAY)),
        ("52w", None, (364 * DAY, 7 * DAY)),
        ("infinite", None, (0, 7 * DAY)),
        ("30d", "12h", (30 * DAY, 12 * HOUR)),
    ],
)
def test_a_bucket_is_created(lab: Lab, retention: str, shard_group: str | None, expected: tuple[int, int]) -> None:
    """With retention and shard group, both as status tells, and our mark behind the description."""
    lab.connect()
    more = {"shardGroupDuration": shard_group} if shard_group else {}
    lab.policy("kept", "kept", retention, description="Measurements", **more)
    item = lab.synced(POLICY, "kept")
    bucket = lab.influx.bucket("kept")
    assert rule(bucket) == expected
    assert bucket["description"].startswith("Measurements [influxops/v1 owner=")
    assert f"/RetentionPolicy/{lab.namespace}/kept uid={item['metadata']['uid']}]" in bucket["description"]
    status = item["status"]
    assert status["bucketID"] == bucket["id"]
    assert status["appliedRetention"] == retention.replace("52w", status["appliedRetention"])
    assert status["appliedShardGroupDuration"]
    assert "previous" not in status
    assert item["metadata"]["finalizers"] == ["influxops.dev/cleanup"]
    assert lab.event("kept", "Creating", "Normal")


def test_an_unmarked_bucket_is_taken_at_once(lab: Lab) -> None:
    """What it had before stands in status; the description that somebody wrote stays, with our mark behind it."""
    lab.influx.new_bucket("kept", 30 * DAY, DAY, description="by hand")
    lab.connect()
    lab.policy("kept", "kept", "60d")
    item = lab.synced(POLICY, "kept")
    assert item["status"]["previous"] == {
        "retention": "30d",
        "shardGroupDuration": "1d",
        "description": "by hand",
    }
    bucket = lab.influx.bucket("kept")
    assert rule(bucket)[0] == 60 * DAY
    assert bucket["description"].startswith("by hand [influxops/v1 ")
    lab.patch(POLICY, "kept", retention="90d")
    item = lab.synced(POLICY, "kept")
    assert item["status"]["previous"]["retention"] == "30d"
    assert item["status"]["appliedRetention"] == "90d"


def test_retention_follows_the_spec(lab: Lab) -> None:
    """Longer, for ever, and with another shard group, in place."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    bucket_id = lab.synced(POLICY, "kept")["status"]["bucketID"]
    lab.patch(POLICY, "kept", retention="60d", shardGroupDuration="2d")
    lab.synced(POLICY, "kept")
    assert rule(lab.influx.bucket("kept")) == (60 * DAY, 2 * DAY)
    lab.patch(POLICY, "kept", retention="infinite", shardGroupDuration=None)
    lab.synced(POLICY, "kept")
    bucket = lab.influx.bucket("kept")
    assert rule(bucket) == (0, 7 * DAY)
    assert bucket["id"] == bucket_id


def test_drift_of_a_bucket_is_mended(lab: Lab) -> None:
    """Shortened by hand, another shard group, another description: set back, with an event."""
    lab.connect()
    lab.policy("kept", "kept", "30d", description="Measurements")
    lab.synced(POLICY, "kept")
    before = lab.influx.bucket("kept")
    lab.influx.edit_bucket("kept", 2 * DAY, HOUR)
    lab.in_influx("set back", lambda: rule(lab.influx.bucket("kept")), lambda now: now == (30 * DAY, DAY))
    assert "retention" in lab.event("kept", "Drifted")["note"]
    lab.influx.call("PATCH", f"buckets/{before['id']}", {"description": "by hand"})
    lab.in_influx(
        "the description",
        lambda: lab.influx.bucket("kept"),
        lambda now: now["description"] == before["description"],
    )
    lab.synced(POLICY, "kept")


def test_a_deleted_bucket_is_created_again(lab: Lab) -> None:
    """Its points are gone, its settings are not."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    bucket_id = lab.synced(POLICY, "kept")["status"]["bucketID"]
    lab.influx.call("DELETE", f"buckets/{bucket_id}")
    item = lab.until(POLICY, "kept", "has a new id", lambda one: one["status"].get("bucketID") not in {None, bucket_id})
    assert lab.influx.bucket("kept")["id"] == item["status"]["bucketID"]


def rename(lab: Lab, bucket_id: str, name: str) -> None:
    """As somebody does in InfluxDB's UI."""
    lab.influx.call("PATCH", f"buckets/{bucket_id}", {"name": name})


def test_a_renamed_bucket_is_told_and_no_other_is_made(lab: Lab) -> None:
    """The points are in the renamed one; renamed back, all is as before."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    bucket_id = lab.synced(POLICY, "kept")["status"]["bucketID"]
    lab.influx.write("kept", f"cpu usage=1 {int(time.time())}")
    rename(lab, bucket_id, "renamed")
    item = lab.rests(POLICY, "kept", "Conflict", "'kept' was renamed to 'renamed'", bucket_id, "rename it back")
    assert condition(item, "Stalled")["status"] == "True"
    lab.sweeps()
    assert lab.influx.bucket("kept") == {}
    assert lab.status(POLICY, "kept")["bucketID"] == bucket_id
    rename(lab, bucket_id, "kept")
    lab.synced(POLICY, "kept")
    assert lab.influx.bucket("kept")["id"] == bucket_id
    assert lab.influx.bucket("renamed") == {}
    assert len(lab.influx.rows('from(bucket: "kept") |> range(start: -1h)')) == 1


def test_a_renamed_bucket_is_told_when_a_look_comes_before_the_sweep(lab: Lab) -> None:
    """The last picture of the server has it by its old name still."""
    lab.connect(syncInterval="1h")
    lab.policy("kept", "kept", "30d")
    bucket_id = lab.synced(POLICY, "kept")["status"]["bucketID"]
    rename(lab, bucket_id, "renamed")
    lab.annotate(POLICY, "kept", reconcile_requested_at="now")
    lab.rests(POLICY, "kept", "Conflict", "'renamed'")
    assert lab.influx.bucket("kept") == {}
    rename(lab, bucket_id, "kept")
    lab.annotate(POLICY, "kept", reconcile_requested_at="again")
    lab.synced(POLICY, "kept")


def test_a_renamed_bucket_may_be_given_up(lab: Lab) -> None:
    """Without the mark it is nobody's, and a new one is made, as the message says."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    bucket_id = lab.synced(POLICY, "kept")["status"]["bucketID"]
    rename(lab, bucket_id, "renamed")
    lab.rests(POLICY, "kept", "Conflict", "take the mark off")
    lab.influx.call("PATCH", f"buckets/{bucket_id}", {"description": "given up"})
    lab.synced(POLICY, "kept")
    assert lab.influx.bucket("kept")["id"] != bucket_id
    assert lab.influx.bucket("renamed")["description"] == "given up"


def test_shortening_needs_consent(lab: Lab) -> None:
    """Stalled with the number of points that would go; nothing happens before dataLossApproval names the new value."""
    lab.connect()
    lab.policy("kept", "kept", "60d")
    lab.synced(POLICY, "kept")
    now = int(time.time())
    lab.influx.write("kept", *(f"cpu,host=a usage=1 {now - days * DAY}" for days in (1, 5, 40, 41, 42)))
    lab.patch(POLICY, "kept", retention="30d")
    item = lab.rests(POLICY, "kept", "DataLossGuard", "3 points", "spec.dataLossApproval")
    assert condition(item, "Stalled")["status"] == "True"
    lab.sweeps()
    assert rule(lab.influx.bucket("kept"))[0] == 60 * DAY
    lab.patch(POLICY, "kept", dataLossApproval="7d")
    lab.until(POLICY, "kept", "still stalled", lambda one: one["status"]["observedGeneration"] == 3)
    lab.rests(POLICY, "kept", "DataLossGuard")
    assert rule(lab.influx.bucket("kept"))[0] == 60 * DAY
    lab.patch(POLICY, "kept", dataLossApproval="30d")
    item = lab.synced(POLICY, "kept")
    assert rule(lab.influx.bucket("kept")) == (30 * DAY, DAY)
    assert item["status"]["appliedRetention"] == "30d"


def test_a_bucket_that_is_taken_over_is_guarded_too(lab: Lab) -> None:
    """A typing error in a new policy must not delete what a bucket holds already."""
    lab.influx.new_bucket("old")
    lab.influx.write("old", f"cpu usage=1 {int(time.time()) - 40 * DAY}")
    lab.connect()
    lab.policy("old", "old", "30d")
    lab.rests(POLICY, "old", "DataLossGuard", "1 point")
    assert rule(lab.influx.bucket("old"))[0] == 0
    assert lab.influx.bucket("old").get("description", "") == ""


def test_a_retention_raised_by_hand_is_not_shortened(lab: Lab) -> None:
    """Somebody did that in an incident: not even a standing approval undoes it."""
    lab.connect()
    lab.policy("kept", "kept", "30d", dataLossApproval="30d")
    lab.synced(POLICY, "kept")
    lab.influx.edit_bucket("kept", 0, 7 * DAY)
    now = int(time.time())
    lab.influx.write("kept", *(f"cpu,host=a usage=1 {now - days * DAY}" for days in (1, 33, 34)))
    lab.rests(POLICY, "kept", "DataLossGuard", "infinite")
    lab.sweeps(3)
    assert rule(lab.influx.bucket("kept")) == (0, 7 * DAY)
    lab.patch(POLICY, "kept", retention="infinite")
    lab.synced(POLICY, "kept")
    lab.patch(POLICY, "kept", retention="30d")
    item = lab.synced(POLICY, "kept")
    assert rule(lab.influx.bucket("kept")) == (30 * DAY, DAY)
    assert item["status"]["appliedRetention"] == "30d"


def test_system_buckets_are_refused(lab: Lab) -> None:
    """By the API server already, with a message that names the field."""
    body = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": POLICY,
        "metadata": {"name": "system"},
        "spec": {"connectionRef": {"name": "main"}, "bucket": "_tasks", "retention": "7d"},
    }
    code, answer = lab.call("POST", lab.path(POLICY), body)
    assert code == 422
    assert "spec.bucket" in answer["message"]
    assert "system bucket" in answer["message"]


def test_two_policies_for_one_bucket(lab: Lab) -> None:
    """The older manages, whichever connection they use; when it goes, the other takes over."""
    lab.connect()
    lab.connect("second")
    lab.policy("older", "kept", "30d")
    created = lab.synced(POLICY, "older")["metadata"]["creationTimestamp"]
    # Kubernetes counts ages in whole seconds, and these two shall not be of the same age.
    lab.in_influx(
        "the next second", lambda: datetime.now(UTC), lambda now: now.strftime("%Y-%m-%dT%H:%M:%SZ") > created
    )
    lab.policy("younger", "kept", "60d", connectionRef={"name": "second"})
    lab.rests(POLICY, "younger", "Conflict", f"{lab.namespace}/older")
    lab.sweeps()
    assert rule(lab.influx.bucket("kept"))[0] == 30 * DAY
    lab.synced(POLICY, "older")
    lab.delete(POLICY, "older")
    lab.gone(POLICY, "older")
    lab.synced(POLICY, "younger")
    assert rule(lab.influx.bucket("kept"))[0] == 60 * DAY


def test_two_policies_of_the_same_age(lab: Lab) -> None:
    """One manages and the other says so, whoever was faster to mark the bucket: never neither, never both in turn."""
    lab.connect()
    for name in "abcd":
        lab.policy(name, "kept", "30d")

    def reasons() -> list[str]:
        return sorted(condition(lab.get(POLICY, name) or {}).get("reason", "") for name in "abcd")

    lab.in_influx("one manages", reasons, lambda found: found == ["Conflict", "Conflict", "Conflict", "Synced"])
    first = lab.influx.bucket("kept")
    lab.sweeps(3)
    assert reasons() == ["Conflict", "Conflict", "Conflict", "Synced"]
    assert lab.influx.bucket("kept") == first


def test_create_false_waits_for_the_bucket(lab: Lab) -> None:
    """And takes it within 10 s of its appearing."""
    lab.connect()
    lab.policy("kept", "kept", "30d", create=False)
    lab.rests(POLICY, "kept", "DependencyNotReady", "'kept'", "spec.create")
    lab.influx.new_bucket("kept", 10 * DAY, DAY)
    lab.synced(POLICY, "kept", seconds=10)
    assert rule(lab.influx.bucket("kept"))[0] == 30 * DAY


def test_deletion_leaves_the_bucket_by_default(lab: Lab) -> None:
    """Without our mark, with its settings and its description."""
    lab.connect()
    lab.policy("kept", "kept", "30d", description="Measurements")
    lab.synced(POLICY, "kept")
    lab.delete(POLICY, "kept")
    lab.gone(POLICY, "kept")
    bucket = lab.influx.bucket("kept")
    assert rule(bucket) == (30 * DAY, DAY)
    assert bucket["description"] == "Measurements"


def test_deletion_delete_takes_an_empty_bucket(lab: Lab) -> None:
    """Nothing is lost, so nothing is asked."""
    lab.connect()
    lab.policy("kept", "kept", "30d", deletion="Delete")
    lab.synced(POLICY, "kept")
    lab.delete(POLICY, "kept")
    lab.gone(POLICY, "kept")
    assert lab.influx.bucket("kept") == {}


def test_deletion_delete_asks_before_points_go(lab: Lab) -> None:
    """The annotation must name the bucket."""
    lab.connect()
    lab.policy("kept", "kept", "30d", deletion="Delete")
    lab.synced(POLICY, "kept")
    lab.influx.write("kept", f"cpu usage=1 {int(time.time())}")
    lab.delete(POLICY, "kept")
    lab.until(
        POLICY,
        "kept",
        "asks",
        lambda one: condition(one)["reason"] == "ConfirmDelete" and "1 point" in condition(one)["message"],
    )
    lab.annotate(POLICY, "kept", confirm_delete="another")
    lab.sweeps()
    assert lab.influx.bucket("kept")
    lab.annotate(POLICY, "kept", confirm_delete="kept")
    lab.gone(POLICY, "kept")
    assert lab.influx.bucket("kept") == {}


def test_a_suspended_policy_leaves_the_bucket_alone(lab: Lab) -> None:
    """Also when it drifts."""
    lab.connect()
    lab.policy("kept", "kept", "30d")
    lab.synced(POLICY, "kept")
    lab.patch(POLICY, "kept", suspend=True)
    lab.rests(POLICY, "kept", "Suspended")
    lab.influx.edit_bucket("kept", 90 * DAY, DAY)
    lab.sweeps()
    assert rule(lab.influx.bucket("kept"))[0] == 90 * DAY


def test_a_task_may_wait_for_a_policys_bucket(lab: Lab) -> None:
    """Applied together in any order, both become Ready."""
    lab.connect()
    flux = 'from(bucket: "raw") |> range(start: -1h) |> to(bucket: "down")\n'
    lab.task("cpu", flux)
    lab.rests(TASK, "cpu", "DependencyNotReady", "'down'")
    lab.policy("down", "down", "30d")
    lab.synced(POLICY, "down")
    lab.synced(TASK, "cpu", seconds=10)


def test_a_loss_that_takes_too_long_to_count_is_told_by_its_times(lab: Lab) -> None:
    """The message still says from when to when points would go."""
    old = datetime.now(UTC) - timedelta(days=20)
    lab.influx.new_bucket("kept", 30 * DAY, DAY)
    lab.influx.write("kept", f"cpu load=1 {int(old.timestamp())}")
    with Gate(lab.org.url) as gate:
        gate.mode, gate.delay, gate.slows = "slow", 12.0, lambda body: b"count()" in body
        lab.connect(url=gate.url)
        lab.policy("kept", "kept", "7d")
        lab.rests(POLICY, "kept", "DataLossGuard", "not counted in 10 s", f"from {old:%Y-%m-%d}")
        gate.mode = "pass"
    assert rule(lab.influx.bucket("kept")) == (30 * DAY, DAY)
