"""Small pipelines for tests of faults: stages that copy points, guarded if wanted, and what the ledger says of their windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.lab import Influx

LEDGER = "influxops-ledger"
QUICK = {"limit": 2, "backoff": {"initial": "1s", "factor": 2.0, "jitter": 0.0}}
GUARD = """\
open = from(bucket: "switch") |> range(start: 0) |> findColumn(fn: (key) => true, column: "_value")
passed = if length(arr: open) > 0 then true else die(msg: "the switch is off")
"""
"""Put before a script: it fails until a point is written to the bucket ``switch``."""
BROKEN = 'broken = die(msg: "broken on purpose")\n'


def copy(reads: str, writes: str) -> str:
    """A script that copies a window from bucket to bucket."""
    return (
        f'from(bucket: "{reads}") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n'
        f'    |> filter(fn: (r) => r._measurement == "env") |> to(bucket: "{writes}")\n'
    )


def stage(name: str, reads: str = "raw", writes: str = "", *, first: str = "", **more: Any) -> dict[str, Any]:
    """A stage that writes into a bucket of its own name unless told otherwise; ``first`` stands before its script."""
    return {"name": name, "flux": first + copy(reads, writes or name), **more}


def pipeline(begin: datetime, every: str, *stages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The spec."""
    return {
        "connectionRef": {"name": "main"},
        "window": {"every": every},
        "begin": stamp(begin),
        "retry": QUICK,
        "stages": list(stages),
        **more,
    }


def stamp(moment: datetime) -> str:
    """As Kubernetes writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def hours_ago(count: int) -> datetime:
    """A full hour."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=count)


def prepare(influx: Influx, *names: str) -> None:
    """Buckets, the ledger's among them."""
    for name in (LEDGER, *names):
        influx.new_bucket(name)


def points(begin: datetime, count: int, step: timedelta) -> list[str]:
    """Points at regular times, as line protocol in seconds."""
    return [f"env,sensor=s0 temperature={n}.5 {int((begin + n * step).timestamp())}" for n in range(count)]


def windows(influx: Influx) -> dict[tuple[str, str], dict[str, str]]:
    """The ledger: fields by stage and start of window."""
    rows = influx.rows(
        f'from(bucket: "{LEDGER}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "window_state") '
        '|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
    )
    return {(row["stage"], row["_time"]): row for row in rows}


def states(influx: Influx, name: str) -> list[str]:
    """States of a stage's windows, oldest first."""
    return [row["state"] for (stage, _), row in sorted(windows(influx).items()) if stage == name]


def times(influx: Influx, bucket: str) -> list[str]:
    """Times of the points in a bucket."""
    rows = influx.rows(f'from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) |> group()')
    return sorted(row["_time"] for row in rows)
