"""Slots that failed, and slots that InfluxDB missed: which of them run again, and how often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from devstack.influx import Influxd, InfluxOrg
from devstack.stack import Stack
from tests.support.expect import condition, eventually
from tests.support.lab import CONNECTION, HOURLY, TASK, Influx, Lab

LATE_BUCKET = """\
name = "la" + "ter"
from(bucket: name) |> range(start: -1h) |> filter(fn: (r) => r._measurement == "cpu")
"""
"""Reads a bucket whose name only the run works out, so that the task is made before the bucket is."""
SHORT = {"initial": "1s", "factor": 1, "max": "1s", "jitter": 0}


def by_slot(influx: Influx, task_id: str) -> dict[str, list[str]]:
    """Slot -> the states of its runs."""
    found: dict[str, list[str]] = defaultdict(list)
    for run in influx.runs(task_id):
        found[run["scheduledFor"]].append(run["status"])
    return dict(found)


def times(slots: Any) -> list[datetime]:
    return sorted(datetime.fromisoformat(slot) for slot in slots)


def test_a_failed_slot_is_run_as_often_as_the_spec_says(lab: Lab) -> None:
    """Limit 2 is three runs of each slot, and then none; the object says so."""
    lab.connect()
    lab.task("cpu", LATE_BUCKET, every="10s", retry={"limit": 2, "backoff": SHORT})
    task_id = lab.task_id("cpu")
    found = lab.in_influx(
        "three runs of two slots",
        lambda: by_slot(lab.influx, task_id),
        lambda slots: sum(states == ["failed"] * 3 for states in slots.values()) >= 2,
    )
    spent = {slot for slot, states in found.items() if states == ["failed"] * 3}
    assert "could not find bucket" in lab.event("cpu", "Retrying", "Normal")["note"]
    assert "trying it again, 1 of 2" in str([event["note"] for event in lab.events("cpu")])
    assert "failed 3 times and is not tried again" in lab.event("cpu", "RunFailing")["note"]
    lab.sweeps(3)
    after = by_slot(lab.influx, task_id)
    assert [after[slot] for slot in spent] == [["failed"] * 3] * len(spent)
    assert max(len(states) for states in after.values()) <= 3
    item = lab.until(TASK, "cpu", "counts slots", lambda one: one["status"].get("consecutiveFailures", 0) >= 2)
    assert condition(item, "Failing")
    assert item["status"]["consecutiveFailures"] <= len(by_slot(lab.influx, task_id)), "slots are counted, not runs"
    assert lab.operator.metric("influxops_slot_reruns_total", connection=f"{lab.namespace}/main", cause="retry") >= 4


def test_a_retry_that_succeeds_heals(lab: Lab) -> None:
    """The bucket appears: the next attempt of the same slot succeeds, and Failing is gone before another slot runs."""
    lab.connect()
    lab.task("cpu", LATE_BUCKET, every="30s", retry={"limit": 10, "backoff": {**SHORT, "initial": "2s", "max": "2s"}})
    task_id = lab.task_id("cpu")
    lab.until(TASK, "cpu", "is Failing", lambda one: condition(one, "Failing"), seconds=60)
    lab.influx.new_bucket("later")
    item = lab.until(TASK, "cpu", "is well", lambda one: not condition(one, "Failing"))
    slots = by_slot(lab.influx, task_id)
    healed = [states for states in slots.values() if "failed" in states]
    assert [Counter(states)["success"] for states in healed] == [1] * len(healed)
    assert item["status"]["consecutiveFailures"] == 0
    assert item["status"]["lastSuccess"]


def test_without_retry_a_failed_slot_stays_so(lab: Lab) -> None:
    lab.connect()
    lab.task("cpu", LATE_BUCKET, every="2s")
    task_id = lab.task_id("cpu")
    lab.in_influx("three slots", lambda: by_slot(lab.influx, task_id), lambda slots: len(slots) >= 3)
    assert {len(states) for states in by_slot(lab.influx, task_id).values()} == {1}
    assert "slots" not in lab.status(TASK, "cpu")


@pytest.fixture
def spare(stack: Stack) -> Iterator[Influxd]:
    """An influxd of its own, to be killed."""
    made = stack.new_influx()
    yield made
    made.kill()


def test_what_influxdb_missed_while_it_was_down_is_caught_up(lab: Lab, spare: Influxd) -> None:
    """Ten slots and more: every slot of the grid, each with exactly one run that succeeded, and none beside the grid."""
    lab.secret("spare-token", token=spare.token)
    lab.create(
        CONNECTION,
        "shaky",
        {
            "url": spare.url,
            "allowInsecure": True,
            "org": spare.org,
            "tokenSecretRef": {"name": "spare-token", "key": "token"},
            "syncInterval": "1s",
            "timeout": "2s",
        },
    )
    lab.synced(CONNECTION, "shaky")
    lab.task(
        "cpu",
        'import "array"\narray.from(rows: [{a: 1}])\n',
        every="2s",
        connectionRef={"name": "shaky"},
        catchUp={"policy": "All"},
    )
    task_id = lab.task_id("cpu")
    lab.until(TASK, "cpu", "ran", lambda one: one["status"].get("lastRun"))
    lab.until(TASK, "cpu", "looks for missed slots", lambda one: one["status"].get("slots"))
    spare.kill()
    down = datetime.now().astimezone()
    eventually("ten slots pass", lambda: datetime.now().astimezone() - down, lambda gone: gone > timedelta(seconds=21))
    spare.start()
    influx = admin_of(spare)
    lab.synced(CONNECTION, "shaky", seconds=60)
    up = datetime.now().astimezone()

    def whole() -> list[datetime]:
        slots = times(slot for slot, states in by_slot(influx, task_id).items() if "success" in states)
        return [slot for slot in slots if slot <= up]

    def no_hole(slots: list[datetime]) -> bool:
        return (
            len(slots) > 10
            and slots[-1] >= up - timedelta(seconds=2)
            and all(b - a == timedelta(seconds=2) for a, b in pairwise(slots))
        )

    lab.in_influx("no hole is left", whole, no_hole)
    lab.until(TASK, "cpu", "nothing waits", lambda one: one["status"]["slots"]["waiting"] == 0)
    lab.patch(TASK, "cpu", suspend=True)
    lab.rests(TASK, "cpu", "Suspended")
    assert set(map(tuple, by_slot(influx, task_id).values())) == {("success",)}
    assert "InfluxDB missed 1" in lab.event("cpu", "CatchingUp", "Normal")["note"]
    assert lab.status(TASK, "cpu")["slots"]["missed"] == 0


def admin_of(spare: Influxd) -> Influx:
    """The spare InfluxDB, as its admin."""
    org = InfluxOrg(
        spare.url, spare.org, spare.org_id, spare.bucket, spare.bucket_id, spare.username, spare.user_id, spare.token
    )
    return Influx(org)


POLICIES: dict[str, tuple[dict[str, Any] | None, int]] = {
    "all": ({"policy": "All"}, 1000),
    "newest": ({"policy": "All", "maxWindows": 3}, 3),
    "latest": ({"policy": "Latest"}, 1),
    "none": ({"policy": "None"}, 0),
    "unset": (None, 0),
}
"""Name of a task -> its catchUp, and how many of its missed slots are run at most."""


@pytest.mark.prove
def test_after_a_suspension(lab: Lab) -> None:
    """The slots of the suspension are run as each task's policy says; those that are not are counted and told."""
    lab.connect()
    for name, (catch_up, _) in POLICIES.items():
        lab.task(name, HOURLY, every="3s", catchUp=catch_up)
    ids = {name: lab.task_id(name) for name in POLICIES}
    for name in POLICIES:
        lab.until(TASK, name, "ran", lambda one: one["status"].get("lastRun"))
    for name in POLICIES:
        lab.patch(TASK, name, suspend=True)
    for name in POLICIES:
        lab.rests(TASK, name, "Suspended")
    before = {name: max(times(by_slot(lab.influx, task_id))) for name, task_id in ids.items()}
    eventually(
        "six slots pass",
        lambda: datetime.now().astimezone() - max(before.values()),
        lambda gone: gone > timedelta(seconds=20),
    )
    assert {name: max(times(by_slot(lab.influx, task_id))) for name, task_id in ids.items()} == before
    for name in POLICIES:
        lab.patch(TASK, name, suspend=False)
    for name in POLICIES:
        _judge(lab, name, ids[name], before[name])


