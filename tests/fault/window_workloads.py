"""What happens to a pipeline of three stages while the operator is killed.

All workloads end with the same points in the destinations: those of ``clean``, one run over all of them at once.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.kubeadmin import WINDOWED
from tests.support.steps import LEDGER, runs_of
from tests.support.window_crash import PIPELINE, PipelineWorkload, at_rest, rows
from tests.support.window_oracles import Shape
from tests.support.world import CONNECTION, World

HOUR = timedelta(hours=1)
BLOCK = 3 * HOUR
_NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
END = _NOW - timedelta(hours=_NOW.hour % 3)
BEGIN = END - 2 * BLOCK
"""Two blocks of three hours, the same for all plans of one test run."""
SHAPE = Shape({"clean": HOUR, "hourly": HOUR, "blocks": BLOCK}, {"hourly": ["clean"], "blocks": ["hourly"]}, BEGIN, END)
LATE = (BEGIN + timedelta(minutes=65), END - timedelta(minutes=5))
"""Times of points that come after their windows ran, one in each block."""

CLEAN = """\
// stage: clean
from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env" and r._value <= 85.0) |> to(bucket: "clean")
"""
HOURLY = """\
// stage: hourly
from(bucket: "clean") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env")
    |> aggregateWindow(every: 1h, fn: count, createEmpty: false, timeSrc: "_start")
    |> set(key: "_field", value: "points") |> to(bucket: "hourly")
"""
BLOCKS = """\
// stage: blocks
from(bucket: "hourly") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "env") |> group(columns: ["_measurement", "_field", "sensor"])
    |> sum() |> map(fn: (r) => ({r with _time: v.timeRangeStart})) |> to(bucket: "blocks")
