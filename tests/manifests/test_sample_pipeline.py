"""The stages of the sample pipeline, run by hand over windows on a real InfluxDB: what their checks will ask for holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from devstack.influx import InfluxOrg
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.core.conditions import rfc3339
from influxops.core.pipeline.faults import pipeline_faults
from influxops.core.pipeline.windows.edges import parents_of
from influxops.core.pipeline.windows.window import Window
from tests.manifests.support import MANIFESTS
from tests.support.lab import Influx

SPEC = InfluxPipelineSpec.model_validate(
    yaml.safe_load((MANIFESTS / "samples/pipeline-climate.yaml").read_text())["spec"]
)
NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SENSORS = (("s1", "lab", 21.0), ("s2", "oven", 31.0))


@pytest.fixture
def influx(influx_org: InfluxOrg) -> Influx:
    """Two hours of two sensors every 30 s; one value that no sensor can mean."""
    made = Influx(influx_org)
    for bucket in {stage.destination.bucket for stage in SPEC.stages if stage.destination}:
        made.new_bucket(bucket)
    lines = []
    for step in range(240):
        at = int((NOW - timedelta(hours=2) + timedelta(seconds=30 * step)).timestamp())
        for sensor, room, value in SENSORS:
            lines.append(f"climate,sensor={sensor},room={room} temperature={value + step % 3},humidity=40 {at}")
    at = int((NOW - timedelta(seconds=15)).timestamp())
    made.write("raw", *lines, f"climate,sensor=s1,room=lab temperature=4000,humidity=40 {at}")
    return made


def _run(influx: Influx, name: str, window: Window) -> None:
    stage = next(stage for stage in SPEC.stages if stage.name == name)
    seconds = int((window.stop - window.start).total_seconds())
    start, stop = rfc3339(window.start), rfc3339(window.stop)
    option = f"option v = {{timeRangeStart: {start}, timeRangeStop: {stop}, windowPeriod: {seconds}s}}\n"
    influx.rows(option + str(stage.flux))


def _read(influx: Influx, bucket: str, measurement: str) -> list[dict[str, Any]]:
    """Tables of several types come with a header each, which is no row."""
    flux = f'from(bucket: "{bucket}") |> range(start: -2d, stop: 1d)'
    rows = influx.rows(f'{flux} |> filter(fn: (r) => r._measurement == "{measurement}")')
    return [row for row in rows if row["_time"] != "_time"]


def test_points_come_through_from_the_first_bucket_to_the_last(influx: Influx) -> None:
    """Counts and sums are kept on the way, the impossible value is not, and the oven sets off the alert."""
    _, cadences, faults = pipeline_faults(SPEC, NOW)
    assert faults == []
    day = next(cadences["daily"].windows_touching(NOW - timedelta(minutes=1), NOW))
    hours = [hour for hour in parents_of(cadences["daily"], day, cadences["hourly"]) if hour.stop <= NOW][-2:]
    for hour in hours:
        minutes = parents_of(cadences["hourly"], hour, cadences["enriched"])
        assert len(minutes) == 60
        for minute in minutes:
            _run(influx, "validated", minute)
            _run(influx, "enriched", minute)
        _run(influx, "hourly", hour)
    _run(influx, "daily", day)
    _run(influx, "alerts", minutes[-1])

    enriched = _read(influx, "enriched", "climate")
    assert {row["_field"] for row in enriched} == {"temperature", "humidity", "dew_point"}
    assert max(float(row["_value"]) for row in enriched) < 100
    counted = [row for row in _read(influx, "hourly", "climate") if row["_field"] == "temperature_count"]
    assert sum(int(row["_value"]) for row in counted) == len(
        [row for row in enriched if row["_field"] == "temperature"]
    )
    daily = _read(influx, "daily", "climate")
    assert {row["_time"] for row in daily} == {rfc3339(day.start)}
    temperature = sum(float(row["_value"]) for row in enriched if row["_field"] == "temperature")
    assert sum(float(row["_value"]) for row in daily if row["_field"] == "temperature_sum") == pytest.approx(
        temperature
    )
    assert {row["sensor"] for row in _read(influx, "alerts", "climate_alert")} == {"s2"}
