"""InfluxDB stops under a pipeline: what closed meanwhile is caught up, once, and nothing counts as a failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from devstack.influx import Influxd, InfluxOrg
from devstack.stack import Stack
from tests.support.expect import condition, eventually
from tests.support.lab import CONNECTION, PIPELINE, Influx, Lab
from tests.support.windowed import pipeline, points, prepare, stage, stamp, times, windows

SECOND = timedelta(seconds=1)


@pytest.fixture
def spare(stack: Stack) -> Iterator[Influxd]:
    """An influxd of its own, to be killed."""
    made = stack.new_influx()
    yield made
    made.kill()


def people(spare: Influxd) -> Influx:
    """Its users."""
    org = InfluxOrg(
        spare.url, spare.org, spare.org_id, spare.bucket, spare.bucket_id, spare.username, spare.user_id, spare.token
    )
    return Influx(org)


def connect(lab: Lab, spare: Influxd) -> None:
    """A connection to the spare InfluxDB under the usual name."""
    lab.connection(token=spare.token, url=spare.url, org=spare.org, timeout="5s")
    lab.synced(CONNECTION, "main")


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_windows_of_an_outage_are_caught_up(lab: Lab, spare: Influxd, way: str) -> None:
    """More than ten windows close while InfluxDB is gone (kill -9, or a stop that ends its queries): all run afterwards."""
    influx = people(spare)
    begin = datetime.fromtimestamp(int(time.time()) // 2 * 2 + 2, UTC)
    prepare(influx, "out", "behind")
    influx.new_bucket("source")
    influx.write("source", *points(begin, 600, SECOND))
    connect(lab, spare)
    stages = stage("out", "source"), stage("behind", "out", dependsOn=["out"])
    lab.create(PIPELINE, "env", pipeline(begin, "2s", *stages, circuitBreaker={"consecutiveFailures": 1}))
    eventually("windows have run", lambda: windows(influx), lambda all_: len(all_) >= 4, story=lab.operator.tail)
    gone = datetime.now(UTC)
    if way == "kill":
        spare.kill()
    else:
        spare.stop()
    lab.until(CONNECTION, "main", "is down", lambda one: condition(one)["reason"] == "ConnectionNotReady")
    eventually("ten windows have closed", lambda: datetime.now(UTC), lambda now: now > gone + 22 * SECOND)
    spare.start()
    back = datetime.now(UTC)
    lab.synced(CONNECTION, "main", seconds=60)
    lab.until(PIPELINE, "env", "has caught up", lambda one: one["status"]["watermark"] > stamp(back), seconds=60)
    lab.patch(PIPELINE, "env", suspend=True)
    done = lab.rests(PIPELINE, "env", "Suspended")
    assert done["status"]["windows"]["failed"] == 0
    assert [shown["circuit"] for shown in done["status"]["stages"]] == ["Closed", "Closed"]
    ledger = eventually(
        "the ledger is whole",
        lambda: windows(influx),
        lambda all_: {f"{name} {start}" for name, start in all_} >= {f"behind {stamp(begin)}", f"out {stamp(begin)}"},
    )
    wanted = [stamp(begin + n * 2 * SECOND) for n in range(int((back - begin) / (2 * SECOND)))]
    assert len([start for start in wanted if stamp(gone) < start < stamp(back)]) >= 10
    for name in ("out", "behind"):
        assert [start for stage_, start in sorted(ledger) if stage_ == name][: len(wanted)] == wanted
    assert {(row["state"], row["attempt"], row["revision"]) for row in ledger.values()} == {("SUCCESS", "1", "1")}
    found = times(influx, "behind")
    assert found == times(influx, "source")[: len(found)]
    assert found[-1] >= stamp(back)
    assert not [event for event in lab.events("env") if event["type"] == "Warning"]
