"""The smallest clients of the two APIs: one aiohttp session each, no retries, no models."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import aiohttp

from bench.site import INFLUX_CONCURRENCY, NAMESPACE, WORKERS, Site

GROUP = "/apis/influxops.dev/v1alpha1"
TASKS = f"{GROUP}/namespaces/{NAMESPACE}/influxtasks"
POLICIES = f"{GROUP}/namespaces/{NAMESPACE}/retentionpolicies"
CONNECTIONS = f"{GROUP}/namespaces/{NAMESPACE}/influxconnections"
FINALIZER = "influxops.dev/cleanup"
PAGE = 500


class Refused(Exception):
    """A server answered with an error status, which a benchmark never expects."""


class Api:
    """JSON over one session."""

    def __init__(self, url: str, authorization: str, ca: str, limit: int) -> None:
        context = ssl.create_default_context(cadata=ca) if ca else True
        self._url = url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limit, ssl=context),
            headers={"Authorization": authorization},
            timeout=aiohttp.ClientTimeout(total=60),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: str = "application/json",
        params: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        """Status and body, whatever they are."""
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": content}
        async with self._session.request(
            method, self._url + path, data=data, headers=headers, params=params
        ) as response:
            return response.status, await response.read()

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content: str = "application/json",
        params: dict[str, str] | None = None,
    ) -> Any:
        """The decoded answer. Raises Refused for an error status."""
        status, answer = await self.send(method, path, body, content=content, params=params)
        if status >= 300:
            raise Refused(f"{method} {path}: {status} {answer[:400].decode(errors='replace')}")
        return json.loads(answer) if answer else None

    async def lines(self, path: str, params: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """A stream of JSON lines: a watch."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        async with self._session.get(
            self._url + path, params=params, timeout=timeout, read_bufsize=1 << 22
        ) as response:
            async for line in response.content:
                yield json.loads(line)


class Kube(Api):
    """The API of Kubernetes."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.kube_host, f"Bearer {site.kube_token}", site.kube_ca, limit=64)

    async def pages(self, collection: str = TASKS) -> list[dict[str, Any]]:
        """Every InfluxTask, or whatever is in another collection, page by page."""
        params = {"limit": str(PAGE)}
        items: list[dict[str, Any]] = []
        while True:
            page = await self.call("GET", collection, params=params)
            items += page["items"]
            more = page["metadata"].get("continue")
            if not more:
                return items
            params["continue"] = more

    async def set_finalizer(self, item: dict[str, Any], collection: str = TASKS) -> None:
        """As the operator does it: a JSON patch that tests what it read."""
        meta = item["metadata"]
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
            {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
            {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
        ]
        await self.call("PATCH", f"{collection}/{meta['name']}", patch, content="application/json-patch+json")

    async def apply_status(
        self, name: str, uid: str, status: dict[str, Any], kind: str = "InfluxTask", collection: str = TASKS
    ) -> None:
        """As the operator does it: server-side apply of the whole status."""
        body = {
            "apiVersion": "influxops.dev/v1alpha1",
            "kind": kind,
            "metadata": {"namespace": NAMESPACE, "name": name, "uid": uid},
            "status": status,
        }
        params = {"fieldManager": "influxops", "force": "true"}
        path = f"{collection}/{name}/status"
        await self.call("PATCH", path, body, content="application/apply-patch+yaml", params=params)


class Influx(Api):
    """The API of InfluxDB, 16 requests at a time unless told otherwise."""

    def __init__(self, site: Site, limit: int = INFLUX_CONCURRENCY) -> None:
        super().__init__(site.influx_url, f"Token {site.influx_token}", "", limit=limit)
        self.org_id = site.org_id

    async def pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Every task with its script, 500 a page."""
        params = {"orgID": self.org_id, "limit": str(PAGE)}
        while True:
            page = (await self.call("GET", "/api/v2/tasks", params=params))["tasks"]
            yield page
            if len(page) < PAGE:
                return
            params["after"] = page[-1]["id"]

    async def write(self, bucket: str, lines: bytes) -> None:
        """Line protocol with times in whole seconds."""
        params = {"orgID": self.org_id, "bucket": bucket, "precision": "s"}
        async with self._session.post(f"{self._url}/api/v2/write", data=lines, params=params) as response:
            if response.status != 204:
                raise Refused(f"write: {response.status} {(await response.text())[:400]}")

    async def query(self, flux: str) -> bytes:
        """The CSV of a query."""
        body = {"query": flux, "type": "flux", "dialect": {"header": True, "annotations": []}}
        status, answer = await self.send("POST", "/api/v2/query", body, params={"orgID": self.org_id})
        if status != 200:
            raise Refused(f"query: {status} {answer[:400].decode(errors='replace')}")
        return answer


async def in_parallel(items: list[Any], work: Any, workers: int = WORKERS) -> None:
    """Do the work for each item, so many at a time. The first error ends it."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(workers, len(items))):
            group.create_task(worker())
