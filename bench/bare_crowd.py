"""The bare loop over several connections: InfluxTasks and RetentionPolicies of those that are well."""

from __future__ import annotations

import time
from typing import Any

from bench.clients import POLICIES, Influx, Kube, in_parallel
from bench.objects import CHECK, bare_status, stored_script
from bench.site import INFLUX_CONCURRENCY, Site

Item = dict[str, Any]


async def crowd(kube: Kube, _influx: Influx, job: dict[str, Any]) -> dict[str, Any]:
    """List both kinds and bring each object to Ready; ``job["orgs"]``: id of the organization by connection."""
    orgs: dict[str, str] = job["orgs"]
    async with Influx(Site(**job["site"]), limit=INFLUX_CONCURRENCY * len(orgs)) as influx:

        def meant(items: list[Item]) -> list[Item]:
            return [item for item in items if item["spec"]["connectionRef"]["name"] in orgs]

        tasks, policies = meant(await kube.pages()), meant(await kube.pages(POLICIES))

        async def bring(item: Item) -> None:
            org_id = orgs[item["spec"]["connectionRef"]["name"]]
            await (_policy if "bucket" in item["spec"] else _task)(kube, influx, item, org_id)

        await in_parallel([*policies, *tasks], bring)
    return {"objects": len(tasks) + len(policies)}


async def _task(kube: Kube, influx: Influx, item: Item, org_id: str) -> None:
    """Check, finalizer, create, status."""
    meta, every = item["metadata"], item["spec"]["every"]
    script = stored_script(int(meta["name"].rpartition("-")[2]), "raw", every)
    check = {"query": script, "type": "flux", "extern": CHECK}
    await influx.send("POST", "/api/v2/query", check, params={"orgID": org_id})
    await kube.set_finalizer(item)
    made = await influx.call("POST", "/api/v2/tasks", {"orgID": org_id, "flux": script, "status": "active"})
    await kube.apply_status(
        meta["name"], meta["uid"], bare_status(made["id"], meta["generation"], "0" * 64, _now(), every)
    )


async def _policy(kube: Kube, influx: Influx, item: Item, org_id: str) -> None:
    """Finalizer, create, status."""
    meta = item["metadata"]
    await kube.set_finalizer(item, POLICIES)
    rules = [{"type": "expire", "everySeconds": 2_592_000, "shardGroupDurationSeconds": 86_400}]
    body = {"orgID": org_id, "name": item["spec"]["bucket"], "description": "bare loop", "retentionRules": rules}
    made = await influx.call("POST", "/api/v2/buckets", body)
    ready = bare_status(made["id"], meta["generation"], "0" * 64, _now(), "")["conditions"]
    status = {"observedGeneration": meta["generation"], "conditions": ready, "bucketID": made["id"]}
    await kube.apply_status(meta["name"], meta["uid"], status, "RetentionPolicy", POLICIES)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
