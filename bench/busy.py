"""A thousand tasks that run every minute: what it takes to follow their runs, and how late their status is."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from bench.bare_runs import instant
from bench.clients import TASKS, Kube, Refused
from bench.figures import Figure, percentile
from bench.processes import Operator, bare
from bench.scenario import wait_until_ready
from bench.setup import fresh, run, say
from bench.site import Site

OBJECTS = int(os.environ.get("BENCH_BUSY_OBJECTS", "1000"))
EVERY = "1m"
WARM_UP = 90.0
"""Seconds after the tasks were made in which runs do not count yet."""
SECONDS = float(os.environ.get("BENCH_BUSY_SECONDS", "180"))


def measure(logs: Path) -> list[Figure]:
    """Processor time and lag, of the operator and then of the bare loop on the same servers and tasks."""
    say(f"busy: {OBJECTS} tasks every {EVERY}")
    with fresh(OBJECTS, EVERY) as (stack, site):
        with Operator(stack, logs / "operator-busy.log") as operator:
            wait_until_ready(OBJECTS, site, operator)
            say(f"busy: all are Ready; watching their runs for {WARM_UP + SECONDS:.0f} s")
            lags, cpu = run(_follow(site, operator))
        say("busy: the bare loop on the same tasks")
        base = bare(site, "busy", warm_up=WARM_UP, seconds=SECONDS).result
    runs = OBJECTS * SECONDS / 60
    note = f"{len(lags)} of about {runs:.0f} runs seen"
    return [
        Figure("busy_cpu", OBJECTS, cpu * 100, "%", base["cpu"] * 100),
        Figure("busy_lag", OBJECTS, percentile(lags, 95), "s", percentile(base["lags"], 95), note),
        Figure("busy_lag_median", OBJECTS, percentile(lags, 50), "s", percentile(base["lags"], 50)),
    ]


async def _follow(site: Site, operator: Operator) -> tuple[list[float], float]:
    """Seconds from the end of each run until a watch shows it, and the operator's share of one core."""
    lags: list[float] = []
    seen: dict[str, str] = {}
    ready = time.monotonic() + WARM_UP
    used = 0.0

    async def watch() -> None:
        async with Kube(site) as kube:
            start = await kube.call("GET", TASKS, params={"limit": "1"})
            version = start["metadata"]["resourceVersion"]
            async for event in kube.lines(TASKS, {"watch": "true", "resourceVersion": version}):
                if event["type"] == "ERROR":
                    raise Refused(f"watch: {event['object']}")
                last = (event["object"].get("status") or {}).get("lastRun") or {}
                uid = event["object"]["metadata"]["uid"]
                if "finishedAt" not in last or seen.get(uid) == last["id"]:
                    continue
                seen[uid] = last["id"]
                if time.monotonic() >= ready:
                    lags.append(time.time() - instant(last["finishedAt"]))

    watching = asyncio.create_task(watch())
    try:
        await asyncio.sleep(WARM_UP)
        used = operator.cpu()
        await asyncio.sleep(SECONDS)
        if watching.done():
            watching.result()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    if not lags:
        raise Refused("no status told of any run")
    return lags, (operator.cpu() - used) / SECONDS
