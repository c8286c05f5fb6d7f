"""Stages that fail: retries, circuits, what waits behind them, and how one repair heals all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from influxops.core.conditions import rfc3339
from tests.support.expect import condition, eventually
from tests.support.lab import PIPELINE, Lab, Object
from tests.support.windowed import (
    BROKEN,
    GUARD,
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


def shown(one: Object, name: str) -> Object:
    """A stage in the status."""
    found: list[Object] = [item for item in one["status"].get("stages") or [] if item["name"] == name]
    return found[0] if found else {}


def reasons(one: Object, name: str) -> set[str]:
    """Why windows of a stage are exceptions."""
    return {item["reason"] for item in one["status"].get("exceptions") or [] if item["stage"] == name}


def settled(one: Object, begin: datetime, count: int) -> bool:
    """Whether so many windows of an hour are settled, and none waits or has failed."""
    status = one["status"]
    counts = status.get("windows") or {"pending": 1}
    idle = not any(counts.get(state) for state in ("pending", "ready", "running", "failed"))
    return idle and bool(status.get("watermark", "") >= stamp(begin + count * HOUR))


def test_one_repair_heals_all(lab: Lab) -> None:
    """Retries with growing waits, then FAILED; descendants wait and say so; a branch beside goes on; a good script heals all."""
    begin = hours_ago(3)
    prepare(lab.influx, "bad", "behind", "beside")
    lab.influx.write("raw", *points(begin, 6, HOUR / 2))
    lab.connect()
    bad, behind, beside = stage("bad", first=BROKEN), stage("behind", "bad", dependsOn=["bad"]), stage("beside")
    breaker = {"consecutiveFailures": 1000}
    lab.create(PIPELINE, "env", pipeline(begin, "1h", bad, behind, beside, circuitBreaker=breaker))
    failed = lab.until(PIPELINE, "env", "has failed windows", lambda one: shown(one, "bad").get("failed") == 3)
    waiting = lab.until(PIPELINE, "env", "tells", lambda one: reasons(one, "behind") == {"UpstreamFailed"})
    assert shown(waiting, "behind")["waiting"] == 3
    assert condition(failed, "Failing")["status"] == "True"
    assert "broken on purpose" in condition(failed, "Failing")["message"]
    lab.in_influx(
        "the branch beside went on", lambda: states(lab.influx, "beside"), lambda all_: all_ == ["SUCCESS"] * 3
    )
    rows = [
        row
        for (name, _), row in lab.in_influx("ledger", lambda: windows(lab.influx), lambda _: True).items()
        if name == "bad"
    ]
    for row in rows:
        assert (row["state"], row["attempt"]) == ("FAILED", "3")
        assert int(row["finished_at"]) - int(row["ready_at"]) >= 3_000_000_000, "waits of 1 s and 2 s lie between"
    assert failed["status"]["watermark"] == stamp(begin)
    assert times(lab.influx, "behind") == []

    lab.patch(PIPELINE, "env", stages=[stage("bad"), behind, beside])
    done = lab.until(PIPELINE, "env", "is healed", lambda one: settled(one, begin, 3))
    assert not done["status"].get("exceptions")
    assert not condition(done, "Failing")
    assert times(lab.influx, "behind") == times(lab.influx, "raw") == times(lab.influx, "beside")
    ended = lab.in_influx(
        "all succeeded",
        lambda: windows(lab.influx),
        lambda all_: len(all_) == 9 and {row["state"] for row in all_.values()} == {"SUCCESS"},
    )
    assert {row["cause"] for (name, _), row in ended.items() if name == "bad"} == {"Repair"}


def test_an_open_circuit_is_tried_by_time(lab: Lab) -> None:
    """A destination vanishes: the circuit opens and only that stage is left alone; the bucket is back, and a trial heals all."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    prepare(lab.influx, "out", "behind", "beside")
    lab.influx.write("raw", *points(begin, 240, timedelta(seconds=1)))
    lab.connect()
    out, behind, beside = stage("out"), stage("behind", "out", dependsOn=["out"]), stage("beside")
    breaker = {"consecutiveFailures": 3, "openFor": "4s"}
    lab.create(PIPELINE, "env", pipeline(begin, "2s", out, behind, beside, circuitBreaker=breaker))
    lab.in_influx("windows have run", lambda: states(lab.influx, "behind"), lambda all_: len(all_) >= 2)
    lab.influx.call("DELETE", f"buckets/{lab.influx.bucket('out')['id']}")
    opened = lab.until(PIPELINE, "env", "circuit", lambda one: shown(one, "out").get("circuit") == "Open")
    assert "out" in condition(opened, "CircuitOpen")["message"]
    lab.event("env", "CircuitOpen")
    until = datetime.now(UTC).replace(microsecond=0)
    lab.in_influx("beside goes on", lambda: max(times(lab.influx, "beside")), lambda last: last > stamp(until))
    lab.influx.new_bucket("out")
    healed = lab.until(
        PIPELINE,
        "env",
        "is healed",
        lambda one: shown(one, "out")["circuit"] == "Closed" and one["status"]["watermark"] > stamp(until),
    )
    assert shown(healed, "out")["failed"] == 0
    lab.patch(PIPELINE, "env", suspend=True)
    lab.rests(PIPELINE, "env", "Suspended")
    ended = [row for row in windows(lab.influx).values() if row["_time"] < stamp(until)]
    assert {row["state"] for row in ended} == {"SUCCESS"}
    assert len({sum(row["stage"] == name for row in ended) for name in ("out", "behind", "beside")}) == 1
    found = times(lab.influx, "behind")
    assert found == [time for time in times(lab.influx, "raw") if found[0] <= time <= found[-1]]


