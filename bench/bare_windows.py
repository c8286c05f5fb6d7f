"""The bare loop of a pipeline: the queries of its windows, or runs that are forced of a task, so many at a time."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from bench.clients import Influx, Kube, Refused, in_parallel

LOOK = 0.1
"""Seconds between two looks for the end of a forced run."""
DIALECT = {"header": True, "annotations": ["datatype"]}


async def windows(_kube: Kube, influx: Influx, job: dict[str, Any]) -> dict[str, Any]:
    """One query a window and the answer read; it keeps no record of what was done. Timed from the first to the last."""

    async def one(window: tuple[str, str]) -> None:
        start, stop = window
        bounds = f"option v = {{timeRangeStart: {start}, timeRangeStop: {stop}, windowPeriod: 1h}}\n"
        flux = job.get("imports", "") + bounds + job["script"]
        body = {"query": flux, "type": "flux", "now": stop, "dialect": DIALECT}
        status, answer = await influx.send("POST", "/api/v2/query", body, params={"orgID": influx.org_id})
        if status != 200 or b"error,reference" in answer:
            raise Refused(f"query: {status} {answer[:400].decode(errors='replace')}")

    return await _timed(job, one)


async def native(_kube: Kube, influx: Influx, job: dict[str, Any]) -> dict[str, Any]:
    """Make a task, and force a run for each window and wait for its end."""
    script = (
        'option task = {name: "forced", every: 1h, concurrency: 16}\n'
        f"option v = {{timeRangeStart: -1h, timeRangeStop: now(), windowPeriod: 1h}}\n{job['script']}"
    )
    task = await influx.call("POST", "/api/v2/tasks", {"orgID": influx.org_id, "flux": script, "status": "active"})
    runs = f"/api/v2/tasks/{task['id']}/runs"

    async def one(window: tuple[str, str]) -> None:
        forced = await influx.call("POST", runs, {"scheduledFor": window[1]})
        while True:
            await asyncio.sleep(LOOK)
            status, answer = await influx.send("GET", f"{runs}/{forced['id']}")
            state = json.loads(answer)["status"] if status == 200 else ""
            if state == "success":
                return
            if state in {"failed", "canceled"}:
                raise Refused(f"the run of {window[1]} {state}: {answer.decode(errors='replace')}")

    try:
        return await _timed(job, one)
    finally:
        await influx.call("DELETE", f"/api/v2/tasks/{task['id']}")


async def _timed(job: dict[str, Any], one: Any) -> dict[str, Any]:
    cpu, began = time.process_time(), time.perf_counter()
    await in_parallel(job["windows"], one, job["workers"])
    return {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
