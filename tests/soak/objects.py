"""The objects of a soak, and what each is to have in InfluxDB."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.soak.site import CONNECTION, SYNC_INTERVAL, Site

TASK, POLICY, PIPELINE, BACKFILL = "InfluxTask", "RetentionPolicy", "InfluxPipeline", "InfluxBackfill"
REF = {"connectionRef": {"name": CONNECTION}}
LEDGER = "influxops-ledger"
MINUTE, FIVE = timedelta(minutes=1), timedelta(minutes=5)
STEP = 10
"""Seconds between two raw points."""
STAGES = {"minutes": (MINUTE, 60.0 / STEP), "fives": (FIVE, 300.0 / STEP)}
"""Length of the windows of each stage, and the value of each of its points: how many raw points are in a window."""
HISTORY = timedelta(hours=8)
"""How far back raw points reach, for backfills."""
BUSY_SHARE = 0.03
"""Share of the tasks that run every half minute."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many objects of each kind there are, as far as users leave them alone."""

    tasks: int
    policies: int
    pipelines: int

    @classmethod
    def of(cls, objects: int) -> Sizes:
        """One in twelve is a policy, one in a hundred a pipeline, at least one of each."""
        policies, pipelines = max(1, objects // 12), min(5, max(1, objects // 100))
        return cls(max(1, objects - policies - pipelines - 1), policies, pipelines)


def connection(site: Site) -> dict[str, Any]:
    """The spec of the InfluxConnection."""
    return {
        "url": site.influx.url,
        "allowInsecure": True,
        "org": site.org.org,
        "tokenSecretRef": {"name": "influx-token", "key": "token"},
        "syncInterval": SYNC_INTERVAL,
    }


def script(chance: random.Random) -> str:
    """A script that is right, of some ten thousand."""
    return (
        f'from(bucket: "raw")\n    |> range(start: -{chance.randint(1, 60)}m)\n'
        f'    |> filter(fn: (r) => r._measurement == "m{chance.randint(0, 999)}")\n'
        f"    |> aggregateWindow(every: 5m, fn: {chance.choice(['mean', 'max', 'min', 'sum'])}, createEmpty: false)\n"
    )


def task(chance: random.Random) -> dict[str, Any]:
    """The spec of an InfluxTask: most do not run while the soak lasts."""
    spec: dict[str, Any] = {**REF, "description": f"number {chance.randint(0, 999)}"}
    if chance.random() < 0.1:
        values = {"measurement": f"m{chance.randint(0, 999)}"}
        text = 'from(bucket: "raw") |> range(start: -1h) |> filter(fn: (r) => r._measurement == {{ values.measurement | flux_string }})'
        spec["template"] = {"inline": text, "values": values}
    else:
        spec["flux"] = script(chance)
    kind = chance.random()
    if kind < BUSY_SHARE:
        spec["every"] = "30s"
    elif kind < 0.2:
        spec["cron"] = f"{chance.randint(0, 59)} 3 1 1 *"
    else:
        spec["every"] = chance.choice(["24h", "36h", "48h"])
    return spec


def policy(name: str, days: int) -> dict[str, Any]:
    """The spec of a RetentionPolicy whose bucket goes with it: it never holds a point."""
    return {**REF, "bucket": f"bucket-{name}", "retention": f"{days}d", "deletion": "Delete"}


def pipeline(name: str, begin: datetime) -> dict[str, Any]:
    """The spec of an InfluxPipeline of two stages, whose windows are tried until they succeed."""
    return {
        **REF,
        "window": {"every": "1m"},
        "begin": stamp(begin),
        "retry": {"limit": 10, "backoff": {"initial": "1s", "factor": 2.0, "max": "15s", "jitter": 0.2}},
        "circuitBreaker": {"consecutiveFailures": 1000},
        "timeout": "1m",
        "stages": [
            {
                "name": "minutes",
                "flux": (
                    f"// stage: {name}/minutes\n"
                    'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n'
                    '    |> filter(fn: (r) => r._measurement == "env")\n'
                    '    |> aggregateWindow(every: v.windowPeriod, fn: count, createEmpty: false, timeSrc: "_start")\n'
                    f'    |> set(key: "_measurement", value: "{name}") |> to(bucket: "minutes")\n'
                ),
            },
            {
                "name": "fives",
                "dependsOn": ["minutes"],
                "window": {"every": "5m"},
                "flux": (
                    f"// stage: {name}/fives\n"
                    'from(bucket: "minutes") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)\n'
                    f'    |> filter(fn: (r) => r._measurement == "{name}")\n'
                    '    |> group(columns: ["_measurement", "_field", "sensor"]) |> sum()\n'
                    '    |> map(fn: (r) => ({r with _time: v.timeRangeStart})) |> to(bucket: "fives")\n'
                ),
            },
        ],
    }


def backfill(pipeline_name: str, start: datetime, stop: datetime) -> dict[str, Any]:
    """The spec of an InfluxBackfill of windows that the ledger knows nothing of."""
    return {"pipelineRef": {"name": pipeline_name}, "start": stamp(start), "stop": stamp(stop)}


def stamp(moment: datetime) -> str:
    """As manifests have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def five_before(moment: datetime) -> datetime:
    """The end of the last window of five minutes."""
    return datetime.fromtimestamp(moment.timestamp() // 300 * 300, UTC)


async def surroundings(site: Site, begin: datetime, seconds: float) -> list[str]:
    """Buckets, raw points from ``HISTORY`` before to well after the soak, and things of others; the ids of the latter."""
    for name in ("minutes", "fives", LEDGER):
        await site.new_bucket(name)
    first = int((begin - HISTORY).timestamp())
    last = int(begin.timestamp() + seconds + 7200)
    lines = [f"env,sensor=s0 temperature={moment % 97}.5 {moment}" for moment in range(first, last, STEP)]
    for start in range(0, len(lines), 5000):
        await site.influxdb.write(site.org.org_id, "raw", *lines[start : start + 5000])
    foreign = [await site.new_bucket(f"foreign-{number}", 7200, "not ours") for number in range(3)]
    for number in range(12):
        mark = _OTHERS_MARK if number % 3 == 0 else ""
        flux = f'{mark}option task = {{name: "of others {number}", every: 8760h}}\nfrom(bucket: "raw") |> range(start: -1h)'
        made = await site.influxdb.call("POST", "tasks", {"orgID": site.org.org_id, "flux": flux})
        foreign.append(str(made["id"]))
    return foreign


_OTHERS_MARK = (
    "// influxops/v1 owner=another/InfluxTask/elsewhere/alpha uid=0b0e7cd3-0000-4000-8000-000000000000 sha256="
    + "0" * 64
    + "\n"
)
