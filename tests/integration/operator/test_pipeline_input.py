"""What users get wrong in a pipeline, on real servers: the message names the place and the remedy, and nothing runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest

from tests.support.expect import condition, eventually, unchanged
from tests.support.lab import CONNECTION, PIPELINE, Lab, fresh
from tests.support.windowed import (
    LEDGER,
    hours_ago,
    pipeline,
    points,
    prepare,
    stage,
    stamp,
    states,
    times,
    windows,
)

HOUR = timedelta(hours=1)
RAW = {"bucket": "raw", "measurement": "env"}

INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "own-source": (
        {"stages": [stage("a", writes="raw", source=RAW, destination=RAW)]},
        "InvalidSpec",
        "spec.stages[0].destination",
    ),
    "cycle": (
        {"stages": [stage("a", writes="out", dependsOn=["b"]), stage("b", writes="out", dependsOn=["a"])]},
        "InvalidSpec",
        "a -> b -> a is a cycle",
    ),
    "itself": ({"stages": [stage("a", writes="out", dependsOn=["a"])]}, "InvalidSpec", "spec.stages[0].dependsOn"),
    "unknown-stage": (
        {"stages": [stage("clean", writes="out"), stage("b", writes="out", dependsOn=["clan"])]},
        "InvalidSpec",
        "did you mean 'clean'?",
    ),
    "finer-child": (
        {"stages": [stage("a", writes="out"), stage("b", writes="out", dependsOn=["a"], window={"every": "15m"})]},
        "InvalidSpec",
        "spec.stages[1].window",
    ),
    "no-multiple": (
        {"stages": [stage("a", writes="out"), stage("b", writes="out", dependsOn=["a"], window={"every": "90m"})]},
        "InvalidSpec",
        "spec.stages[1].window",
    ),
    "unknown-zone": (
        {"window": {"every": "1d", "timezone": "Europe/Berln"}, "stages": [stage("a", writes="out")]},
        "InvalidSpec",
        "spec.window.timezone",
    ),
    "period-too-short": (
        {"window": {"every": "1h", "period": "30m"}, "stages": [stage("a", writes="out")]},
        "InvalidSpec",
        "spec.window.period",
    ),
    "own-window": (
        {
            "stages": [
                stage(
                    "a",
                    writes="out",
                    first="option v = {timeRangeStart: -1h, timeRangeStop: now(), windowPeriod: 1h}\n",
                )
            ]
        },
        "InvalidScript",
        "`option v` itself",
    ),
    "bad-flux": ({"stages": [{"name": "a", "flux": "x = y + 1\n"}]}, "InvalidScript", "spec.stages[0] (a)"),
}


@pytest.fixture(scope="module", autouse=True)
def buckets(crowd: Lab) -> None:
    """Where all of them might write."""
    prepare(crowd.influx, "out")


@pytest.mark.parametrize("case", INVALID)
def test_a_spec_that_cannot_run_is_refused(crowd: Lab, case: str) -> None:
    """Stalled, with the path."""
    fields, reason, words = INVALID[case]
    name = fresh()
    crowd.create(PIPELINE, name, {**pipeline(hours_ago(2), "1h"), **fields})
    found = crowd.rests(PIPELINE, name, reason, words)
    assert condition(found, "Stalled").get("status") == "True"
    assert "windows" not in found["status"]
    crowd.delete(PIPELINE, name)


def test_a_missing_ledger_is_waited_for(lab: Lab) -> None:
    """The message says which bucket; once it exists the pipeline runs by itself."""
    lab.influx.new_bucket("out")
    lab.connect()
    begin = hours_ago(2)
    lab.influx.write("raw", *points(begin, 2, HOUR))
    lab.create(PIPELINE, "env", pipeline(begin, "1h", stage("out")))
    lab.rests(PIPELINE, "env", "DependencyNotReady", "spec.ledger", LEDGER, "RetentionPolicy")
    asked = stamp(datetime.now(UTC))
    lab.annotate(PIPELINE, "env", reconcile_requested_at=asked)
    lab.until(PIPELINE, "env", "echoes", lambda one: one["status"].get("lastHandledReconcileAt") == asked)
    lab.influx.new_bucket(LEDGER)
    lab.synced(PIPELINE, "env")
    lab.in_influx("it runs", lambda: states(lab.influx, "out"), lambda found: found == ["SUCCESS"] * 2)


def test_a_ledger_that_forgets_too_early_is_refused(lab: Lab) -> None:
    """Its retention must cover the longest window and lateness.allowed."""
    lab.influx.new_bucket("out")
    lab.influx.new_bucket(LEDGER, seconds=86400, shard_group=3600)
    lab.connect()
    late = {"allowed": "7d", "checkEvery": "1h"}
    lab.create(PIPELINE, "env", pipeline(hours_ago(2), "1h", stage("out", source=RAW), lateness=late))
    lab.rests(PIPELINE, "env", "InvalidSpec", "spec.ledger", "raise its retention")


def test_a_begin_in_the_future_is_waited_for(lab: Lab) -> None:
    """Nothing runs, and nextWindow says when it will."""
    prepare(lab.influx, "out")
    lab.connect()
    begin = hours_ago(-5)
    lab.create(PIPELINE, "env", pipeline(begin, "1h", stage("out")))
    lab.synced(PIPELINE, "env")
    found = lab.until(PIPELINE, "env", "tells the first window", lambda one: "nextWindow" in one["status"])
    assert found["status"]["nextWindow"] == {"start": stamp(begin), "stop": stamp(begin + HOUR)}
    lab.sweeps()
    assert windows(lab.influx) == {}


def test_millions_of_windows_are_paced(lab: Lab) -> None:
    """A window each second since a year ago: the newest maxWindows run, the rest is given up and told; memory stays."""
    prepare(lab.influx, "out")
    lab.connect()
    before = psutil.Process(lab.operator.process.pid).memory_info().rss
    begin = hours_ago(24 * 365)
    lab.create(PIPELINE, "env", pipeline(begin, "1s", stage("out"), catchUp={"maxWindows": 100}))
    told = lab.event("env", "GivenUp")
    assert "more than 100 windows (spec.catchUp.maxWindows)" in told["note"]
    now = datetime.now(UTC)
    found = lab.until(PIPELINE, "env", "has caught up", lambda one: one["status"].get("watermark", "") > stamp(now))
    assert sum(found["status"]["windows"][name] for name in ("pending", "ready", "running", "failed")) <= 110
    grown = psutil.Process(lab.operator.process.pid).memory_info().rss - before
    assert grown < 100 << 20, f"{grown >> 20} MiB more"
    assert len(windows(lab.influx)) < 500
    lab.delete(PIPELINE, "env")
    lab.gone(PIPELINE, "env")


def test_a_pipeline_that_is_deleted_runs_no_more(lab: Lab) -> None:
    """It goes at once, in the middle of its windows, and nothing runs afterwards."""
    prepare(lab.influx, "out")
    lab.connect()
    lab.create(PIPELINE, "env", pipeline(hours_ago(500), "1h", stage("out"), concurrency={"maxActiveWindows": 2}))
    lab.in_influx("it runs", lambda: windows(lab.influx))
    lab.delete(PIPELINE, "env")
    lab.gone(PIPELINE, "env")

    def runs() -> float:
        name = f"{lab.namespace}/main"
        return lab.operator.metric("influxops_influx_requests_total", connection=name, operation="run_script")

    eventually("its last run has ended", lambda: (runs(), lab.sweeps(), runs()), lambda seen: seen[0] == seen[2])
    assert lab.operator.lines(level="error", namespace=lab.namespace) == []


def test_stages_are_renamed_and_removed_while_they_run(lab: Lab) -> None:
    """The new ones run over windows from then on, what the old ones made stays, and no state of theirs is in the way."""
    begin = datetime.now(UTC).replace(microsecond=0)
    prepare(lab.influx, "out", "behind")
    lab.influx.write("raw", *points(begin, 300, timedelta(seconds=1)))
    lab.connect()
    out, behind = stage("out"), stage("behind", "out", dependsOn=["out"])
    lab.create(PIPELINE, "env", pipeline(begin, "1s", out, behind))
    lab.in_influx("they run", lambda: states(lab.influx, "behind"), lambda all_: len(all_) >= 3)
    lab.patch(PIPELINE, "env", stages=[{**out, "name": "renamed"}])
    changed = datetime.now(UTC)
    found = lab.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(changed), 75)
    assert [one["name"] for one in found["status"]["stages"]] == ["renamed"]
    lab.in_influx("the new one runs", lambda: states(lab.influx, "renamed"), lambda all_: len(all_) >= 2)
    lab.patch(PIPELINE, "env", suspend=True)
    lab.rests(PIPELINE, "env", "Suspended")
    copied = times(lab.influx, "out")
    assert copied == times(lab.influx, "raw")[: len(copied)]


def test_a_rotated_token_and_a_suspended_connection_lose_no_window(lab: Lab) -> None:
    """The old token dies while windows run, and the connection is suspended for a while: all run, and none has failed."""
    begin = datetime.now(UTC).replace(microsecond=0)
    prepare(lab.influx, "out")
    lab.influx.write("raw", *points(begin, 300, timedelta(seconds=1)))
    rights = [f"{verb}:{kind}" for kind in ("buckets", "tasks", "orgs", "users") for verb in ("read", "write")]
    old_id, old = lab.influx.token(lab.stack, *rights)
    lab.connection(token=old)
    lab.synced(CONNECTION, "main")
    lab.create(PIPELINE, "env", pipeline(begin, "1s", stage("out"), circuitBreaker={"consecutiveFailures": 1}))
    lab.in_influx("it runs", lambda: states(lab.influx, "out"), lambda all_: len(all_) >= 2)
    lab.stack.influx.call("DELETE", f"/api/v2/authorizations/{old_id}")
    lab.rests(CONNECTION, "main", "Unauthorized")
    lab.secret(token=lab.org.token)
    lab.synced(CONNECTION, "main")
    rotated = datetime.now(UTC)
    lab.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(rotated), 75)
    lab.patch(CONNECTION, "main", suspend=True)
    lab.rests(CONNECTION, "main", "Suspended")
    last = unchanged("the ledger rests", lambda: sorted(windows(lab.influx)), 9)[-1]
    eventually("three windows have closed", lambda: datetime.now(UTC), lambda now: now > rotated + timedelta(seconds=8))
    assert max(windows(lab.influx))[1] <= last[1], "nothing runs while the connection is suspended"
    lab.patch(CONNECTION, "main", suspend=False)
    resumed = datetime.now(UTC)
    done = lab.until(PIPELINE, "env", "goes on", lambda one: one["status"].get("watermark", "") > stamp(resumed), 75)
    assert done["status"]["windows"]["failed"] == 0
    assert done["status"]["stages"][0]["circuit"] == "Closed"
    wanted = [stamp(begin + n * timedelta(seconds=1)) for n in range(int((resumed - begin).total_seconds()))]
    ledger = lab.in_influx("the ledger has them", lambda: windows(lab.influx), lambda all_: len(all_) >= len(wanted))
    assert {(row["state"], row["attempt"]) for row in ledger.values()} == {("SUCCESS", "1")}
    assert [start for _, start in sorted(ledger)][: len(wanted)] == wanted
