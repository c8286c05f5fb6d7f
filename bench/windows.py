"""What the benchmarks of pipelines work on: raw points, scripts over windows, and the objects that have them run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from bench.clients import GROUP, Influx, in_parallel
from bench.site import CONNECTION, NAMESPACE, Site

PIPELINES = f"{GROUP}/namespaces/{NAMESPACE}/influxpipelines"
BACKFILLS = f"{GROUP}/namespaces/{NAMESPACE}/influxbackfills"
LEDGER = "influxops-ledger"
HOURLY = "hourly"
WINDOWS = int(os.environ.get("BENCH_WINDOWS", "720"))
"""Of one hour each: thirty days."""
SERIES = 60
STEP = int(os.environ.get("BENCH_STEP", "10"))
"""Seconds between two points of a series."""
MEAN = """\
from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
    |> aggregateWindow(every: 5m, fn: mean, createEmpty: false, timeSrc: "_start")
    |> to(bucket: "hourly")
"""
"""One downsampling: 21,600 points of a window become 720."""
COUNTED = """\
data = from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._field == "temperature")
means = data |> aggregateWindow(every: 5m, fn: mean, createEmpty: false, timeSrc: "_start")
counts = data |> aggregateWindow(every: 5m, fn: count, createEmpty: false, timeSrc: "_start") |> toFloat()
    |> set(key: "_field", value: "temperature_count")
union(tables: [means, counts]) |> to(bucket: "checked")
"""
"""The same with the number of points beside each mean, so that every check has what it needs."""
CHECKS: list[dict[str, Any]] = [
    {"type": "RowCount", "min": 1},
    {"type": "Coverage"},
    {"type": "Conservation", "countField": "temperature_count"},
    {"type": "Checksum"},
]


@dataclass(frozen=True, slots=True)
class Range:
    """Windows of one hour, from ``start`` to ``stop``."""

    start: datetime
    stop: datetime

    @classmethod
    def latest(cls) -> Range:
        """The last ``WINDOWS`` hours that have closed."""
        stop = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        return cls(stop - timedelta(hours=WINDOWS), stop)

    def windows(self) -> list[tuple[str, str]]:
        """Start and stop of each."""
        hours = int((self.stop - self.start).total_seconds()) // 3600
        ends = [rfc3339(self.start + timedelta(hours=hour)) for hour in range(hours + 1)]
        return list(pairwise(ends))


def rfc3339(moment: datetime) -> str:
    """As manifests and scripts have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


async def write_points(site: Site, span: Range) -> None:
    """Fill the bucket ``raw``: 60 series of a point every 10 s."""
    async with Influx(site) as influx:
        first = int(span.start.timestamp())
        hours = list(range(first, int(span.stop.timestamp()), 3600))
        await in_parallel(hours, lambda hour: influx.write("raw", _lines(hour)), workers=4)


def _lines(hour: int) -> bytes:
    return "\n".join(
        f"env,sensor=s{sensor:02d} temperature={sensor + moment % 997 / 8} {moment}"
        for sensor in range(SERIES)
        for moment in range(hour, hour + 3600, STEP)
    ).encode()


def pipeline(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """An InfluxPipeline."""
    return _object("InfluxPipeline", name, {"connectionRef": {"name": CONNECTION}, **spec})


def backfill(name: str, pipeline_name: str, span: Range, active: int) -> dict[str, Any]:
    """An InfluxBackfill that runs every window of the range, whether it has run before or not."""
    spec = {
        "pipelineRef": {"name": pipeline_name},
        "start": rfc3339(span.start),
        "stop": rfc3339(span.stop),
        "reprocess": "Completed",
        "maxActiveWindows": active,
    }
    return _object("InfluxBackfill", name, spec)


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "influxops.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}
