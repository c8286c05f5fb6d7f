"""A world of its own for one fault plan: a namespace, an organization, and an operator behind two fault proxies."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from devstack.influx import InfluxOrg, org_permissions
from devstack.kubeconfig import write_kubeconfig
from devstack.stack import Stack
from tests.support import expect
from tests.support.history import INFLUX, KUBE, Exchange, History
from tests.support.influx_admin import Admin
from tests.support.kubeadmin import KubeAdmin
from tests.support.nursery import Nursery, Operator
from tests.support.operator import faults_in
from tests.support.oracles import View
from tests.support.proxy import FaultProxy

INSTANCE = "fault-suite"
CONNECTION = "main"
QUIET_SWEEPS = 2
"""Sweeps that must pass without a write before a run counts as ended."""
PATIENCE = max(60.0, expect.PATIENCE)
"""Seconds in which everything must have come to rest after a crash; INFLUXOPS_TEST_PATIENCE is for busy machines."""
SHOWN = "INFLUXOPS_FAULT_SHOWN"
"""When the environment has it, what passed the proxies is printed at the end of each world."""
LOOK_AGAIN = 0.3
"""Seconds between two looks at both servers while no write passes."""

_numbers = itertools.count(1)


class NotSettled(AssertionError):
    """It did not come to rest in time."""


@dataclass
class World:
    """Everything that a plan needs; made by ``world``."""

    nursery: Nursery
    history: History
    influx: FaultProxy
    kube: FaultProxy
    admin: KubeAdmin
    influxdb: Admin
    org: InfluxOrg
    kubeconfig: Path
    directory: Path
    sabotage: Sequence[str] = ()
    leases: bool = False
    arguments: Sequence[str] = ()
    """More arguments of every operator that is started here."""
    tuning: Sequence[str] = ()
    """Functions of tests/support/tuning.py that every operator calls before it starts."""
    operator: Operator | None = None
    foreign: dict[str, str] = field(default_factory=dict)
    """Id -> name of tasks and buckets that belong to nobody of us."""
    former: InfluxOrg | None = None
    """The organization that the connection led to before it was moved: of it only foreign things are looked at."""
    strikes: int = 0
    """How often a fault has killed the operator."""
    unsettled: str = ""
    """Why the last look found the objects not settled."""
    _struck: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def namespace(self) -> str:
        """The plan's namespace."""
        return self.admin.namespace

    # The operator

    def start(self, *more: str) -> Operator:
        """Start an operator, with more arguments if wanted."""
        arguments = ["--probe-address", "127.0.0.1:0", "--namespaces", self.namespace, "--instance-id", INSTANCE]
        arguments += ["--log-format", "json", "--workers", "8"]
        if self.leases:
            arguments += ["--lease-namespace", self.namespace]
            arguments += ["--lease-duration", "4", "--lease-renew-deadline", "3", "--lease-retry-period", "0.5"]
        else:
            arguments += ["--no-leader-elect"]
        arguments += [*self.arguments, *more]
        log = self.directory / "operator.log"
        env = {"KUBECONFIG": str(self.kubeconfig)}
        self.operator = self.nursery.run(arguments, env, log, sabotage=[*self.sabotage, *self.tuning])
        return self.operator

    def strike(self) -> None:
        """Kill -9: called by the proxies at the very moment that a plan names."""
        assert self.operator is not None
        self.operator.kill()
        self.strikes += 1
        self._struck.set()

    def restart(self) -> None:
        """End the operator as Kubernetes does, by SIGTERM; ``keep`` starts it again."""
        assert self.operator is not None
        self.operator.terminate()
        self._struck.set()

    async def keep(self) -> None:
        """What the kubelet does: start the operator again after a strike. Runs as long as the world."""
        while True:
            await self._struck.wait()
            assert self.operator is not None
            await self.operator.wait()
            self.start()
            self._struck.clear()

    # What users do

    async def connect(self, interval: str = "1s") -> None:
        """The Secret and the InfluxConnection."""
        await self.admin.make_secret("influx-token", token=self.org.token)
        spec = {
            "url": self.influx.url,
            "allowInsecure": True,
            "org": self.org.org,
            "tokenSecretRef": {"name": "influx-token", "key": "token"},
            "syncInterval": interval,
        }
        await self.admin.create("InfluxConnection", CONNECTION, spec)

    async def plant_foreign(self) -> None:
        """Tasks and a bucket of others, which nobody may touch; one carries another installation's mark."""
        for name, mark in (("by hand", ""), ("of another installation", _FOREIGN_MARK)):
            flux = f'{mark}option task = {{name: "{name}", every: 8760h}}\nfrom(bucket: "raw") |> range(start: -1h)'
            made = await self.influxdb.call("POST", "tasks", {"orgID": self.org.org_id, "flux": flux})
            self.foreign[made["id"]] = made["name"]
        rules = [{"type": "expire", "everySeconds": 7200, "shardGroupDurationSeconds": 3600}]
        body = {"orgID": self.org.org_id, "name": "foreign", "description": "not ours", "retentionRules": rules}
        made = await self.influxdb.call("POST", "buckets", body)
        self.foreign[made["id"]] = made["name"]

    async def new_token(self) -> str:
        """Another token of the same user and organization."""
        org = self.org
        rights = org_permissions(org.org_id, org.user_id)
        body = {"orgID": org.org_id, "userID": org.user_id, "permissions": rights}
        return str((await self.influxdb.call("POST", "authorizations", body))["token"])

    async def revoke(self) -> None:
        """Make the organization's present token invalid."""
        found = (await self.influxdb.call("GET", "authorizations", orgID=self.org.org_id))["authorizations"]
        (present,) = [one for one in found if one["token"] == self.org.token]
        await self.influxdb.call("DELETE", f"authorizations/{present['id']}")

    async def another_org(self) -> InfluxOrg:
        """One more organization, with a bucket ``raw``, and the token of somebody who may do everything in both."""
        made = await self.influxdb.call("POST", "orgs", {"name": f"{self.org.org}-b"})
        bucket = await self.influxdb.call("POST", "buckets", {"orgID": made["id"], "name": "raw", "retentionRules": []})
        return replace(self.org, org=made["name"], org_id=made["id"], bucket_id=bucket["id"], token=self.influxdb.token)

    async def drop_tasks(self, org: InfluxOrg) -> None:
        """Delete all tasks of an organization."""
        for task in (await self.stored(org))[0]:
            await self.influxdb.call("DELETE", f"tasks/{task['id']}")

    async def struck_or(self, condition: Callable[[View], bool]) -> None:
        """Wait until a fault has killed the operator, or a condition on the objects holds: whichever comes first."""
        await self.until(lambda view: self.strikes > 0 or condition(view))

    async def until(self, condition: Callable[[View], bool], seconds: float = PATIENCE) -> None:
        """Wait until a condition on the objects in Kubernetes holds."""
        async with asyncio.timeout(seconds):
            while not condition(View(await self.admin.objects(), [], [])):  # noqa: ASYNC110 - a server is asked
                await asyncio.sleep(0.05)

    async def gone(self, kind: str, name: str) -> None:
        """Wait until Kubernetes has deleted an object."""
        await self.until(lambda view: name not in view.live(kind))

    async def written(self, seconds: float = PATIENCE) -> None:
        """Wait for the operator's answer to an edit behind its back: its next write, or at least the try."""
        begun = len(self.history.exchanges)
        async with asyncio.timeout(seconds):
            while not list(self.history.writes(begun)):  # noqa: ASYNC110 - the proxies fill it
                await asyncio.sleep(0.02)

    # What is seen

    async def look(self) -> View:
        """Both servers, past the proxies."""
        tasks, buckets = await self.stored(self.org)
        if self.former is not None:
            old_tasks, old_buckets = await self.stored(self.former)
            tasks += [one for one in old_tasks if one["id"] in self.foreign]
            buckets += [one for one in old_buckets if one["id"] in self.foreign]
        return View(await self.admin.objects(), tasks, buckets)

    async def stored(self, place: InfluxOrg) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All tasks and buckets of an organization, past the proxy."""
        org = place.org_id
        tasks: list[dict[str, Any]] = []
        while True:
            after = {"after": tasks[-1]["id"]} if tasks else {}
            page = (await self.influxdb.call("GET", "tasks", orgID=org, limit="500", **after))["tasks"]
            tasks += page
            if len(page) < 500:
                break
        buckets: list[dict[str, Any]] = []
        while True:
            params = {"orgID": org, "limit": "100", "offset": str(len(buckets))}
            page = (await self.influxdb.call("GET", "buckets", **params))["buckets"]
            buckets += page
            if len(page) < 100:
                break
        found = [{key: value for key, value in item.items() if key not in {"links", "labels"}} for item in tasks]
        return found, buckets

    async def settled(self, accepted: Mapping[str, str] | None = None) -> View | None:
        """The view, if every object is as its spec says; ``accepted``: object -> the reason it may rest with instead."""
        view = await self.look()
        for item in view.objects:
            name = f"{item['kind']}/{item['metadata']['name']}"
            status = item.get("status") or {}
            ready: dict[str, Any] = next((one for one in status.get("conditions") or [] if one["type"] == "Ready"), {})
            wanted = (accepted or {}).get(name, "")
            fits = ready.get("reason") == wanted if wanted else ready.get("status") == "True"
            gone = "deletionTimestamp" in item["metadata"] and not wanted
            if gone or not fits or status.get("observedGeneration") != item["metadata"]["generation"]:
                self.unsettled = f"{name}: deleting={gone} generation={item['metadata']['generation']} status={status}"
                return None
        self.unsettled = ""
        return view

    async def rest(
        self, accepted: Mapping[str, str] | None = None, seconds: float = PATIENCE, sweeps: int = QUIET_SWEEPS
    ) -> View:
        """Wait until every object is settled and then nothing is written for some sweeps, no points either. Raises NotSettled."""
        limit = time.monotonic() + seconds
        begun = seen = len(self.history.exchanges)
        view = await self.settled(accepted)
        looked = time.monotonic()
        while True:
            if time.monotonic() > limit:
                raise NotSettled(self._unrest(seen))
            assert self.operator is not None
            if not self._struck.is_set() and not self.operator.running:
                raise NotSettled(f"the operator has ended by itself\n{self.operator.tail()}")
            writes = [write.number + 1 for write in self.history.changed(seen)]
            if writes or (view is None and time.monotonic() - looked > LOOK_AGAIN):
                seen = max(writes, default=seen)
                view = await self.settled(accepted)
                looked = time.monotonic()
            if (
                view is not None
                and not list(self.history.changed(seen))
                and await self._swept(max(seen, begun), view, sweeps)
            ):
                view = await self.settled(accepted)
                if view is not None and not list(self.history.changed(seen)):
                    return view
            await asyncio.sleep(0.05)

    def _unrest(self, seen: int) -> str:
        last = [str(write) for write in self.history.changed()][-8:]
        assert self.operator is not None
        return (
            f"not at rest: {self.unsettled or 'writes go on, or sweeps have stopped'}\nlast writes:\n  "
            + "\n  ".join(last)
            + f"\nafter exchange {seen} of {len(self.history.exchanges)}\nlog:\n{self.operator.tail()}"
        )

    async def _swept(self, since: int, view: View, sweeps: int) -> bool:
        """Whether enough sweeps have passed; without a connection there are none, and a second has to do."""
        if not view.live("InfluxConnection"):
            count = len(self.history.exchanges)
            await asyncio.sleep(1.0)
            return len(list(self.history.changed(count))) == 0
        done = [one for one in self.history.exchanges[since:] if is_sweep(one) and one.ended is not None]
        return len(done) > sweeps  # the first may have begun before the last write ended

    def words(self) -> dict[str, str]:
        """What is only of this run."""
        return {
            self.namespace: "<namespace>",
            self.org.org: "<org>",
            self.org.org_id: "<org id>",
            self.org.user_id: "<user id>",
            self.org.user: "<user>",
            self.influx.url: "<influx>",
            self.influx.url.replace("127.0.0.1", "localhost"): "<influx by name>",
        }

    def faults_in_log(self) -> list[str]:
        """Lines of the log that tell of a bug, or hold a token."""
        assert self.operator is not None
        lines = self.operator.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return [f"log: {line}" for line in faults_in(lines)]


_FOREIGN_MARK = (
    "// influxops/v1 owner=another/InfluxTask/elsewhere/alpha uid=0b0e7cd3-0000-4000-8000-000000000000 sha256="
    + "0" * 64
    + "\n"
)


def is_sweep(exchange: Exchange) -> bool:
    """Whether this request begins a sweep of all tasks."""
    return (
        exchange.server == INFLUX
        and exchange.method == "GET"
        and exchange.path == "/api/v2/tasks"
        and "limit=500" in exchange.query
        and "name=" not in exchange.query
    )


@asynccontextmanager
async def world(
    stack: Stack, nursery: Nursery, directory: Path, *, sabotage: Sequence[str] = (), leases: bool = False
) -> AsyncIterator[World]:
    """A fresh namespace and organization; the operator is not started yet. Leaves nothing behind but logs."""
    org = await asyncio.to_thread(stack.influx.new_org)
    namespace = f"fault-{os.getpid()}-{next(_numbers)}"
    place = directory / namespace
    place.mkdir(parents=True)
    history = History()
    async with AsyncExitStack() as open_:
        influx = await open_.enter_async_context(FaultProxy(INFLUX, org.url, history))
        kube = await open_.enter_async_context(FaultProxy(KUBE, stack.kube.host, history, ca_pem=stack.kube.ca))
        admin = await open_.enter_async_context(KubeAdmin(stack.kube.host, stack.kube.ca, stack.kube.token, namespace))
        influxdb = await open_.enter_async_context(Admin(stack.influx.url, stack.influx.token))
        kubeconfig = write_kubeconfig(place / "kubeconfig", kube.url, stack.kube.ca, stack.kube.token)
        made = World(nursery, history, influx, kube, admin, influxdb, org, kubeconfig, place, sabotage, leases)
        influx.strike = kube.strike = made.strike
        await admin.make_namespace()
        keeper = asyncio.create_task(made.keep())
        try:
            yield made
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            if made.operator is not None:
                made.operator.end()
            if os.environ.get(SHOWN):
                sys.stdout.write("\n".join(("", *history.lines(), "")))
            with contextlib.suppress(AssertionError):
                await admin.clear()
            if made.org.org_id != org.org_id:  # it has moved: the user is the same
                await made.drop_tasks(made.org)
                await influxdb.call("DELETE", f"orgs/{made.org.org_id}")
            await asyncio.to_thread(stack.influx.drop_org, org)


@asynccontextmanager
async def shared_world(
    stack: Stack, nursery: Nursery, directory: Path, *, leases: bool = False
) -> AsyncIterator[World]:
    """The same, with tasks and a bucket of others: when all is over, they must be what they were, byte for byte."""
    async with world(stack, nursery, directory, leases=leases) as made:
        await made.plant_foreign()
        before = (await made.look()).foreign(made.foreign)
        yield made
        assert (await made.look()).foreign(made.foreign) == before, "FOREIGN: changed"
