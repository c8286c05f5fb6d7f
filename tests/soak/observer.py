"""A watch of our own on every object, past the proxies: what there is, and how long each change of a spec took to be Ready."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import Any, Self

import aiohttp

from tests.soak.site import NAMESPACE, Site
from tests.support.expect import condition, observed
from tests.support.kubeadmin import API, PLURALS, WINDOWED

Item = dict[str, Any]
KINDS = {**PLURALS, **WINDOWED}


class Observer:
    """Use it with ``async with``."""

    def __init__(self, site: Site) -> None:
        self.objects: dict[tuple[str, str], Item] = {}
        """By kind and name."""
        self.ready: list[tuple[float, float]] = []
        """Of each change of a spec that became Ready: when it was made, and after how many seconds it was."""
        self._asked: dict[str, list[tuple[int, float]]] = {}
        """Uid -> generations that are waited for, and when they were asked for."""
        self._site = site

    async def __aenter__(self) -> Self:
        kube = self._site.stack.kube
        connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cadata=kube.ca))
        headers = {"Authorization": f"Bearer {kube.token}"}
        self._session = aiohttp.ClientSession(kube.host, headers=headers, connector=connector)
        self._watches = [asyncio.create_task(self._follow(kind)) for kind in KINDS]
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await self._session.close()

    def changed(self, item: Item, asked: float) -> None:
        """A spec was created or changed; ``item`` is the API's answer."""
        self._asked.setdefault(item["metadata"]["uid"], []).append((item["metadata"]["generation"], asked))

    def of(self, kind: str) -> list[Item]:
        """The objects of a kind that nobody has deleted, by name."""
        found = [item for (one, _), item in self.objects.items() if one == kind]
        alive = [item for item in found if "deletionTimestamp" not in item["metadata"]]
        return sorted(alive, key=lambda item: str(item["metadata"]["name"]))

    @property
    def waiting(self) -> int:
        """Changes that are not Ready yet."""
        return sum(map(len, self._asked.values()))

    async def _follow(self, kind: str) -> None:
        while True:
            try:
                await self._watch(kind, await self._list(kind))
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await asyncio.sleep(0.2)  # the apiserver is away

    async def _list(self, kind: str) -> str:
        async with self._session.get(_path(kind)) as answer:
            answer.raise_for_status()
            listed = await answer.json()
        found = {item["metadata"]["name"]: {**item, "kind": kind} for item in listed["items"]}
        for one, name in list(self.objects):
            if one == kind and name not in found:
                self._gone(self.objects.pop((one, name)))
        for item in found.values():
            self._seen(item)
        return str(listed["metadata"]["resourceVersion"])

    async def _watch(self, kind: str, version: str) -> None:
        params = {"watch": "true", "resourceVersion": version}
        timeout = aiohttp.ClientTimeout(total=None, sock_read=30.0)  # a paused apiserver may have broken it
        async with self._session.get(_path(kind), params=params, timeout=timeout, read_bufsize=1 << 22) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                if event["type"] == "DELETED":
                    self.objects.pop((kind, event["object"]["metadata"]["name"]), None)
                    self._gone(event["object"])
                else:
                    self._seen(event["object"])

    def _seen(self, item: Item) -> None:
        self.objects[item["kind"], item["metadata"]["name"]] = item
        waiting = self._asked.get(item["metadata"]["uid"])
        if not waiting or not observed(item) or condition(item).get("status") != "True":
            return
        now, generation = time.monotonic(), item["metadata"]["generation"]
        self.ready += [(asked, now - asked) for number, asked in waiting if number <= generation]
        left = [(number, asked) for number, asked in waiting if number > generation]
        if left:
            self._asked[item["metadata"]["uid"]] = left
        else:
            del self._asked[item["metadata"]["uid"]]

    def _gone(self, item: Item) -> None:
        self._asked.pop(item["metadata"]["uid"], None)


def _path(kind: str) -> str:
    return f"{API}/namespaces/{NAMESPACE}/{KINDS[kind]}"
