"""InfluxPipeline on real servers: stages run over windows in the order of their dependencies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.expect import condition
from tests.support.lab import BACKFILL, PIPELINE, Lab, Object

CLEAN = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
    |> filter(fn: (r) => r._value >= -40.0 and r._value <= 85.0)
    |> to(bucket: "clean")
"""
HOURLY = """\
data = from(bucket: "clean")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
data |> aggregateWindow(every: 1h, fn: sum, createEmpty: false, timeSrc: "_start")
    |> set(key: "_field", value: "temperature_sum") |> to(bucket: "hourly")
data |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")
    |> set(key: "_field", value: "temperature_count") |> to(bucket: "hourly")
"""
DAILY = """\
from(bucket: "hourly")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env")
    |> group(columns: ["_measurement", "_field", "sensor"])
    |> sum()
    |> map(fn: (r) => ({r with _time: v.timeRangeStart}))
    |> to(bucket: "daily")
"""


def buckets(lab: Lab) -> None:
    """The buckets of the pipeline, and its ledger."""
    for name in ("clean", "hourly", "daily", "influxops-ledger"):
        lab.influx.new_bucket(name)


def stages() -> list[dict[str, object]]:
    """Clean, hourly and daily."""
    return [
        {"name": "clean", "flux": CLEAN, "source": {"bucket": "raw", "measurement": "env"}},
        {"name": "hourly", "flux": HOURLY, "dependsOn": ["clean"]},
        {"name": "daily", "flux": DAILY, "dependsOn": ["hourly"], "window": {"every": "1d"}},
    ]


def lines_of(begin: datetime, days: int) -> list[str]:
    """144 points a day of three sensors."""
    return [
        f"env,sensor=s{sensor} temperature={minute % 50 + sensor}.5 {int((begin + timedelta(minutes=minute)).timestamp())}"
        for minute in range(0, days * 1440, 10)
        for sensor in range(3)
    ]


def spec_of(begin: datetime, **spec: object) -> dict[str, object]:
    """Three stages over hours and days."""
    return {
        "connectionRef": {"name": "main"},
        "window": {"every": "1h"},
        "begin": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "stages": stages(),
        **spec,
    }


def caught_up(lab: Lab, until: datetime) -> Object:
    """Wait until every window that ends by then is settled and none waits."""

    def settled(one: Object) -> bool:
        status = one["status"]
        windows = status.get("windows") or {}
        busy = windows.get("ready", 1) + windows.get("running", 1) + windows.get("pending", 1)
        return bool(status.get("watermark", "") >= f"{until:%Y-%m-%dT%H:%M:%SZ}" and not busy)

    return lab.until(PIPELINE, "env", "has caught up", settled)


def records(lab: Lab) -> dict[tuple[str, str], str]:
    """Revision by stage and start of window, as the ledger has it."""
    rows = lab.influx.rows(
        'from(bucket: "influxops-ledger") |> range(start: 0) '
        '|> filter(fn: (r) => r._measurement == "window_state" and r._field == "revision") |> group()'
    )
    return {(row["stage"], row["_time"]): row["_value"] for row in rows}


def changed(before: dict[tuple[str, str], str], after: dict[tuple[str, str], str]) -> set[tuple[str, str]]:
    """Windows that ran again."""
    return {place for place, revision in after.items() if before.get(place, revision) != revision}


def daily_counts(lab: Lab) -> list[int]:
    """Points by day and sensor."""
    rows = lab.influx.rows(
        'from(bucket: "daily") |> range(start: 0) |> filter(fn: (r) => r._field == "temperature_count") |> group() '
        '|> sort(columns: ["_time", "sensor"])'
    )
    return [int(row["_value"]) for row in rows]


def test_windows_run_in_order_and_are_told(lab: Lab) -> None:
    """From begin to now: each hour is cleaned and rolled up, each day after all its hours; the status tells it."""
    buckets(lab)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=2)
    lab.influx.write("raw", *lines_of(begin, days=2))
    lab.connect()
    lab.create(PIPELINE, "env", spec_of(begin))
    done = caught_up(lab, today)
    assert condition(done)["status"] == "True"
    assert not done["status"].get("exceptions")
    assert daily_counts(lab) == [144] * 6


