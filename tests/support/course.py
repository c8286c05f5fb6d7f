"""The pipeline of the known answers: validate, enrich, hourly, daily by Berlin's calendar, alerts; with every check on."""

from __future__ import annotations

from tests.support import past, sensors
from tests.support.lab import Lab
from tests.support.sensors import HOUR, Place, Readings

ZONE = "Europe/Berlin"
STAGES = ("validate", "enrich", "hourly", "daily", "alerts")
BUCKETS = {"validate": "clean", "enrich": "enriched", "hourly": "hourly", "daily": "daily", "alerts": "alerts"}

VALIDATE = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
    |> filter(fn: (r) => r._value >= -40.0 and r._value <= 85.0)
    |> to(bucket: "clean")
"""
ENRICH = """\
known = from(bucket: "meta")
    |> range(start: 0)
    |> filter(fn: (r) => r._measurement == "sensor")
    |> pivot(rowKey: ["sensor"], columnKey: ["_field"], valueColumn: "_value")
    |> group()
    |> keep(columns: ["sensor", "site", "offset"])
readings = from(bucket: "clean")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env")
    |> group()
join(tables: {l: readings, r: known}, on: ["sensor"])
    |> map(fn: (r) => ({r with _value: r._value + r.offset}))
    |> drop(columns: ["offset", "_start", "_stop"])
    |> group(columns: ["_measurement", "_field", "sensor", "site"])
    |> to(bucket: "enriched")
"""
"""``join.left`` of the package ``join`` fails on an empty table (``cannot join on an empty table``), and hours may be empty."""
HOURLY = """\
data = from(bucket: "enriched")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
roll = (fn, name) => data
    |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
    |> set(key: "_field", value: name)
roll(fn: sum, name: "temperature_sum") |> to(bucket: "hourly")
roll(fn: count, name: "temperature_count") |> to(bucket: "hourly")
roll(fn: min, name: "temperature_min") |> to(bucket: "hourly")
roll(fn: max, name: "temperature_max") |> to(bucket: "hourly")
"""
DAILY = """\
field = (name) => from(bucket: "hourly")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == name)
dated = (tables=<-) => tables |> map(fn: (r) => ({r with _time: v.timeRangeStart}))
field(name: "temperature_sum") |> sum() |> dated() |> to(bucket: "daily")
field(name: "temperature_count") |> sum() |> dated() |> to(bucket: "daily")
field(name: "temperature_min") |> min() |> dated() |> to(bucket: "daily")
field(name: "temperature_max") |> max() |> dated() |> to(bucket: "daily")
"""
ALERTS = f"""\
field = (name) => from(bucket: "daily")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == name)
alert = (kind, tables=<-) => tables
    |> toFloat()
    |> set(key: "_measurement", value: "alert")
    |> set(key: "_field", value: kind)
    |> to(bucket: "alerts")
field(name: "temperature_max") |> filter(fn: (r) => r._value >= {sensors.HOT}) |> alert(kind: "hot")
field(name: "temperature_count") |> filter(fn: (r) => r._value < {sensors.FEW:.0f}) |> alert(kind: "gap")
"""


def check(type_: str, **fields: object) -> dict[str, object]:
    """A check that blocks."""
    return {"type": type_, "severity": "Error", **fields}


def stages() -> list[dict[str, object]]:
    """The five, with their checks."""
    env = {"measurement": "env"}
    enriched = {"bucket": "enriched", **env, "field": "temperature"}
    conserved = check("Conservation", countField="temperature_count")
    by_sensor = check("Coverage", by=["sensor"])
    return [
        {
            "name": "validate",
            "flux": VALIDATE,
            "source": {"bucket": "raw", **env, "field": "temperature"},
            "destination": {"bucket": "clean", **env},
            "checks": [check("RowCount", max=100), check("Checksum")],
        },
        {
            "name": "enrich",
            "dependsOn": ["validate"],
            "flux": ENRICH,
            "source": {"bucket": "clean", **env},
            "destination": {"bucket": "enriched", **env},
            "checks": [by_sensor, check("Checksum")],
        },
        {
            "name": "hourly",
            "dependsOn": ["enrich"],
            "flux": HOURLY,
            "source": enriched,
            "destination": {"bucket": "hourly", **env},
            "checks": [check("RowCount", min=0, max=24), check("Coverage"), conserved, check("Checksum")],
        },
        {
            "name": "daily",
            "dependsOn": ["hourly"],
            "window": {"every": "1d"},
            "flux": DAILY,
            "source": enriched,
            "destination": {"bucket": "daily", **env},
            "checks": [check("RowCount", min=20, max=24), check("Coverage"), conserved, check("Checksum")],
        },
        {
            "name": "alerts",
            "dependsOn": ["daily"],
            "window": {"every": "1d"},
            "flux": ALERTS,
            "destination": {"bucket": "alerts", "measurement": "alert"},
            "writeDisposition": "Replace",
            "checks": [check("Checksum")],
        },
    ]


def fill(lab: Lab, start: int, stop: int) -> Readings:
    """Make the buckets, write the points (duplicates after the first), and give what stands in ``raw`` then."""
    for bucket in (*BUCKETS.values(), "meta", past.LEDGER):
        lab.influx.new_bucket(bucket)
    first, again = sensors.raw(start, stop)
    lab.influx.write("meta", *sensors.metadata(start))
    write(lab, first)
    write(lab, again)
    return first | again


def write(lab: Lab, readings: Readings) -> None:
    """Write to ``raw``, 20,000 points a request."""
    text = sensors.lines(readings)
    for at in range(0, len(text), 20_000):
        lab.influx.write("raw", *text[at : at + 20_000])


def answers(raw: Readings) -> dict[str, dict[Place, float]]:
    """What has to stand in each bucket."""
    clean = sensors.valid(raw)
    enriched = sensors.enriched(clean)
    daily = sensors.rolled(enriched, sensors.day_of(ZONE))
    return {
        "clean": sensors.as_points(clean, with_site=False),
        "enriched": sensors.as_points(enriched, with_site=True),
        "hourly": sensors.as_rollup(sensors.rolled(enriched, sensors.hour_of)),
        "daily": sensors.as_rollup(daily),
        "alerts": sensors.as_alerts(sensors.alerts(daily)),
    }


def right(lab: Lab, raw: Readings) -> None:
    """Every point of every bucket is what it has to be, and there is no other."""
    for bucket, expected in answers(raw).items():
        past.same(past.points(lab, bucket), expected, bucket)


def windows(start: int, stop: int) -> dict[str, list[int]]:
    """Starts of all windows of each stage in [start, stop)."""
    hours = list(range(start, stop, HOUR))
    days = sorted({sensors.day_of(ZONE)(hour) for hour in hours})
    return {stage: hours if stage in STAGES[:3] else days for stage in STAGES}
