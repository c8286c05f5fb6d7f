"""What a process of the world of fakes sees of the API server: a watch that lags, and gaps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from influxops.core.keys import Kind
from influxops.watch.projection import key_of, project
from tests.support.property.port import Server

if TYPE_CHECKING:
    from tests.support.property.fast import FastWorld


class Activity:
    """Of a watch that is always heard."""

    newest = 0

    def last(self, _: Kind) -> float:
        return asyncio.get_running_loop().time()

    def age(self) -> float:
        return 0.0


class Source:
    """Tells the engine what the fake API server tells its watchers. A long outage is a gap: deletions in it are never told."""

    def __init__(self, world: FastWorld, sink: Any, on_gap: Callable[[], None]) -> None:
        self.synced = asyncio.Event()
        self.activity = Activity()
        self._world = world
        self._sink = sink
        self._on_gap = on_gap

    def begin_anew(self) -> None:
        raise AssertionError("nothing was set back, and the operator takes it for that")

    def tasks(self) -> int:
        """It has no event loop of its own."""
        return 0

    async def run(self, stop: asyncio.Event) -> None:
        world = self._world
        position = await self._list()
        self.synced.set()
        while not stop.is_set():
            if world.down[Server.KUBE]:
                position = await self._gap(position)
            elif position < len(world.kube.news):
                await asyncio.sleep(random.uniform(0.001, 0.1))
                if not world.down[Server.KUBE] and position < len(world.kube.news):
                    self._deliver(position)
                    position += 1
            else:
                world.news.clear()
                await world.news.wait()

    async def _list(self) -> int:
        world = self._world
        await world.up.wait()
        for kind in Kind:
            for item in world.kube.request("GET", f"/apis/influxops.dev/v1alpha1/{kind.plural}")[1]["items"]:
                self._sink.upsert(project(kind, item))
        return len(world.kube.news)

    async def _gap(self, position: int) -> int:
        began = asyncio.get_running_loop().time()
        await self._world.up.wait()
        await asyncio.sleep(random.uniform(0.1, 2.0))
        if asyncio.get_running_loop().time() - began < 5.0:
            return position
        position = await self._list()
        self._on_gap()
        return position

    def _deliver(self, position: int) -> None:
        event = self._world.kube.news[position]
        if event.type == "DELETED":
            self._sink.remove(key_of(event.kind, event.body), event.body["metadata"]["uid"])
        else:
            self._sink.upsert(project(event.kind, event.body))