"""
GUARD = """\
open = from(bucket: "switch") |> range(start: 0) |> findColumn(fn: (key) => true, column: "_value")
passed = if length(arr: open) > 0 then true else die(msg: "the switch is off")
"""
"""Fails until somebody writes a point into the bucket ``switch``."""


def points() -> list[str]:
    """36 times of two sensors, as line protocol in seconds."""
    return [
        f"env,sensor=s{sensor} temperature={minute % 70}.5 {int((BEGIN + timedelta(minutes=minute)).timestamp())}"
        for minute in range(0, 360, 10)
        for sensor in range(2)
    ]


def late_points() -> list[str]:
    """What comes late."""
    return [f"env,sensor=s0 temperature=7.25 {int(moment.timestamp())}" for moment in LATE]


def stages() -> list[dict[str, Any]]:
    """Clean, hourly, and blocks of three hours."""
    return [
        {
            "name": "clean",
            "flux": CLEAN,
            "source": {"bucket": "raw", "measurement": "env"},
            "destination": {"bucket": "clean", "measurement": "env"},
            "checks": [{"type": "Checksum"}],
        },
        {
            "name": "hourly",
            "flux": HOURLY,
            "dependsOn": ["clean"],
            "source": {"bucket": "clean", "measurement": "env"},
            "destination": {"bucket": "hourly", "measurement": "env"},
            "checks": [{"type": "Conservation", "countField": "points"}],
        },
        {"name": "blocks", "flux": BLOCKS, "dependsOn": ["hourly"], "window": {"every": "3h"}},
    ]


def pipeline(**more: Any) -> dict[str, Any]:
    """The spec."""
    return {
        "connectionRef": {"name": CONNECTION},
        "window": {"every": "1h"},
        "begin": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}",
        "lateness": {"allowed": "1d", "checkEvery": "1s"},
        "retry": {"limit": 3, "backoff": {"initial": "1s", "factor": 1.0, "jitter": 0.0}},
        "stages": stages(),
        **more,
    }


async def seed(made: World, *lines: str) -> None:
    """Buckets and points."""
    for name in ("clean", "hourly", "blocks", "switch", LEDGER):
        rule = {"type": "expire", "everySeconds": 0}
        await made.influxdb.call("POST", "buckets", {"orgID": made.org.org_id, "name": name, "retentionRules": [rule]})
    await made.influxdb.write(made.org.org_id, "raw", *points(), *lines)
    # Others write into the destinations, too: another measurement at the same times, and ours before the pipeline's begin.
    hours = [int((BEGIN + number * HOUR).timestamp()) for number in range(6)]
    for name in ("clean", "hourly", "blocks"):
        await made.influxdb.write(made.org.org_id, name, *(f"other,sensor=s0 kept={at}i {at}" for at in hours))
    await made.influxdb.write(made.org.org_id, "hourly", f"env,sensor=s0 points=1i {hours[0] - 1800}")


async def seed_all(made: World) -> None:
    """The late points are there from the first."""
    await seed(made, *late_points())


async def seed_stale(made: World) -> None:
    """An earlier program left a series in the destination that no run writes now."""
    await seed_all(made)
    await made.influxdb.write(made.org.org_id, "hourly", f"env,sensor=gone points=5i {int((BEGIN + HOUR).timestamp())}")


async def nothing(_: World) -> None:
    """Nothing is prepared."""


async def create(made: World) -> None:
    """Connect, and create the pipeline."""
    await made.connect()
    await made.admin.create("InfluxPipeline", PIPELINE, pipeline())


async def create_replacing(made: World) -> None:
    """The same, and each window of two stages is deleted before it is written."""
    replacing = [dict(stage) for stage in stages()]
    for stage in replacing[:2]:
        stage["writeDisposition"] = "Replace"
    await made.connect()
    await made.admin.create("InfluxPipeline", PIPELINE, pipeline(stages=replacing))


async def settle(made: World) -> None:
    """Create it, and let it come to rest."""
    await create(made)
    await at_rest(made, ALL["catchup"])


async def settle_replacing(made: World) -> None:
    """The same with Replace."""
    await create_replacing(made)
    await at_rest(made, ALL["catchup"])


async def points_come_late(made: World) -> None:
    """Two points, each in a window that has run."""
    await made.influxdb.write(made.org.org_id, "raw", *late_points())


async def late_is_in(made: World) -> bool:
    """Whether the destination of the last stage holds them: 38 more would be too many."""
    found = await rows(
        made,
        'from(bucket: "blocks") |> range(start: 0) |> filter(fn: (r) => r._measurement == "env") |> group() |> sum()',
    )
    return bool(found) and found[0]["_value"] == str(len(points()) + len(late_points()))


async def second_half(made: World) -> None:
    """A pipeline that begins with the second block."""
    await made.connect()
    begin = f"{BEGIN + BLOCK:%Y-%m-%dT%H:%M:%SZ}"
    await made.admin.create("InfluxPipeline", PIPELINE, pipeline(begin=begin))
    await at_rest(made, ALL["catchup"])


async def backfill(made: World) -> None:
    """The first block by an InfluxBackfill."""
    span = {"start": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{BEGIN + BLOCK:%Y-%m-%dT%H:%M:%SZ}"}
    await made.admin.create("InfluxBackfill", "older", {"pipelineRef": {"name": PIPELINE}, **span})


async def backfill_expires(made: World) -> None:
    """The same, and the operator deletes the InfluxBackfill once it has ended."""
    span = {"start": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{BEGIN + BLOCK:%Y-%m-%dT%H:%M:%SZ}"}
    spec = {"pipelineRef": {"name": PIPELINE}, **span, "ttlSecondsAfterFinished": 0}
    await made.admin.create("InfluxBackfill", "older", spec)


async def expired(made: World) -> bool:
    """Whether it is gone."""
    return not any(item["kind"] == "InfluxBackfill" for item in await made.admin.objects(WINDOWED))


async def backfilled(made: World) -> bool:
    """Whether its status says so."""
    status = (await made.admin.get("InfluxBackfill", "older")).get("status") or {}
    return bool(status.get("phase") == "Succeeded")


async def create_failing(made: World) -> None:
    """The second stage fails twice over some window before its cause goes away."""
    failing = [dict(stage) for stage in stages()]
    failing[1]["flux"] = HOURLY.replace("from(", f"{GUARD}from(", 1)
    await made.connect()
    spec = pipeline(
        stages=failing,
        circuitBreaker={"consecutiveFailures": 1000},
        retry={"limit": 10, "backoff": {"initial": "1s", "factor": 1.0, "jitter": 0.0}},
    )
    await made.admin.create("InfluxPipeline", PIPELINE, spec)

    def failures() -> int:
        return sum(run.stage == "hourly" and not run.succeeded for run in runs_of(made.history.exchanges))

    await made.until(lambda _: failures() >= 8)
    await made.influxdb.write(made.org.org_id, "switch", "switch on=1 1")


ALL = {
    workload.name: workload
    for workload in (
        PipelineWorkload("clean", nothing, create, shape=SHAPE, seed=seed_all),
        PipelineWorkload("catchup", nothing, create, shape=SHAPE, seed=seed_all),
        PipelineWorkload("replace", nothing, create_replacing, shape=SHAPE, seed=seed_stale),
        PipelineWorkload("late", settle, points_come_late, shape=SHAPE, seed=seed, done=late_is_in),
        PipelineWorkload("late-replace", settle_replacing, points_come_late, shape=SHAPE, seed=seed, done=late_is_in),
        PipelineWorkload("backfill", second_half, backfill, shape=SHAPE, seed=seed_all, done=backfilled),
        PipelineWorkload("backfill-ttl", second_half, backfill_expires, shape=SHAPE, seed=seed_all, done=expired),
        PipelineWorkload("retry", nothing, create_failing, shape=SHAPE, seed=seed_all, extra=12),
    )
}
