"""The look behind the watches: a key-only list now and then finds what they missed.

A deletion that falls into a gap of a watch is never reported by kopf; and a watch can go silent in ways that nobody
foresees. The list is compared with the cache, and each difference is settled by reading that one object: the list is
a little older than the cache, so a difference alone proves nothing.

A read is answered with the present state. So what it says counts even where it looks older than what is known: then the
cluster was set back, by a restored backup of etcd, and all that was known of its future is void.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.kube.cache import Cache
from influxops.kube.client import KubeClient, Listed
from influxops.kube.errors import KubeError
from influxops.watch.inbox import Sink
from influxops.watch.projection import project

log = logging.getLogger(__name__)

SOON = 2.0
"""Seconds after a request until the list begins: a new watch lists as well, and usually settles everything."""

LATER = 60.0
"""Seconds at most until a comparison that failed is done again."""

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
    back: int = 0
    """Objects known in a state, or as gone, that the cluster has not come to yet: it was set back."""


class Truth(Sink, Protocol):
    """A sink that can also be told what is certain."""

    def replace(self, record: Record) -> None:
        """An object is in this state now, however old it looks."""
        ...


class Relist:
    """Compares the cache with the API.

    Args:
        interval: seconds between two comparisons, give or take a tenth.
        newest: the highest resource version that any watch has asked or told of.
        on_setback: called when the cluster turns out to have been set back: no watch goes on from where it is.

    """

    def __init__(
        self,
        client: KubeClient,
        cache: Cache,
        sink: Truth,
        namespaces: Sequence[str] | None = None,
        *,
        interval: float = 600.0,
        newest: Callable[[], int] = lambda: 0,
        on_setback: Callable[[], None] = lambda: None,
    ) -> None:
        self.found = Gaps()
        """The sum of what was found since the start."""
        self._client = client
        self._cache = cache
        self._sink = sink
        self._namespaces = namespaces
        self._interval = interval
        self._newest = newest
        self._on_setback = on_setback
        self._wanted = asyncio.Event()
        self._whole = False
        self._suspects: set[Key] = set()

    def request(self) -> None:
        """Compare everything soon, not only at the next turn."""
        self._whole = True
        self._wanted.set()

    def suspect(self, key: Key) -> None:
        """Look at one object soon: a write to it was refused as if it were another one."""
        self._suspects.add(key)
        self._wanted.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Compare at each interval until ``stop``; errors are logged."""
        failures, due = 0, self._due()
        while not stop.is_set():
            asked = await self._wait(stop, max(0.0, due - _time()))
            if asked:
                await self._wait_only(stop, min(SOON * 2 ** min(failures, 5), self._interval, LATER))
            if stop.is_set():
                return
            whole, suspects = self._whole or not asked or _time() >= due, self._suspects
            due = self._due() if whole else due  # single objects put nothing off
            self._whole, self._suspects = False, set()
            self._wanted.clear()
            try:
                await (self.once() if whole else self._few(suspects))
                failures = 0
            except KubeError as error:
                failures += 1
                self.request()
                log.warning("the comparison of cache and cluster failed, and is done again: %s", error)
            except Exception:
                failures += 1
                self.request()
                log.exception("the comparison of cache and cluster failed in a way it should not: please report this")

    def _due(self) -> float:
        """When everything is compared next."""
        return _time() + self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - jitter

    async def once(self) -> Gaps:
        """One comparison. Raises ``KubeError`` when the API does not answer; what was settled stays settled."""
        found = Gaps()
        setback = False
        for kind in Kind:
            newest = max(
                self._newest(), max((_number(one.resource_version) for one in self._cache.records(kind)), default=0)
            )
            lines, version = await self._client.list_keys_at(kind, self._namespaces)
            setback = setback or _number(version) < newest
            found = _sum(found, await self._settle_all(self._differences(kind, lines)))
        if setback or found.back:
            log.warning("the cluster was set back to an older state: what was known of its future is forgotten")
            self._on_setback()
        return found

    async def _few(self, suspects: Iterable[Key]) -> None:
        """Settle single objects."""
        if (await self._settle_all(list(suspects))).back:
            self.request()  # there will be others

    async def _settle_all(self, suspects: Sequence[Key]) -> Gaps:
        gate = asyncio.Semaphore(PARALLEL)
        results = await asyncio.gather(*(self._settle(key, gate) for key in suspects), return_exceptions=True)
        found = _sum(*(result for result in results if isinstance(result, Gaps)))
        self.found = _sum(self.found, found)
        if found != Gaps():
            log.warning("a watch had missed %d new, %d changed, %d deleted objects", *_tuple(found))
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return found

    def _differences(self, kind: Kind, lines: Sequence[Listed]) -> list[Key]:
        suspects = []
        listed = set()
        for key, uid, version in lines:
            listed.add(key)
            record = self._cache.get(key)
            if record is None or record.uid != uid or version != record.resource_version:
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
            found = Gaps(added=1)
        elif known.resource_version != record.resource_version:
            found = Gaps(changed=1)
        else:
            return Gaps()
        if self._cache.takes(record):
            self._sink.upsert(record)
            return found
        if known is not before:
            return Gaps()  # something was told while we asked, and is younger than the answer
        self._sink.replace(record)
        return replace(found, back=1)

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


def _time() -> float:
    return asyncio.get_running_loop().time()


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0


def _tuple(gaps: Gaps) -> tuple[int, int, int]:
    return gaps.added, gaps.changed, gaps.removed


def _sum(*gaps: Gaps) -> Gaps:
    return Gaps(
        removed=sum(one.removed for one in gaps),
        added=sum(one.added for one in gaps),
        changed=sum(one.changed for one in gaps),
        back=sum(one.back for one in gaps),
    )
