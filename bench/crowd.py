"""Ten connections with thousands of objects: eight are well, one is dead, one is slow."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.clients import CONNECTIONS, GROUP, POLICIES, TASKS, Kube, in_parallel
from bench.objects import TARGET_BUCKET, surroundings, task, user_script
from bench.relay import Mode, Relay
from bench.setup import CRDS, run, site_of
from bench.site import NAMESPACE, SYNC_INTERVAL, Site
from bench.windows import LEDGER, PIPELINES, rfc3339
from devstack.influx import InfluxOrg
from devstack.stack import Stack

TASK_COUNT = int(os.environ.get("BENCH_SCALE_TASKS", "10000"))
POLICY_COUNT = int(os.environ.get("BENCH_SCALE_POLICIES", "500"))
PIPELINE_COUNT = int(os.environ.get("BENCH_SCALE_PIPELINES", "50"))
CONNECTION_COUNT = 10
DEAD, SLOW = "connection-8", "connection-9"
EVERY = "24h"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"


@dataclass(frozen=True)
class Crowd:
    """Servers with everything on them, which nobody has reconciled yet."""

    stack: Stack
    site: Site
    orgs: dict[str, InfluxOrg]
    """By connection."""
    dead: Relay
    slow: Relay

    @property
    def well(self) -> list[str]:
        """Connections that nothing is wrong with."""
        return [name for name in self.orgs if name not in {DEAD, SLOW}]


@contextmanager
def crowd() -> Iterator[Crowd]:
    """New servers; one connection leads nowhere, one to a slow place."""
    with ExitStack() as open_:
        stack = open_.enter_context(Stack.start(controller_manager=False, audit=False))
        site = site_of(stack)
        stack.kubectl("apply", "--server-side", "-f", str(CRDS))
        stack.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        orgs = {f"connection-{number}": stack.influx.new_org() for number in range(CONNECTION_COUNT)}
        for org in orgs.values():
            for name in (TARGET_BUCKET, LEDGER):
                body = {"orgID": org.org_id, "name": name, "retentionRules": []}
                stack.influx.call("POST", "/api/v2/buckets", body)
        dead = open_.enter_context(Relay(site.influx_url, Mode.DEAD))
        slow = open_.enter_context(Relay(site.influx_url, Mode.SLOW))
        made = Crowd(stack, site, orgs, dead, slow)
        run(_fill(made))
        yield made


async def _fill(made: Crowd) -> None:
    async with Kube(made.site) as kube:
        await kube.call("POST", *surroundings(made.site)[0])
        for name, org in made.orgs.items():
            secret = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name},
                "stringData": {"token": org.token},
            }
            await kube.call("POST", SECRETS, secret)
            await kube.call("POST", CONNECTIONS, _connection(made, name, org))
        bodies = [
            *((TASKS, on(task(number, "raw", EVERY), number)) for number in range(TASK_COUNT)),
            *((POLICIES, _policy(number)) for number in range(POLICY_COUNT)),
            *((PIPELINES, _pipeline(number)) for number in range(PIPELINE_COUNT)),
        ]
        await in_parallel(bodies, lambda one: kube.call("POST", *one))


def on(item: dict[str, Any], number: int) -> dict[str, Any]:
    """The same object on the connection that is its by its number."""
    item["spec"]["connectionRef"] = {"name": f"connection-{number % CONNECTION_COUNT}"}
    return item


def changed_script(number: int, turn: int) -> str:
    """Another script for a task, each turn another."""
    return user_script(number, "raw").replace("every: 5m", f"every: {turn + 6}m")


def _connection(made: Crowd, name: str, org: InfluxOrg) -> dict[str, Any]:
    url = {DEAD: made.dead.url, SLOW: made.slow.url}.get(name, org.url)
    spec = {
        "url": url,
        "allowInsecure": True,
        "org": org.org,
        "tokenSecretRef": {"name": name, "key": "token"},
        "syncInterval": f"{SYNC_INTERVAL}s",
    }
    return _object("InfluxConnection", name, spec)


def _policy(number: int) -> dict[str, Any]:
    name = f"policy-{number:04d}"
    return on(_object("RetentionPolicy", name, {"bucket": name, "retention": "30d"}), number)


def _pipeline(number: int) -> dict[str, Any]:
    flux = 'import "array"\narray.from(rows: [{_time: v.timeRangeStart, _value: 1.0}])\n'
    spec = {
        "window": {"every": "1m"},
        "begin": rfc3339(datetime.now(UTC)),
        "stages": [{"name": "first", "flux": flux}, {"name": "second", "dependsOn": ["first"], "flux": flux}],
    }
    return on(_object("InfluxPipeline", f"pipeline-{number:02d}", spec), number)


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    meta = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": f"{GROUP.removeprefix('/apis/')}", "kind": kind, "metadata": meta, "spec": spec}
