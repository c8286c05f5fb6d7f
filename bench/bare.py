"""The bare loop: the same necessary calls, the same limits, and no logic. A process of its own, as the operator is.

``python -m bench.bare`` reads one JSON job from standard input and prints one JSON line with what came of it. It parses
no script, compares nothing, and knows beforehand what has to be written: what a controller costs beyond the calls that
nobody can avoid is what the operator takes longer than this.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from bench.bare_crowd import crowd
from bench.bare_runs import busy
from bench.bare_windows import native, windows
from bench.clients import TASKS, Influx, Kube, in_parallel
from bench.objects import CHECK, bare_status, stored_script, task
from bench.site import SYNC_INTERVAL, WORKERS, Site

Job = dict[str, Any]
Result = dict[str, Any]


async def converge(kube: Kube, influx: Influx, job: Job) -> Result:
    """List the resources and bring each to Ready."""
    tasks = await kube.pages()
    await in_parallel(tasks, lambda item: _bring(kube, influx, item, job))
    return {"objects": len(tasks)}


async def _bring(kube: Kube, influx: Influx, item: dict[str, Any], job: Job) -> None:
    """The four calls that one new task needs: check, finalizer, create, status."""
    meta, every = item["metadata"], item["spec"]["every"]
    script = stored_script(int(meta["name"].rpartition("-")[2]), job["site"]["bucket"], every)
    check = {"query": script, "type": "flux", "extern": CHECK}
    await influx.send("POST", "/api/v2/query", check, params={"orgID": influx.org_id})
    await kube.set_finalizer(item)
    wanted = {"orgID": influx.org_id, "flux": script, "status": "active"}
    made = await influx.call("POST", "/api/v2/tasks", wanted)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    status = bare_status(made["id"], meta["generation"], "0" * 64, now, every)
    await kube.apply_status(meta["name"], meta["uid"], status)


async def restart(kube: Kube, influx: Influx, job: Job) -> Result:
    """Read both sides once, which nobody who starts can avoid."""
    tasks = await kube.pages()
    return {"objects": len(tasks), **await sweep(kube, influx, job)}


async def sweep(_kube: Kube, influx: Influx, _job: Job) -> Result:
    """Page through every task, list the buckets, ask for the runs of the last minutes."""
    started, requests, found = time.perf_counter(), 2, 0
    async for page in influx.pages():
        requests += 1
        found += len(page)
    await influx.call("GET", "/api/v2/buckets", params={"orgID": influx.org_id, "limit": "100"})
    await influx.query(
        'from(bucket: "_tasks") |> range(start: -2m) |> filter(fn: (r) => r._field == "runID") |> group()'
    )
    return {"tasks": found, "requests": requests, "seconds": time.perf_counter() - started}


async def one_more(kube: Kube, influx: Influx, job: Job) -> Result:
    """Create one resource after another and bring each to Ready with the four calls."""
    seconds: list[float] = []
    for number in range(job["first"], job["first"] + job["count"]):
        started = time.perf_counter()
        item = await kube.call("POST", TASKS, task(number, job["site"]["bucket"], job["every"]))
        await _bring(kube, influx, item, job)
        seconds.append(time.perf_counter() - started)
    return {"seconds": seconds}


async def drift(_kube: Kube, influx: Influx, job: Job) -> Result:
    """Write the right script to a number of tasks, by ids that are known."""
    ids = [entry["id"] async for page in influx.pages() for entry in page][: job["count"]]
    started = time.perf_counter()

    async def mend(numbered: tuple[int, str]) -> None:
        number, task_id = numbered
        body = {"flux": stored_script(number, job["site"]["bucket"], job["every"]), "status": "active"}
        await influx.call("PATCH", f"/api/v2/tasks/{task_id}", body)

    await in_parallel(list(enumerate(ids)), mend, WORKERS)
    return {"seconds": time.perf_counter() - started}


async def idle(kube: Kube, influx: Influx, job: Job) -> Result:
    """A sweep in each interval and nothing else. Processor time is counted after the first."""
    await sweep(kube, influx, job)
    started, cpu = time.monotonic(), time.process_time()
    while (left := job["seconds"] - (time.monotonic() - started)) > 0:
        await asyncio.sleep(min(SYNC_INTERVAL, left))
        if left > SYNC_INTERVAL:
            await sweep(kube, influx, job)
    return {"cpu": (time.process_time() - cpu) / (time.monotonic() - started), "rss": memory("VmRSS")}


WORK: dict[str, Callable[[Kube, Influx, Job], Awaitable[Result]]] = {
    "converge": converge,
    "restart": restart,
    "sweep": sweep,
    "one_more": one_more,
    "drift": drift,
    "idle": idle,
    "busy": busy,
    "crowd": crowd,
    "windows": windows,
    "native": native,
}


def memory(field: str) -> int:
    """Bytes of this process, now (``VmRSS``) or at most so far (``VmHWM``)."""
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


async def main(job: Job) -> Result:
    """Do one job."""
    site = Site(**job["site"])
    async with Kube(site) as kube, Influx(site) as influx:
        return await WORK[job["work"]](kube, influx, job)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(main(json.load(sys.stdin)))
    print(json.dumps({**result, "peak": memory("VmHWM"), "used": time.process_time()}))
