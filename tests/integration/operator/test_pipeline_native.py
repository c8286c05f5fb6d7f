"""Stages that InfluxDB runs by itself: what it misses or fails is repaired by one forced run, and no slot succeeds twice."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from devstack.influx import Influxd
from tests.integration.operator.test_pipeline_outage import connect, people, spare
from tests.support.expect import eventually
from tests.support.lab import CONNECTION, PIPELINE, TASK, Influx, Lab
from tests.support.windowed import GUARD, copy, pipeline, points, prepare, stage, stamp, states, times, windows

__all__ = ["spare"]
SECOND = timedelta(seconds=1)


def soon() -> datetime:
    """The next slot of five seconds but one."""
    now = datetime.now(UTC).replace(microsecond=0)
    return now - timedelta(seconds=now.second % 5) + 10 * SECOND


def observed(name: str = "cpu") -> dict[str, object]:
    """A stage that observes an InfluxTask."""
    return {
        "name": "out",
        "taskRef": {"name": name},
        "execution": "Native",
        "destination": {"bucket": "out", "measurement": "env"},
    }


def successes(influx: Influx, task_id: str) -> Counter[str]:
    """Successful runs by slot."""
    return Counter(run["scheduledFor"] for run in influx.runs(task_id) if run["status"] == "success")


@pytest.mark.prove
def test_slots_of_an_outage_are_repaired(lab: Lab, spare: Influxd) -> None:
    """InfluxDB is down over slots, which it never makes up for: each is run once by request, and what is behind follows."""
    influx = people(spare)
    prepare(influx, "out", "behind", "source")
    begin = soon()
    influx.write("source", *points(begin - 60 * SECOND, 600, SECOND))
    connect(lab, spare)
    lab.task("cpu", copy("source", "out"), every="5s", window={"period": "5s"})
    task_id = lab.task_id("cpu")
    begin = soon()
    spec = pipeline(begin, "5s", observed(), stage("behind", "out", dependsOn=["out"]))
    lab.create(PIPELINE, "env", spec)
    eventually("slots have run", lambda: states(influx, "behind"), lambda all_: len(all_) >= 2, story=lab.operator.tail)
    gone = datetime.now(UTC)
    spare.kill()
    eventually("three slots have passed", lambda: datetime.now(UTC), lambda now: now > gone + 17 * SECOND)
    spare.start()
    back = datetime.now(UTC)
    lab.synced(CONNECTION, "main", seconds=60)
    lab.until(
        PIPELINE, "env", "has caught up", lambda one: one["status"].get("watermark", "") > stamp(back), seconds=90
    )
    lab.patch(PIPELINE, "env", suspend=True)
    lab.rests(PIPELINE, "env", "Suspended")
    ledger = windows(influx)
    assert {row["state"] for row in ledger.values()} == {"SUCCESS"}
    slots = [begin + n * 5 * SECOND for n in range(1, int((back - begin) / (5 * SECOND)) + 1)]
    found = successes(influx, task_id)
    assert {stamp(slot): found[stamp(slot)] for slot in slots} == {stamp(slot): 1 for slot in slots}
    copied = [time for time in times(influx, "behind") if time < stamp(back - 5 * SECOND)]
    assert copied == [time for time in times(influx, "source") if stamp(begin) <= time <= copied[-1]]


def test_runs_that_fail_are_repaired(lab: Lab) -> None:
    """The task's own runs fail: the stage retries by forced runs, and when the cause is gone each slot succeeds once."""
    influx = lab.influx
    prepare(influx, "out", "behind", "switch")
    influx.write("raw", *points(soon() - 60 * SECOND, 600, SECOND))
    lab.connect()
    lab.task("cpu", GUARD + copy("raw", "out"), every="5s", window={"period": "5s"})
    task_id = lab.task_id("cpu")
    begin = soon()
    spec = pipeline(
        begin,
        "5s",
        observed(),
        stage("behind", "out", dependsOn=["out"]),
        retry={"limit": 10, "backoff": {"initial": "2s", "factor": 1.0, "jitter": 0.0}},
        circuitBreaker={"consecutiveFailures": 1000},
    )
    lab.create(PIPELINE, "env", spec)

    def failures() -> Counter[str]:
        return Counter(run["scheduledFor"] for run in influx.runs(task_id) if run["status"] == "failed")

    lab.in_influx(
        "a slot was tried again", failures, lambda found: any(n > 1 for s, n in found.items() if s > stamp(begin))
    )
    influx.write("switch", "switch on=1 1")
    on = datetime.now(UTC)
    lab.until(PIPELINE, "env", "has caught up", lambda one: one["status"].get("watermark", "") > stamp(on), seconds=90)
    lab.patch(PIPELINE, "env", suspend=True)
    lab.rests(PIPELINE, "env", "Suspended")
    ledger = windows(influx)
    assert {row["state"] for row in ledger.values()} == {"SUCCESS"}
    assert any(int(row["attempt"]) > 1 for (name, _), row in ledger.items() if name == "out")
    slots = [begin + n * 5 * SECOND for n in range(1, int((on - begin) / (5 * SECOND)) + 1)]
    found = successes(influx, task_id)
    assert {stamp(slot): found[stamp(slot)] for slot in slots} == {stamp(slot): 1 for slot in slots}