def test_a_bucket_that_is_missing_holds_back_its_stage_and_no_other(lab: Lab) -> None:
    """The branch beside runs; the windows that wait say for which bucket, none has failed, and once it exists they run."""
    begin = hours_ago(3)
    prepare(lab.influx, "behind", "beside")
    lab.influx.write("raw", *points(begin, 3, HOUR))
    lab.connect()
    out, behind, beside = stage("out"), stage("behind", "out", dependsOn=["out"]), stage("beside")
    lab.create(PIPELINE, "env", pipeline(begin, "1h", out, behind, beside))
    lab.rests(PIPELINE, "env", "DependencyNotReady", "spec.stages[0] (out)", "'out'", "RetentionPolicy")
    lab.in_influx("the branch beside runs", lambda: states(lab.influx, "beside"), lambda all_: all_ == ["SUCCESS"] * 3)
    held = lab.until(PIPELINE, "env", "tells", lambda one: reasons(one, "out") == {"DependencyNotReady"})
    assert (shown(held, "out")["waiting"], shown(held, "out")["failed"]) == (3, 0)
    assert states(lab.influx, "out") == []
    lab.influx.new_bucket("out")
    lab.synced(PIPELINE, "env")
    lab.until(PIPELINE, "env", "has caught up", lambda one: settled(one, begin, 3))
    assert times(lab.influx, "behind") == times(lab.influx, "raw")


def test_windows_that_failed_run_again_when_asked(lab: Lab) -> None:
    """The cause was outside: after it is mended, the annotation runs the failed windows again, and what waits for them."""
    begin = hours_ago(3)
    prepare(lab.influx, "out", "behind", "switch")
    lab.influx.write("raw", *points(begin, 3, HOUR))
    lab.connect()
    out, behind = stage("out", first=GUARD), stage("behind", "out", dependsOn=["out"])
    spec = pipeline(begin, "1h", out, behind, retry={"limit": 0}, circuitBreaker={"consecutiveFailures": 1000})
    lab.create(PIPELINE, "env", spec)
    failed = lab.until(PIPELINE, "env", "has failed windows", lambda one: shown(one, "out").get("failed") == 3)
    assert reasons(failed, "out") == {"RunFailed"}
    lab.influx.write("switch", "switch on=1 1")
    lab.sweeps()
    assert states(lab.influx, "out") == ["FAILED"] * 3
    asked = rfc3339(datetime.now(UTC))
    lab.annotate(PIPELINE, "env", reconcile_requested_at=asked)
    done = lab.until(PIPELINE, "env", "is healed", lambda one: settled(one, begin, 3))
    assert done["status"]["lastHandledReconcileAt"] == asked
    assert times(lab.influx, "behind") == times(lab.influx, "raw")


def test_nothing_starts_while_it_is_suspended(lab: Lab) -> None:
    """Windows that are due wait while spec.suspend is true, and run when it is not."""
    begin = hours_ago(3)
    prepare(lab.influx, "out")
    lab.influx.write("raw", *points(begin, 3, HOUR))
    lab.connect()
    lab.create(PIPELINE, "env", pipeline(begin, "1h", stage("out"), suspend=True))
    lab.rests(PIPELINE, "env", "Suspended")
    lab.until(PIPELINE, "env", "three windows wait", lambda one: shown(one, "out").get("waiting") == 3)
    lab.sweeps()
    assert times(lab.influx, "out") == []
    lab.patch(PIPELINE, "env", suspend=False)
    lab.until(PIPELINE, "env", "has run them", lambda one: settled(one, begin, 3))
    assert times(lab.influx, "out") == times(lab.influx, "raw")


def test_a_pipeline_without_begin_that_is_made_anew_leaves_no_hole(lab: Lab) -> None:
    """`kubectl replace --force` with a script that is mended: what had failed runs, and what closed in between."""
    influx = lab.influx
    prepare(influx, "fine", "mended")
    begun = datetime.now(UTC)
    influx.write("raw", *points(begun - timedelta(minutes=1), 400, timedelta(seconds=1)))
    lab.connect()
    spec = pipeline(begun, "5s", stage("fine"), stage("mended", first=BROKEN))
    del spec["begin"]
    lab.create(PIPELINE, "env", spec)
    eventually(
        "windows have failed", lambda: states(influx, "mended"), lambda all_: "FAILED" in all_, story=lab.operator.tail
    )
    lab.delete(PIPELINE, "env")
    lab.gone(PIPELINE, "env")
    gone = datetime.now(UTC)
    eventually("a window has closed", lambda: datetime.now(UTC), lambda now: now > gone + timedelta(seconds=11))
    spec["stages"] = [stage("fine"), stage("mended")]
    lab.create(PIPELINE, "env", spec)
    lab.until(
        PIPELINE,
        "env",
        "goes on",
        lambda one: one.get("status", {}).get("watermark", "") > stamp(gone + timedelta(seconds=15)),
    )
    for name in ("fine", "mended"):
        ran = sorted(start for (of, start), row in windows(influx).items() if of == name and row["state"] == "SUCCESS")
        first, last = (datetime.fromisoformat(one) for one in (ran[0], ran[-1]))
        assert first < gone - timedelta(seconds=5)
        assert len(ran) == (last - first) // timedelta(seconds=5) + 1
