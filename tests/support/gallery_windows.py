"""The part of the gallery whose objects run windows: pipelines, and backfills of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.core.conditions import rfc3339
from tests.support.lab import BACKFILL, PIPELINE, Lab

READS = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n'
FAILS = 'import "array"\narray.from(rows: [{_value: "12,5"}]) |> map(fn: (r) => ({_value: float(v: r._value)}))\n'
"""Right by its types; each run stumbles."""
_AGAIN_TOMORROW = {"limit": 3, "backoff": {"initial": "1d", "max": "1d"}}
Object = dict[str, Any]


def pipeline_spec(**spec: Any) -> Object:
    """One stage over the last two hours."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    return {
        "connectionRef": {"name": "main"},
        "window": {"every": "1h"},
        "begin": rfc3339(begin),
        "stages": [{"name": "hourly", "flux": READS}],
        **spec,
    }


def backfill_spec(pipeline: str, days: int = -2, **spec: Any) -> Object:
    """The 24 windows of a day, so many days from now."""
    start = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days)
    span = {"start": rfc3339(start), "stop": rfc3339(start + timedelta(days=1))}
    return {"pipelineRef": {"name": pipeline}, **span, **spec}


def pipelines(lab: Lab) -> None:
    """One in each state that comes about by itself."""
    lab.influx.new_bucket("influxops-ledger")
    fails = [{"name": "hourly", "flux": FAILS}]
    knot = [
        {"name": "hourly", "flux": READS, "dependsOn": ["daily"]},
        {"name": "daily", "flux": READS, "dependsOn": ["hourly"]},
    ]
    specs: dict[str, Object] = {
        "synced": {},
        "filled": {},
        "changed": {},
        "no-ledger": {"ledger": {"bucket": "nowhere"}},
        "no-connection": {"connectionRef": {"name": "missing"}},
        "cycle": {"stages": knot},
        "failing": {"stages": fails, "retry": {"limit": 0}, "circuitBreaker": {"consecutiveFailures": 100}},
        "circuit-open": {
            "stages": fails,
            "retry": {"limit": 0},
            "circuitBreaker": {"consecutiveFailures": 1, "openFor": "1d"},
        },
        "late": {
            "stages": fails,
            "retry": _AGAIN_TOMORROW,
            "deadline": "1m",
            "circuitBreaker": {"consecutiveFailures": 100},
        },
        "suspended": {"suspend": True},
    }
    for name, spec in specs.items():
        lab.create(PIPELINE, name, pipeline_spec(**spec))


def backfills(lab: Lab) -> None:
    """One in each state; each run of the one that is running waits for its next attempt."""
    lab.create(BACKFILL, "no-pipeline", backfill_spec("missing"))
    lab.create(BACKFILL, "running", backfill_spec("late"))
    lab.create(BACKFILL, "suspended", backfill_spec("filled", days=-3, suspend=True))
    lab.create(BACKFILL, "succeeded", backfill_spec("filled", days=-4))
    lab.create(BACKFILL, "succeeded-suspended", backfill_spec("filled", days=-5))
    lab.create(BACKFILL, "dry-run", backfill_spec("filled", dryRun=True))
    lab.create(BACKFILL, "failed", backfill_spec("failing"))
    lab.create(BACKFILL, "refused", backfill_spec("filled", days=2))