def test_late_points_have_the_slot_run_again(lab: Lab) -> None:
    """A point comes into a window that InfluxDB's own run has read: its slot runs once more, and what is behind follows; no other."""
    influx = lab.influx
    prepare(influx, "out", "behind")
    influx.write("raw", *points(soon() - 60 * SECOND, 600, SECOND))
    lab.connect()
    lab.task("cpu", copy("raw", "out"), every="5s", window={"period": "5s"})
    task_id = lab.task_id("cpu")
    begin = soon()
    spec = pipeline(
        begin,
        "5s",
        {**observed(), "source": {"bucket": "raw", "measurement": "env"}},
        stage("behind", "out", dependsOn=["out"]),
        lateness={"allowed": "1h", "checkEvery": "1s"},
    )
    lab.create(PIPELINE, "env", spec)
    lab.in_influx("windows have run", lambda: states(influx, "behind"), lambda all_: len(all_) >= 2)
    influx.write("raw", f"env,sensor=late temperature=1.5 {int(begin.timestamp())}")
    lab.in_influx(
        "the late point is behind both", lambda: times(influx, "behind"), lambda all_: all_.count(stamp(begin)) == 2
    )
    assert times(influx, "out").count(stamp(begin)) == 2
    found = successes(influx, task_id)
    assert found[stamp(begin + 5 * SECOND)] == 2
    assert {n for slot, n in found.items() if slot != stamp(begin + 5 * SECOND)} == {1}
    first = windows(influx)["out", stamp(begin)]
    assert (first["cause"], first["revision"]) == ("LateData", "2")


def test_a_task_that_was_deleted_in_influxdb_is_followed_to_the_one_that_takes_its_place(lab: Lab) -> None:
    """The InfluxTask makes it anew, with another id. No window fails for it, and no circuit opens."""
    influx = lab.influx
    prepare(influx, "out")
    influx.write("raw", *points(soon() - 60 * SECOND, 600, SECOND))
    lab.connect()
    lab.task("cpu", copy("raw", "out"), every="5s", window={"period": "5s"})
    former = lab.task_id("cpu")
    lab.create(PIPELINE, "env", pipeline(soon(), "5s", observed()))
    eventually("slots have run", lambda: states(influx, "out"), lambda all_: len(all_) >= 2, story=lab.operator.tail)
    influx.call("DELETE", f"tasks/{former}")
    lab.until(TASK, "cpu", "is made anew", lambda one: one["status"].get("taskID") not in {"", None, former})
    anew = datetime.now(UTC)
    lab.until(
        PIPELINE,
        "env",
        "goes on",
        lambda one: one["status"].get("watermark", "") > stamp(anew + 10 * SECOND),
        seconds=60,
    )
    assert {row["state"] for row in windows(influx).values()} == {"SUCCESS"}
    failing = [one for one in lab.events("env") if one["reason"] == "RunFailing"]
    assert failing == []
