"""Fresh servers with the objects of a run, and the harness's own look at them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from bench.clients import TASKS, Influx, Kube, Refused, in_parallel
from bench.objects import TARGET_BUCKET, surroundings, task
from bench.processes import text
from bench.prometheus import Scrape
from bench.site import Site
from devstack.stack import Stack

CRDS = Path(__file__).parent.parent / "crds"
T = TypeVar("T")

_began = time.monotonic()


def say(text: str) -> None:
    """A line of progress."""
    seconds = int(time.monotonic() - _began)
    print(f"[{seconds // 60:3d}:{seconds % 60:02d}] {text}", file=sys.stderr, flush=True)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def site_of(stack: Stack) -> Site:
    """Where the servers of a stack are."""
    kube, influx = stack.kube, stack.influx
    return Site(
        kube_host=kube.host,
        kube_ca=kube.ca,
        kube_token=kube.token,
        influx_url=influx.url,
        influx_token=influx.token,
        org=influx.org,
        org_id=influx.org_id,
        bucket=influx.bucket,
    )


@contextmanager
def fresh(objects: int, every: str) -> Iterator[tuple[Stack, Site]]:
    """New servers that hold this many InfluxTasks, which nobody has reconciled yet."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        site = site_of(stack)
        stack.kubectl("apply", "--server-side", "-f", str(CRDS))
        stack.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        stack.influx.call(
            "POST", "/api/v2/buckets", {"orgID": site.org_id, "name": TARGET_BUCKET, "retentionRules": []}
        )
        run(_fill(site, objects, every))
        yield stack, site


async def _fill(site: Site, objects: int, every: str) -> None:
    async with Kube(site) as kube:
        for collection, body in surroundings(site):
            await kube.call("POST", collection, body)
        await in_parallel(
            list(range(objects)), lambda number: kube.call("POST", TASKS, task(number, site.bucket, every))
        )


async def not_ready(site: Site) -> list[str]:
    """Names of the InfluxTasks that are not Ready for their present spec."""
    async with Kube(site) as kube:
        return [item["metadata"]["name"] for item in await kube.pages() if not is_ready(item)]


def is_ready(item: dict[str, Any]) -> bool:
    """Whether an object is Ready for its present spec."""
    status = item.get("status") or {}
    if status.get("observedGeneration") != item["metadata"]["generation"]:
        return False
    conditions = status.get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


async def create_until_ready(site: Site, number: int, every: str) -> float:
    """Create one InfluxTask; the seconds from the request to the event that says Ready."""
    async with Kube(site) as kube:
        await kube.call("GET", TASKS, params={"limit": "1"})  # opens the connection
        started = time.perf_counter()
        made = await kube.call("POST", TASKS, task(number, site.bucket, every))
        meta = made["metadata"]
        params = {
            "watch": "true",
            "resourceVersion": meta["resourceVersion"],
            "fieldSelector": f"metadata.name={meta['name']}",
        }
        async for event in kube.lines(TASKS, params):
            if event["type"] == "ERROR":
                raise Refused(f"watch: {event['object']}")
            if is_ready(event["object"]):
                return time.perf_counter() - started
    raise Refused("the watch ended early")


async def change_by_hand(site: Site, count: int) -> dict[str, str]:
    """Change the scripts of so many tasks in InfluxDB, as a user in its UI does. Returns the right scripts by id."""
    async with Influx(site) as influx:
        tasks = [entry async for page in influx.pages() for entry in page][:count]

        async def edit(entry: dict[str, Any]) -> None:
            body = {"flux": entry["flux"].replace("fn: mean", "fn: max"), "status": "active"}
            await influx.call("PATCH", f"/api/v2/tasks/{entry['id']}", body)

        await in_parallel(tasks, edit)
        return {entry["id"]: entry["flux"] for entry in tasks}


async def still_changed(site: Site, right: dict[str, str]) -> list[str]:
    """Ids of the tasks that are not as they were."""
    wrong: list[str] = []
    async with Influx(site) as influx:

        async def look(task_id: str) -> None:
            if (await influx.call("GET", f"/api/v2/tasks/{task_id}"))["flux"] != right[task_id]:
                wrong.append(task_id)

        await in_parallel(list(right), look)
    return wrong


async def kube_metrics(site: Site) -> Scrape:
    """The API server's own counts."""
    async with Kube(site) as kube:
        _, answer = await kube.send("GET", "/metrics")
        return Scrape(answer.decode())


def influx_metrics(site: Site) -> Scrape:
    """InfluxDB's own counts."""
    return Scrape(text(f"{site.influx_url}/metrics"))