def _judge(lab: Lab, name: str, task_id: str, before: datetime) -> None:
    """One of the tasks, once it has caught up."""
    catch_up, most = POLICIES[name]

    def natives(runs: list[dict[str, Any]]) -> list[datetime]:
        return [slot for slot in times(run["scheduledFor"] for run in runs if not asked(run)) if slot > before]

    lab.in_influx("runs again", lambda: natives(lab.influx.runs(task_id)), lambda slots: len(slots) > 2)
    first = natives(lab.influx.runs(task_id))[0]
    missed = [before + timedelta(seconds=3 * n) for n in range(1, 100) if before + timedelta(seconds=3 * n) < first]
    assert len(missed) >= 6
    if catch_up:
        lab.until(
            TASK,
            name,
            "has settled them",
            lambda one: datetime.fromisoformat(one["status"]["slots"]["settledUntil"]) >= missed[-1],
            seconds=60,
        )
    runs = lab.influx.runs(task_id)
    forced = times(run["scheduledFor"] for run in runs if asked(run))
    assert forced == missed[max(0, len(missed) - most) :]
    assert {tuple(states) for states in by_slot(lab.influx, task_id).values()} <= {("success",), ("started",)}
    given_up = len(missed) - len(forced) if catch_up else 0
    assert lab.status(TASK, name).get("slots", {}).get("missed", 0) == given_up
    if given_up:
        note = lab.event(name, "SlotsMissed")["note"]
        assert f"{given_up} slots" in note
        assert f"influxops run {name}" in note


def asked(run: dict[str, Any]) -> bool:
    """Whether somebody asked for a run."""
    return not run.get("requestedAt", "0001").startswith("0001")
