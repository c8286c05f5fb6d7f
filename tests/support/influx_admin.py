"""What a test does to a real InfluxDB behind influxops' back: organizations, tokens, points, the user in the UI."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import aiohttp


@dataclass(frozen=True)
class Site:
    """One organization of a real InfluxDB and a token that may do everything."""

    url: str
    token: str
    org: str
    org_id: str


class Admin:
    """Raw calls with a token that may do everything. Use it with ``async with``."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(self.url, headers={"Authorization": f"Token {self.token}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """One call under /api/v2; fails on any error status."""
        async with self._session.request(method, f"/api/v2/{path}", params=params, json=body) as response:
            text = await response.text()
            assert response.status < 300, f"{method} {path}: {response.status} {text}"
            return await response.json(content_type=None) if text else None

    async def new_org(self) -> Site:
        """A fresh organization, so that tests do not see each other's objects."""
        name = f"org-{secrets.token_hex(5)}"
        org = await self.call("POST", "orgs", {"name": name})
        return Site(self.url, self.token, name, org["id"])

    async def drop_org(self, site: Site) -> None:
        """Delete an organization, its tasks first, so that none goes on running."""
        while found := (await self.call("GET", "tasks", orgID=site.org_id, limit="500", type="basic"))["tasks"]:
            for task in found:
                await self.call("DELETE", f"tasks/{task['id']}")
        await self.call("DELETE", f"orgs/{site.org_id}")

    async def new_token(self, org_id: str, rights: Iterable[str]) -> str:
        """A token with exactly these rights in the organization, such as ``read:tasks``."""
        permissions = []
        for right in rights:
            action, kind = right.split(":")
            resource = {"type": kind, "orgID": org_id}
            if kind == "orgs":
                resource = {"type": kind, "id": org_id}
            if kind == "users":  # users belong to no organization
                resource = {"type": kind}
            permissions.append({"action": action, "resource": resource})
        made = await self.call("POST", "authorizations", {"orgID": org_id, "permissions": permissions})
        return str(made["token"])

    async def write(self, org_id: str, bucket: str, *lines: str) -> None:
        """Write points, as line protocol with times in seconds."""
        url = "/api/v2/write"
        params = {"orgID": org_id, "bucket": bucket, "precision": "s"}
        async with self._session.post(url, params=params, data="\n".join(lines)) as response:
            assert response.status == 204, await response.text()

    async def metrics(self) -> str:
        """The server's own metrics, as Prometheus text."""
        async with self._session.get("/metrics") as response:
            return await response.text()

    async def query(self, org_id: str, flux: str) -> str:
        """The raw CSV of a query."""
        async with self._session.post("/api/v2/query", params={"orgID": org_id}, json={"query": flux}) as response:
            text = await response.text()
            assert response.status == 200, text
            return text
