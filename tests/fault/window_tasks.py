"""What happens to windows that are an InfluxTask's: a stage that InfluxDB runs (``execution: Native``), and an InfluxBackfill of a task.

The InfluxTask has the script of the first stage, so that the destinations hold in the end what they hold after one clean run.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from tests.fault.window_workloads import (
    BEGIN,
    BLOCK,
    CLEAN,
    END,
    GUARD,
    HOUR,
    SHAPE,
    backfill,
    backfilled,
    late_is_in,
    nothing,
    pipeline,
    points_come_late,
    seed,
    seed_all,
    stages,
)
from tests.fault.workloads_consent import REF
from tests.support.crash import fine
from tests.support.history import marker_of
from tests.support.kubeadmin import WINDOWED
from tests.support.steps import step_of
from tests.support.task_runs import QUERY
from tests.support.window_crash import PIPELINE, QUIET, PipelineWorkload, at_rest, rows
from tests.support.window_oracles import Shape
from tests.support.world import INSTANCE, World, is_sweep

TASK = "clean"
"""The InfluxTask, by the name of the stage: a backfill of it writes the ledger under that name."""
BACKFILL = "older"
SPAN = {"start": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{END:%Y-%m-%dT%H:%M:%SZ}"}


def task(**more: Any) -> dict[str, Any]:
    """The spec of the InfluxTask: the windows are its slots."""
    return {**REF, "every": "1h", "window": {"period": "1h"}, "flux": CLEAN, **more}


def native(**more: Any) -> dict[str, Any]:
    """The spec of a pipeline whose first stage InfluxDB runs."""
    first = {name: value for name, value in stages()[0].items() if name != "flux"}
    return pipeline(
        **{
            "stages": [
                {**first, "taskRef": {"name": TASK}, "execution": "Native", "checks": [{"type": "Coverage"}]},
                *stages()[1:],
            ],
            **more,
        }
    )


async def create(made: World, **more: Any) -> None:
    """Connect, and create the task and the pipeline at once."""
    await made.connect()
    await made.admin.create("InfluxTask", TASK, task())
    await made.admin.create("InfluxPipeline", PIPELINE, native(**more))


async def settle(made: World) -> None:
    """Create both, and let them come to rest."""
    await create(made)
    await at_rest(made, ALL["native"])


async def second_half(made: World) -> None:
    """A pipeline that begins with the second block."""
    await create(made, begin=f"{BEGIN + BLOCK:%Y-%m-%dT%H:%M:%SZ}")
    await at_rest(made, ALL["native"])


async def create_failing(made: World) -> None:
    """All runs of the task fail until eight have."""
    await made.connect()
    await made.admin.create("InfluxTask", TASK, task(flux=CLEAN.replace("from(", f"{GUARD}from(", 1)))
    retry = {"limit": 10, "backoff": {"initial": "1s", "factor": 1.0, "jitter": 0.0}}
    await made.admin.create(
        "InfluxPipeline", PIPELINE, native(circuitBreaker={"consecutiveFailures": 1000}, retry=retry)
    )
    async with asyncio.timeout(60):
        while sum(row["status"] == "failed" for row in await rows(made, QUERY)) < 8:  # noqa: ASYNC110 - a server is asked
            await asyncio.sleep(0.2)
    await made.influxdb.write(made.org.org_id, "switch", "switch on=1 1")


async def remake(made: World) -> None:
    """The InfluxTask goes and comes back under its name, as another task in InfluxDB; then points come late."""
    await made.admin.delete("InfluxTask", TASK)
    await made.gone("InfluxTask", TASK)
    await made.admin.create("InfluxTask", TASK, task())
    await points_come_late(made)


async def tasks_settled(made: World) -> bool:
    """Whether the status of the task is of its present spec, and Ready."""
    return await made.settled() is not None


async def late_and_settled(made: World) -> bool:
    """Whether that is so and the late points are in."""
    return await late_is_in(made) and await tasks_settled(made)


async def backfilled_and_settled(made: World) -> bool:
    """Whether that is so and the InfluxBackfill has succeeded."""
    return await backfilled(made) and await tasks_settled(made)


async def only_task(made: World) -> None:
    """An InfluxTask at rest, and no pipeline."""
    await made.connect()
    await made.admin.create("InfluxTask", TASK, task())
    await made.rest(sweeps=1)


async def backfill_task(made: World, **more: Any) -> None:
    """All windows of both blocks by an InfluxBackfill of the task."""
    await made.admin.create("InfluxBackfill", BACKFILL, {"taskRef": {"name": TASK}, **SPAN, **more})


async def backfill_task_expires(made: World) -> None:
    """The same, and the operator deletes the InfluxBackfill once it has ended."""
    await backfill_task(made, ttlSecondsAfterFinished=0)


async def backfill_task_remade(made: World) -> None:
    """The task goes while its windows run, and comes back: the backfill waits, and goes on. The window that runs when the task goes
    is broken off and runs again; so a kill makes it three.
    """
    await backfill_task(made, maxActiveWindows=1)
    await _asked(made, "run", 3)
    await made.admin.delete("InfluxTask", TASK)
    await made.gone("InfluxTask", TASK)
    await made.admin.create("InfluxTask", TASK, task())


async def told(made: World) -> dict[str, Any]:
    """What the InfluxBackfill of the task tells; one that is gone has told all."""
    found = [item for item in await made.admin.objects(WINDOWED) if item["kind"] == "InfluxBackfill"]
    if not found:
        return {"windows": dict.fromkeys(("pending", "ready", "running", "failed"), 0), "watermark": SPAN["stop"]}
    status = found[0].get("status") or {}
    counts = {name: int(status.get(name, 0)) for name in ("total", "succeeded", "failed", "skipped")}
    left = counts["total"] - counts["succeeded"] - counts["failed"] - counts["skipped"]
    over = status.get("phase") == "Succeeded"
    return {
        "windows": {"pending": left, "ready": 0, "running": 0, "failed": counts["failed"]},
        "watermark": SPAN["stop"] if over else "",
        "exceptions": status.get("failures") or (status.get("conditions") if not over else None),
    }


async def _asked(made: World, step: str, number: int) -> None:
    """Wait until so many requests of a step have come."""
    async with asyncio.timeout(60):
        while sum(step_of(one) == step for one in made.history.exchanges) < number:  # noqa: ASYNC110 - the proxies fill it
            await asyncio.sleep(0.02)


async def native_deleted(made: World) -> None:
    """Both go at once while InfluxDB runs windows."""
    await create(made)
    await _asked(made, "run-request", 2)
    await made.admin.delete("InfluxTask", TASK)
    await made.admin.delete("InfluxPipeline", PIPELINE)


async def backfill_task_deleted(made: World) -> None:
    """The backfill and its task go at once while windows run."""
    await backfill_task(made, maxActiveWindows=1)
    await _asked(made, "run", 2)
    await made.admin.delete("InfluxTask", TASK)
    await made.admin.delete("InfluxBackfill", BACKFILL)


async def all_gone(made: World) -> dict[str, Any]:
    """Nothing is told of windows once nobody is there that could tell."""
    left = len(await made.admin.objects(("InfluxTask", *WINDOWED))) + len(await _marked(made))
    counts = {"pending": left, "ready": 0, "running": 0, "failed": 0}
    return {"windows": counts, "watermark": "" if left else SPAN["stop"]}


async def _marked(made: World) -> list[str]:
    """The owners of our tasks in InfluxDB."""
    owners = [marker.owner for one in (await made.stored(made.org))[0] if (marker := marker_of(one)) is not None]
    return [str(owner) for owner in owners if owner.instance == INSTANCE]


async def taken_down(made: World) -> list[str]:
    """Delete everything: the task goes from InfluxDB, no run is asked for any more, and nothing is written."""
    for item in await made.admin.objects(WINDOWED):
        await made.admin.delete(item["kind"], item["metadata"]["name"])
    await made.admin.delete("InfluxTask", TASK)
    await made.gone("InfluxTask", TASK)
    busy: list[str] = []
    for _ in range(5):  # a watch may be late, and what it has not told yet is written once more
        since = len(made.history.exchanges)
        await asyncio.sleep(QUIET)
        # The connection tells in its status that it has a task less.
        busy = [str(one) for one in made.history.changed(since) if "/influxconnections/" not in one.path]
        if not busy:
            break
    left = [f"ORPHAN: the task of {owner}" for owner in await _marked(made)]
    return [*left, *(f"BUSY after the delete: {one}" for one in busy)]


ONLY_CLEAN = Shape({TASK: HOUR}, {}, BEGIN, END)
NO_WINDOWS = replace(SHAPE, end=BEGIN)
"""Of what is deleted in the middle no window need have run."""
_NATIVE = PipelineWorkload(
    "native", nothing, create, shape=SHAPE, seed=seed_all, done=tasks_settled, native=TASK, once=True, check=taken_down
)
_BACKFILL = PipelineWorkload(
    "task-backfill",
    only_task,
    backfill_task,
    shape=ONLY_CLEAN,
    seed=seed_all,
    done=tasks_settled,
    buckets=(TASK,),
    told=told,
    awake=is_sweep,
    check=taken_down,
)
_GONE: dict[str, Any] = {
    "shape": NO_WINDOWS,
    "told": all_gone,
    "awake": is_sweep,
    "buckets": (),
    "check": fine,
    "once": False,
}
ALL = {
    workload.name: workload
    for workload in (
        _NATIVE,
        replace(
            _NATIVE,
            name="native-late",
            prepare=settle,
            act=points_come_late,
            seed=seed,
            done=late_and_settled,
            once=False,
        ),
        replace(
            _NATIVE,
            name="native-backfill",
            prepare=second_half,
            act=backfill,
            done=backfilled_and_settled,
        ),
        replace(_NATIVE, name="native-retry", act=create_failing, extra=12, once=False),
        replace(
            _NATIVE, name="native-remade", prepare=settle, act=remake, seed=seed, done=late_and_settled, once=False
        ),
        replace(_NATIVE, name="native-deleted", act=native_deleted, **_GONE),
        _BACKFILL,
        replace(_BACKFILL, name="task-backfill-ttl", act=backfill_task_expires),
        replace(_BACKFILL, name="task-backfill-remade", act=backfill_task_remade, extra=2),
        replace(_BACKFILL, name="task-backfill-deleted", act=backfill_task_deleted, **_GONE),
    )
}
