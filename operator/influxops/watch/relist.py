"""The look behind the watches: a key-only list now and then finds what they missed.

A deletion that falls into a gap of a watch is never reported by kopf; and a watch can go silent in ways that nobody
foresees. The list is compared with the cache, and each difference is settled by reading that one object: the list is
a little older than the cache, so a difference alone proves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass

from influxops.core.keys import Key, Kind
from influxops.kube.cache import Cache
from influxops.kube.client import KubeClient, Listed
from influxops.kube.errors import KubeError
from influxops.watch.inbox import Sink
from influxops.watch.projection import project

log = logging.getLogger(__name__)

SOON = 2.0
"""Seconds after a request until the list begins: a new watch lists as well, and usually settles everything."""

PARALLEL = 8
"""Objects read at a time."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """What one comparison found and mended."""

    removed: int = 0
    """Objects that were gone."""
    added: int = 0
    """Objects that were not known."""
    changed: int = 0
    """Objects known in an older state."""


class Relist:
    """Compares the cache with the API.

    Args:
        interval: seconds between two comparisons, give or take a tenth.

    """

    def __init__(
        self,
        client: KubeClient,
        cache: Cache,
        sink: Sink,
        namespaces: Sequence[str] | None = None,
        *,
        interval: float = 600.0,
    ) -> None:
        self.found = Gaps()
        """The sum of what was found since the start."""
        self._client = client
        self._cache = cache
        self._sink = sink
        self._namespaces = namespaces
        self._interval = interval
        self._wanted = asyncio.Event()

    def request(self) -> None:
        """Compare soon, not only at the next turn."""
        self._wanted.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Compare at each interval until ``stop``; errors are logged."""
        while not stop.is_set():
            pause = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
            if await self._wait(stop, pause):
                await self._wait_only(stop, SOON)
            if stop.is_set():
                return
            self._wanted.clear()
            try:
                await self.once()
            except KubeError as error:
                log.warning("the comparison of cache and cluster failed: %s", error)

    async def once(self) -> Gaps:
        """One comparison. Raises ``KubeError`` when the API does not answer; what was settled stays settled."""
        found = Gaps()
        for kind in Kind:
            lines = await self._client.list_keys(kind, self._namespaces)
            suspects = self._differences(kind, lines)
            gate = asyncio.Semaphore(PARALLEL)
            results = await asyncio.gather(*(self._settle(key, gate) for key in suspects), return_exceptions=True)
            found = _sum(found, *(result for result in results if isinstance(result, Gaps)))
            for result in results:
                if isinstance(result, BaseException):
                    self.found = _sum(self.found, found)
                    raise result
        self.found = _sum(self.found, found)
        if found != Gaps():
            log.warning("a watch had missed %d new, %d changed, %d deleted objects", *_tuple(found))
        return found

    def _differences(self, kind: Kind, lines: Sequence[Listed]) -> list[Key]:
        suspects = []
        listed = set()
        for key, uid, version in lines:
            listed.add(key)
            record = self._cache.get(key)
            if record is None or record.uid != uid or _newer(version, record.resource_version):
                suspects.append(key)
        suspects.extend(key for key in self._cache.keys(kind) if key not in listed)
        return suspects

    async def _settle(self, key: Key, gate: asyncio.Semaphore) -> Gaps:
        async with gate:
            before = self._cache.get(key)
            body = await self._client.get(*key)
        # From here to the end nothing is awaited: the cache cannot change between the look and the deed.
        known = self._cache.get(key)
        if body is None:
            # An object that became known while we asked is younger than the answer.
            if known is None or before is None or known.uid != before.uid:
                return Gaps()
            self._sink.remove(key, known.uid)
            return Gaps(removed=1)
        record = project(key.kind, body)
        if known is None or known.uid != record.uid:
            self._sink.upsert(record)
            return Gaps(added=1)
        if _newer(record.resource_version, known.resource_version):
            self._sink.upsert(record)
            return Gaps(changed=1)
        return Gaps()

    async def _wait(self, stop: asyncio.Event, seconds: float) -> bool:
        """Wait for the time, the stop or a request; True for a request."""
        waits = [asyncio.create_task(event.wait()) for event in (stop, self._wanted)]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return self._wanted.is_set()

    @staticmethod
    async def _wait_only(stop: asyncio.Event, seconds: float) -> None:
        try:
            await asyncio.wait_for(stop.wait(), seconds)
        except TimeoutError:
            return


def _newer(one: str, other: str) -> bool:
    return one.isdigit() and other.isdigit() and int(one) > int(other)


def _tuple(gaps: Gaps) -> tuple[int, int, int]:
    return gaps.added, gaps.changed, gaps.removed


def _sum(*gaps: Gaps) -> Gaps:
    return Gaps(
        removed=sum(one.removed for one in gaps),
        added=sum(one.added for one in gaps),
        changed=sum(one.changed for one in gaps),
    )
