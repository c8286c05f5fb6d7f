"""What users do to a pipeline while the operator does not see all of it; all workloads end with the points of one clean run."""

from __future__ import annotations

from typing import Any

from tests.fault.window_workloads import ALL as WINDOWS
from tests.fault.window_workloads import HOURLY, SHAPE, late_is_in, points_come_late, seed, settle, stages
from tests.support.stale_windows import SILENCE, StalePipeline
from tests.support.until import until_async
from tests.support.window_crash import PIPELINE
from tests.support.world import World

WRONG = HOURLY.replace(
    '|> set(key: "_field"', '|> map(fn: (r) => ({r with _value: r._value * 1000})) |> set(key: "_field"'
)
WATCHED: dict[str, Any] = {"kind": "InfluxPipeline", "target": PIPELINE}


async def noticed(made: World) -> bool:
    """Whether the status is of the present object and spec."""
    found = await made.admin.get("InfluxPipeline", PIPELINE)
    return bool((found.get("status") or {}).get("observedGeneration") == found["metadata"]["generation"])


async def late_and_noticed(made: World) -> bool:
    """Whether the late points are in, and the status is of the present spec."""
    return await noticed(made) and await late_is_in(made)


async def flip(made: World) -> None:
    """A script that counts wrongly, and back; points come late once that is known."""
    wrong = [dict(stage) for stage in stages()]
    wrong[1]["flux"] = WRONG
    await made.admin.patch("InfluxPipeline", PIPELINE, stages=wrong)
    await made.admin.patch("InfluxPipeline", PIPELINE, stages=stages())
    await until_async(lambda: noticed(made), SILENCE)
    await points_come_late(made)


async def remake(made: World) -> None:
    """Gone and back under the same name: the ledger knows what has been done."""
    spec = (await made.admin.get("InfluxPipeline", PIPELINE))["spec"]
    await made.admin.delete("InfluxPipeline", PIPELINE)
    await made.admin.create("InfluxPipeline", PIPELINE, spec)
    await points_come_late(made)


async def suspend_and_resume(made: World) -> None:
    """Points come late while it is suspended."""
    await made.admin.patch("InfluxPipeline", PIPELINE, suspend=True)
    await points_come_late(made)
    await made.admin.patch("InfluxPipeline", PIPELINE, suspend=False)


CLEAN = WINDOWS["clean"]
ALL = {
    workload.name: workload
    for workload in (
        StalePipeline(
            "pipeline-flip", settle, flip, shape=SHAPE, seed=seed, done=late_and_noticed, events=2, **WATCHED
        ),
        StalePipeline(
            "pipeline-remake", settle, remake, shape=SHAPE, seed=seed, done=late_and_noticed, events=2, **WATCHED
        ),
        StalePipeline(
            "pipeline-suspend",
            settle,
            suspend_and_resume,
            shape=SHAPE,
            seed=seed,
            done=late_and_noticed,
            events=2,
            **WATCHED,
        ),
    )
}
