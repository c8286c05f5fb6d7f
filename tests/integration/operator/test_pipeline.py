"""InfluxPipeline on real servers: stages run over windows in the order of their dependencies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.support.expect import condition
from tests.support.lab import PIPELINE, Lab

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


def test_windows_run_in_order_and_are_told(lab: Lab) -> None:
    """From begin to now: each hour is cleaned and rolled up, each day after all its hours; the status tells it."""
    buckets(lab)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin = today - timedelta(days=2)
    lines = [
        f"env,sensor=s{sensor} temperature={minute % 50 + sensor}.5 {int((begin + timedelta(minutes=minute)).timestamp())}"
        for minute in range(0, 2 * 1440, 10)
        for sensor in range(3)
    ]
    lab.influx.write("raw", *lines)
    lab.connect()
    lab.create(
        PIPELINE,
        "env",
        {
            "connectionRef": {"name": "main"},
            "window": {"every": "1h"},
            "begin": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
            "stages": stages(),
        },
    )
    done = lab.until(
        PIPELINE,
        "env",
        "has caught up",
        lambda one: (
            one["status"].get("watermark", "") >= f"{today:%Y-%m-%dT%H:%M:%SZ}"
            and not one["status"]["windows"]["ready"] + one["status"]["windows"]["running"]
        ),
    )
    assert condition(done)["status"] == "True"
    assert not done["status"].get("exceptions")
    rows = lab.influx.rows(
        'from(bucket: "daily") |> range(start: 0) |> filter(fn: (r) => r._field == "temperature_count") |> group() '
        '|> sort(columns: ["_time", "sensor"])'
    )
    assert [(row["_time"], row["sensor"], row["_value"]) for row in rows] == [
        (f"{begin + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}", f"s{sensor}", "144")
        for day in range(2)
        for sensor in range(3)
    ]