def test_late_points_run_their_windows_again(lab: Lab) -> None:
    """Two late points in two old hours: these hours and their days run again, nothing else, and the counts are right again."""
    buckets(lab)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=2)
    lab.influx.write("raw", *lines_of(begin, days=2))
    lab.connect()
    lab.create(PIPELINE, "env", spec_of(begin, lateness={"allowed": "5d", "checkEvery": "1s"}))
    caught_up(lab, today)
    before = lab.in_influx(
        "the ledger has all windows of the two days",
        lambda: records(lab),
        lambda now: sum(start < f"{today:%Y-%m-%dT%H:%M:%SZ}" for _, start in now) == 98,
    )
    late = [begin + timedelta(hours=5, minutes=3), begin + timedelta(hours=30, minutes=7)]
    lab.influx.write("raw", *(f"env,sensor=s0 temperature=7.5 {int(moment.timestamp())}" for moment in late))
    lab.until(PIPELINE, "env", "has run the late windows", lambda one: one["status"].get("lateWindows") == 2)
    caught_up(lab, today)
    after = lab.in_influx("the ledger tells of them", lambda: records(lab), lambda now: len(changed(before, now)) == 6)
    hours = {moment.replace(minute=0) for moment in late}
    days = {moment.replace(hour=0, minute=0) for moment in late}
    assert changed(before, after) == {
        *((stage, f"{hour:%Y-%m-%dT%H:%M:%SZ}") for stage in ("clean", "hourly") for hour in hours),
        *(("daily", f"{day:%Y-%m-%dT%H:%M:%SZ}") for day in days),
    }
    assert daily_counts(lab) == [145, 144, 144, 145, 144, 144]


def test_a_backfill_runs_what_is_older(lab: Lab) -> None:
    """Windows before begin are run by an InfluxBackfill, and only those; its status counts them."""
    buckets(lab)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    old, begin = today - timedelta(days=4), today - timedelta(days=1)
    lab.influx.write("raw", *lines_of(old, days=4))
    lab.connect()
    lab.create(PIPELINE, "env", spec_of(begin))
    caught_up(lab, today)
    span = {"start": f"{old:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{begin:%Y-%m-%dT%H:%M:%SZ}"}
    lab.create(BACKFILL, "older", {"pipelineRef": {"name": "env"}, **span})
    done = lab.until(BACKFILL, "older", "is done", lambda one: one["status"].get("phase") == "Succeeded", seconds=60)
    assert (done["status"]["progress"], done["status"]["failed"]) == ("147/147", 0)
    assert daily_counts(lab) == [144] * 12
    assert condition(done)["status"] == "True"


def test_what_comes_too_late_is_told_and_not_run(lab: Lab) -> None:
    """A point in a window older than lateness.allowed: an exception and an event name it, and no window runs again."""
    buckets(lab)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=2)
    lab.influx.write("raw", *lines_of(begin, days=2))
    lab.connect()
    lab.create(PIPELINE, "env", spec_of(begin, lateness={"allowed": "1h", "checkEvery": "1s"}))
    caught_up(lab, today)
    before = lab.in_influx(
        "the ledger has all windows of the two days",
        lambda: records(lab),
        lambda now: sum(start < f"{today:%Y-%m-%dT%H:%M:%SZ}" for _, start in now) == 98,
    )
    moment = begin + timedelta(hours=5, minutes=3)
    lab.influx.write("raw", f"env,sensor=s0 temperature=7.5 {int(moment.timestamp())}")
    lab.patch(PIPELINE, "env", lateness={"allowed": "2h", "checkEvery": "2s"})
    told = lab.until(
        PIPELINE,
        "env",
        "tells of it",
        lambda one: [e["reason"] for e in one["status"].get("exceptions", [])] == ["TooLate"],
    )
    (odd,) = told["status"]["exceptions"]
    assert odd["window"]["start"] == f"{begin:%Y-%m-%dT%H:%M:%SZ}"
    assert "432 points when they ran and has 433 now" in odd["message"]
    assert "not run again" in lab.event("env", "TooLate")["note"]
    assert changed(before, records(lab)) == set()
