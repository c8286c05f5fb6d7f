"""A watch on all InfluxTasks and RetentionPolicies: which are Ready, and how long each change took to be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from types import TracebackType
from typing import Any, Self

from bench.clients import POLICIES, TASKS, Kube, Refused
from bench.setup import is_ready
from bench.site import Site


class Following:
    """Use it with ``async with``; begin it before the operator."""

    def __init__(self, site: Site) -> None:
        self.took: list[float] = []
        """Seconds from a change to Ready, of all that have become so."""
        self._site = site
        self._objects: dict[tuple[str, str], tuple[str, int]] = {}
        """By collection and name: the connection, and the generation for which it is Ready; 0 when it is not."""
        self._asked: dict[tuple[str, str], list[tuple[int, float]]] = {}
        self._last: dict[str, float] = {}
        """By connection: when an object of it became Ready last, monotonic."""
        self._watches: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._kube = await Kube(self._site).__aenter__()
        for collection in (TASKS, POLICIES):
            items = await self._kube.pages(collection)
            for item in items:
                self._seen(collection, item)
            start = await self._kube.call("GET", collection, params={"limit": "1"})
            version = start["metadata"]["resourceVersion"]
            self._watches.append(asyncio.create_task(self._watch(collection, version)))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watch in self._watches:
            watch.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        await self._kube.__aexit__(kind, error, trace)

    @property
    def waiting(self) -> int:
        """Changes that are not Ready yet."""
        return sum(map(len, self._asked.values()))

    def asked(self, name: str, generation: int, at: float) -> None:
        """The spec of an InfluxTask was changed; its watch may have told of the end before the API has answered."""
        key = (TASKS, name)
        if self._objects.get(key, ("", 0))[1] >= generation:
            self.took.append(time.monotonic() - at)
        else:
            self._asked.setdefault(key, []).append((generation, at))

    def missing(self, connections: Collection[str]) -> int:
        """Objects of these connections that are not Ready."""
        return sum(not ready for connection, ready in self._objects.values() if connection in connections)

    async def until_ready(self, connections: Collection[str], timeout: float) -> float:
        """Wait until all objects of these connections are Ready; monotonic time at which the last one was."""
        limit = time.monotonic() + timeout
        while missing := self.missing(connections):
            self.check()
            if time.monotonic() > limit:
                raise TimeoutError(f"{missing} objects of {sorted(connections)} are not Ready after {timeout:.0f} s")
            await asyncio.sleep(0.2)
        return max((self._last.get(name, 0.0) for name in connections), default=0.0)

    def check(self) -> None:
        """Raise what has ended a watch."""
        for watch in self._watches:
            if watch.done():
                watch.result()

    async def _watch(self, collection: str, version: str) -> None:
        while True:
            params = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
            async for event in self._kube.lines(collection, params):
                if event["type"] == "ERROR":
                    raise Refused(f"watch: {event['object']}")
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    self._seen(collection, event["object"])

    def _seen(self, collection: str, item: dict[str, Any]) -> None:
        meta, now, ready = item["metadata"], time.monotonic(), is_ready(item)
        key, connection = (collection, meta["name"]), item["spec"]["connectionRef"]["name"]
        generation = meta["generation"] if ready else 0
        if ready and self._objects.get(key) != (connection, generation):
            self._last[connection] = now
        self._objects[key] = (connection, generation)
        waiting = self._asked.get(key)
        if ready and waiting:
            self.took += [now - at for wanted, at in waiting if wanted <= generation]
            self._asked[key] = [one for one in waiting if one[0] > generation]
