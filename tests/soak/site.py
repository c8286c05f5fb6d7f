"""The servers of a soak, the proxies before them, and the two people who work on them: a user and an administrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack.influx import InfluxOrg, org_permissions
from devstack.kubeconfig import write_kubeconfig
from devstack.stack import Stack
from tests.soak.eyes import Eyes
from tests.soak.tape import Tape
from tests.support.history import INFLUX, KUBE
from tests.support.influx_admin import Admin
from tests.support.kubeadmin import KubeAdmin
from tests.support.proxy import FaultProxy

NAMESPACE = "soak"
INSTANCE = "soak"
CONNECTION = "main"
SECRET = "influx-token"
REPLICAS = ("a", "b")
SYNC_INTERVAL = "10s"


@dataclass
class Site:
    """Everything that a soak works on; made by ``site``."""

    stack: Stack
    directory: Path
    org: InfluxOrg
    tape: Tape
    influx: FaultProxy
    kubes: dict[str, FaultProxy]
    """By the replica that it stands before."""
    eyes: dict[str, Eyes]
    """What each replica sees of its watches."""
    kubeconfigs: dict[str, Path]
    admin: KubeAdmin
    influxdb: Admin
    token_id: str = ""
    servers: dict[str, asyncio.Lock] = field(
        default_factory=lambda: {"influxd": asyncio.Lock(), "apiserver": asyncio.Lock()}
    )
    """Held while a server is not to be touched by another fault."""

    def proxies(self) -> list[FaultProxy]:
        """All of them."""
        return [self.influx, *self.kubes.values()]

    async def new_token(self) -> tuple[str, str]:
        """The id and the text of one more token of the organization's user."""
        org = self.org
        wanted = {
            "orgID": org.org_id,
            "userID": org.user_id,
            "permissions": org_permissions(org.org_id, org.user_id),
            "description": "of the soak",
        }
        made = await self.influxdb.call("POST", "authorizations", wanted)
        return str(made["id"]), str(made["token"])

    async def put_secret(self, token: str) -> None:
        """Create the Secret of the connection, or replace the token in it."""
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets"
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": {"token": token}}
        try:
            await self.admin.call("PUT", f"{path}/{SECRET}", body)
        except AssertionError as error:
            if ": 404 " not in str(error):
                raise
            await self.admin.call("POST", path, body)

    async def tasks(self) -> list[dict[str, Any]]:
        """Every task of the organization."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"after": found[-1]["id"]} if found else {}
            page = (await self.influxdb.call("GET", "tasks", orgID=self.org.org_id, limit="500", **after))["tasks"]
            found += [{key: value for key, value in item.items() if key not in {"links", "labels"}} for item in page]
            if len(page) < 500:
                return found

    async def buckets(self) -> list[dict[str, Any]]:
        """Every bucket of the organization."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"orgID": self.org.org_id, "limit": "100", "offset": str(len(found))}
            page = (await self.influxdb.call("GET", "buckets", **params))["buckets"]
            found += page
            if len(page) < 100:
                return found

    async def new_bucket(self, name: str, seconds: int = 0, description: str = "") -> str:
        """A bucket made by hand; its id."""
        rule = {"type": "expire", "everySeconds": seconds}
        body = {"orgID": self.org.org_id, "name": name, "description": description, "retentionRules": [rule]}
        return str((await self.influxdb.call("POST", "buckets", body))["id"])


@asynccontextmanager
async def site(stack: Stack, directory: Path) -> AsyncIterator[Site]:
    """A namespace, an organization, and a proxy before each server; one before the apiserver for each replica."""
    org = await asyncio.to_thread(stack.influx.new_org)
    tape = Tape()
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    async with AsyncExitStack() as open_:
        influx = await open_.enter_async_context(FaultProxy(INFLUX, org.url, tape))
        kubes, eyes, kubeconfigs = {}, {}, {}
        for name in REPLICAS:
            kube = FaultProxy(KUBE, stack.kube.host, tape, ca_pem=stack.kube.ca)
            kubes[name] = await open_.enter_async_context(kube)
            eyes[name] = Eyes()
            kube.view = eyes[name]
            path = directory / f"kubeconfig-{name}"
            kubeconfigs[name] = write_kubeconfig(path, kube.url, stack.kube.ca, stack.kube.token)
        admin = await open_.enter_async_context(KubeAdmin(stack.kube.host, stack.kube.ca, stack.kube.token, NAMESPACE))
        influxdb = await open_.enter_async_context(Admin(stack.influx.url, stack.influx.token))
        made = Site(stack, directory, org, tape, influx, kubes, eyes, kubeconfigs, admin, influxdb)
        await admin.make_namespace()
        made.token_id, token = await made.new_token()
        await made.put_secret(token)
        yield made
