"""A control plane of our own for this folder: its API server is restarted and frozen by some of these tests."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.kube.cache import Cache
from influxops.kube.client import KubeClient
from influxops.watch.source import KopfSource

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Stack]:
    """A stack whose API server serves our CRDs."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        stack.kubectl("apply", "--server-side", "-f", str(CRDS))
        stack.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
        yield stack


@pytest.fixture
async def client(control_plane: Stack) -> AsyncIterator[KubeClient]:
    """A client with all rights."""
    client = await KubeClient.connect(str(control_plane.kubeconfig))
    yield client
    await client.close()


@pytest.fixture
async def namespace(client: KubeClient) -> str:
    """A namespace that no other test uses."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await raw(client, "POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    return name


async def raw(client: KubeClient, method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    """What a user does with kubectl."""
    if method == "GET":
        answer: dict[str, Any] = await client._api.read(path)
    else:
        answer = await client._api.write(method, path, body if body is not None else {}, **more)
    return answer


def path(key: Key) -> str:
    """Where an object of ours is."""
    return f"/apis/influxops.dev/v1alpha1/namespaces/{key.namespace}/{key.kind.plural}/{key.name}"


async def create_task(client: KubeClient, namespace: str, name: str = "a", every: str = "1h") -> tuple[Key, str]:
    """A task as a user writes it; its key and uid."""
    key = Key(Kind.TASK, namespace, name)
    body = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "InfluxTask",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"connectionRef": {"name": "main"}, "every": every, "flux": 'from(bucket: "raw")'},
    }
    made = await raw(client, "POST", path(key).removesuffix(f"/{name}"), body)
    return key, made["metadata"]["uid"]


@dataclass
class Seen:
    """A sink with a cache; remembers what it was told."""

    cache: Cache = field(default_factory=Cache)
    upserts: list[Record] = field(default_factory=list)
    removals: list[tuple[Key, str]] = field(default_factory=list)
    deaf: bool = False
    """Takes nothing: as if a watch had missed it."""
    missed: int = 0
    """Events that came while it was deaf."""

    def upsert(self, record: Record) -> None:
        if self.deaf:
            self.missed += 1
            return
        self.upserts.append(record)
        self.cache.upsert(record)

    def replace(self, record: Record) -> None:
        self.upserts.append(record)
        self.cache.replace(record)

    def remove(self, key: Key, uid: str) -> None:
        if self.deaf:
            self.missed += 1
            return
        self.removals.append((key, uid))
        self.cache.remove(key, uid)


@asynccontextmanager
async def background(*runs: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[asyncio.Event]:
    """Run what takes a stop event, and end it."""
    stop = asyncio.Event()
    tasks = [asyncio.ensure_future(run(stop)) for run in runs]
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)


@asynccontextmanager
async def watching(
    client: KubeClient, namespaces: list[str] | None = None, **more: Any
) -> AsyncIterator[tuple[KopfSource, Seen]]:
    """A source that has told everything once."""
    seen = Seen()
    source = KopfSource(client, seen, namespaces, **more)
    async with background(source.run):
        async with asyncio.timeout(30):
            await source.synced.wait()
        yield source, seen
