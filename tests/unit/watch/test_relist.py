"""watch.relist: what counts when the cluster and what is known of it differ."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.kube.cache import Cache
from influxops.kube.client import Listed
from influxops.kube.errors import Unavailable
from influxops.watch import relist as module
from influxops.watch.relist import Gaps, Relist
from tests.support.kubeobjects import body, record, task
from tests.support.until import until


class Cluster:
    """What the API would say."""

    def __init__(self, *bodies: dict[str, Any], version: int = 100) -> None:
        self.objects = {one["metadata"]["name"]: one for one in bodies}
        self.version = version
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens while an object is read."""
        self.failures = 0
        self.lists = 0

    async def list_keys_at(self, kind: Kind, _: Sequence[str] | None) -> tuple[list[Listed], str]:
        self.lists += 1
        if self.failures:
            self.failures -= 1
            raise Unavailable("storage is (re)initializing", status=429)
        metas = [one["metadata"] for one in self.objects.values() if kind is Kind.TASK]
        lines = [Listed(task(meta["name"]), meta["uid"], meta["resourceVersion"]) for meta in metas]
        return lines, str(self.version)

    async def get(self, _: Kind, __: str, name: str) -> dict[str, Any] | None:
        found = self.objects.get(name)
        self.meanwhile()
        return found


class Known:
    """A cache that is told."""

    def __init__(self, *records: Record) -> None:
        self.cache = Cache()
        self.setbacks = 0
        for one in records:
            self.cache.upsert(one)

    def upsert(self, one: Record) -> None:
        self.cache.upsert(one)

    def replace(self, one: Record) -> None:
        self.cache.replace(one)

    def remove(self, key: Key, uid: str) -> None:
        self.cache.remove(key, uid)

    def setback(self) -> None:
        self.setbacks += 1


def compare(cluster: Cluster, known: Known, newest: int = 0, interval: float = 3600) -> Relist:
    return Relist(
        cluster,  # type: ignore[arg-type]
        known.cache,
        known,
        newest=lambda: newest,
        on_setback=known.setback,
        interval=interval,
    )


async def test_an_object_in_an_older_state_is_believed() -> None:
    """A read is answered with the present: the cluster was set back, and the watches have to begin anew."""
    known = Known(record(version=20, spec={"every": "2h"}))
    cluster = Cluster(body(version=10, spec={"every": "1h"}), version=15)
    assert await compare(cluster, known).once() == Gaps(changed=1, back=1)
    kept = known.cache.get(task())
    assert kept is not None
    assert kept.spec() == {"every": "1h"}
    assert known.setbacks == 1


async def test_an_object_that_was_gone_is_back() -> None:
    """Deleted after the snapshot: its uid was remembered as that of a dead one."""
    known = Known(record(uid="u1", version=20))
    known.remove(task(), "u1")
    cluster = Cluster(body(uid="u1", version=10), version=15)
    assert await compare(cluster, known).once() == Gaps(added=1, back=1)
    assert task() in known.cache
    known.upsert(record(uid="u1", version=16, status={"n": 1}))
    assert await compare(cluster, known).once() == Gaps(changed=1, back=1)


async def test_the_former_one_of_a_name_is_back() -> None:
    """It was made anew after the snapshot."""
    known = Known(record(uid="old", version=10), record(uid="new", version=20))
    await compare(Cluster(body(uid="old", version=10), version=15), known).once()
    kept = known.cache.get(task())
    assert kept is not None
    assert kept.uid == "old"


async def test_a_cluster_that_was_set_back_with_nothing_of_ours_in_it() -> None:
    """Leases and events count up versions as well: a watch that waits for a later one hears nothing."""
    known = Known(record(version=10))
    assert await compare(Cluster(body(version=10), version=15), known, newest=16).once() == Gaps()
    assert known.setbacks == 1
    assert await compare(Cluster(body(version=10), version=15), known, newest=15).once() == Gaps()
    assert known.setbacks == 1


async def test_what_is_told_while_an_object_is_read_is_younger_than_the_answer() -> None:
    known = Known(record(version=10))
    cluster = Cluster(body(version=12))
    cluster.meanwhile = lambda: known.upsert(record(version=14, status={"n": 1}))
    assert await compare(cluster, known).once() == Gaps()
    kept = known.cache.get(task())
    assert kept is not None
    assert kept.resource_version == "14"
    assert known.setbacks == 0


async def test_a_suspect_is_looked_at_alone(monkeypatch: Any) -> None:
    """A write was refused because the object is gone: that one is asked for, and no list is needed."""
    monkeypatch.setattr(module, "SOON", 0.0)
    known, stop = Known(record(version=10)), asyncio.Event()
    cluster = Cluster()
    relist = compare(cluster, known)
    running = asyncio.create_task(relist.run(stop))
    relist.suspect(task())
    await until(lambda: task() not in known.cache)
    assert cluster.lists == 0
    stop.set()
    await running


async def test_a_comparison_that_failed_is_done_again_soon(monkeypatch: Any) -> None:
    """Right after its restart an API server refuses for a while: the next turn, ten minutes later, would be too late."""
    monkeypatch.setattr(module, "SOON", 0.001)
    known, stop = Known(record(version=10)), asyncio.Event()
    cluster = Cluster()
    cluster.failures = 3
    relist = compare(cluster, known)
    running = asyncio.create_task(relist.run(stop))
    relist.request()
    await until(lambda: task() not in known.cache and cluster.lists == 3 + len(Kind))
    stop.set()
    await running


async def test_a_comparison_that_fails_as_it_never_should_is_done_again(monkeypatch: Any) -> None:
    """Else deletions that a watch has missed would be missed for good."""
    monkeypatch.setattr(module, "SOON", 0.001)
    known, stop = Known(record(version=10)), asyncio.Event()
    cluster = Cluster()
    lists, failures = cluster.list_keys_at, iter([TypeError("no list"), KeyError("metadata")])

    async def list_keys_at(kind: Kind, namespaces: Sequence[str] | None) -> tuple[list[Listed], str]:
        error = next(failures, None)
        if error is not None:
            raise error
        return await lists(kind, namespaces)

    cluster.list_keys_at = list_keys_at  # type: ignore[method-assign]
    relist = compare(cluster, known)
    running = asyncio.create_task(relist.run(stop))
    relist.request()
    await until(lambda: task() not in known.cache)
    stop.set()
    await running


async def test_single_objects_put_nothing_off(monkeypatch: Any) -> None:
    """Somebody is suspect all the time; what nobody suspects is found at its time all the same."""
    monkeypatch.setattr(module, "SOON", 0.001)
    known, stop = Known(record(version=10)), asyncio.Event()
    cluster = Cluster()
    relist = compare(cluster, known, interval=0.2)
    running = asyncio.create_task(relist.run(stop))

    async def suspect() -> None:
        while True:
            relist.suspect(task("other"))
            await asyncio.sleep(0.02)

    suspecting = asyncio.create_task(suspect())
    await until(lambda: task() not in known.cache, 5.0)
    suspecting.cancel()
    stop.set()
    await running
