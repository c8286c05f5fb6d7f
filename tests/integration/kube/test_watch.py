"""watch/ on a real API server: kopf as we run it sees everything, writes nothing, and comes back."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading

import pytest
import uvloop

from devstack.stack import Stack
from influxops.core.keys import Kind
from influxops.kube.client import KubeClient
from influxops.watch.relist import Gaps, Relist
from influxops.watch.source import KopfSource
from tests.integration.kube.conftest import CRDS, Seen, background, create_task, path, raw, watching
from tests.support.until import until


@pytest.mark.parametrize("loop_factory", [None, uvloop.new_event_loop])
async def test_create_update_and_delete_are_seen(client: KubeClient, namespace: str, loop_factory: object) -> None:
    before, _ = await create_task(client, namespace, "before")
    async with watching(client, [namespace], loop_factory=loop_factory) as (source, seen):
        assert before in seen.cache
        key, uid = await create_task(client, namespace, "new")
        await until(lambda: key in seen.cache)
        change = {"spec": {"every": "2h"}}
        await raw(client, "PATCH", path(key), change, content="application/merge-patch+json")
        await until(lambda: (kept := seen.cache.get(key)) is not None and kept.spec()["every"] == "2h")
        await client.apply_status(key, uid, {"observedGeneration": 2})
        await until(lambda: (kept := seen.cache.get(key)) is not None and kept.status() == {"observedGeneration": 2})
        await raw(client, "DELETE", path(key))
        await until(lambda: key not in seen.cache)
        assert seen.removals == [(key, uid)]
        await until(lambda: source.activity.age() < 60)  # also of kinds without an object
        assert source.restarts == 0


async def test_kopf_leaves_the_objects_as_they_are(client: KubeClient, namespace: str) -> None:
    key, uid = await create_task(client, namespace)
    body = await client.get(*key)
    assert body is not None
    await client.set_finalizers(key, uid, body["metadata"]["resourceVersion"], ["influxops.dev/cleanup"])
    body = await client.get(*key)
    async with watching(client, [namespace]) as (_, seen):
        await until(lambda: key in seen.cache)
        other, _ = await create_task(client, namespace, "other")
        await until(lambda: other in seen.cache)
    assert await client.get(*key) == body
    assert body is not None
    await client.set_finalizers(key, uid, body["metadata"]["resourceVersion"], [])


async def test_other_namespaces_are_not_told_of(client: KubeClient, namespace: str) -> None:
    async with watching(client, [namespace]) as (_, seen):
        await raw(client, "POST", "/api/v1/namespaces", {"metadata": {"name": f"{namespace}-x"}})
        other, _ = await create_task(client, f"{namespace}-x")
        ours, _ = await create_task(client, namespace)
        await until(lambda: ours in seen.cache)
        assert other not in seen.cache
    async with watching(client) as (_, seen):
        assert other in seen.cache
        assert ours in seen.cache


async def test_our_tasks_and_signals_survive_the_end_of_kopf(client: KubeClient, namespace: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with watching(client, [namespace]):
        ours = asyncio.create_task(asyncio.sleep(60))
        assert signal.getsignal(signal.SIGTERM) == before
    assert not ours.done()
    ours.cancel()
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name == "kopf"])


async def test_the_watches_come_back_after_a_restart_of_the_api_server(
    control_plane: Stack, client: KubeClient, namespace: str
) -> None:
    async with watching(client, [namespace]) as (source, seen):
        await asyncio.to_thread(control_plane.apiserver.restart)
        key, _ = await create_task(client, namespace)
        await until(lambda: key in seen.cache, 60)
        heard = source.activity.last(Kind.TASK)
        await raw(client, "DELETE", path(key))
        await until(lambda: key not in seen.cache, 60)
        assert source.activity.last(Kind.TASK) >= heard


async def test_kopf_is_started_again_when_it_ends(
    client: KubeClient, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fatal error of kopf ends one attempt only, and asks for a look at what was missed."""
    monkeypatch.setattr("influxops.watch.source.BACKOFF", (0.01, 0.1))
    lives = 0
    real = KopfSource._watch

    async def mortal(self: KopfSource, inbox: object, stop: asyncio.Event) -> None:
        nonlocal lives
        lives += 1
        if lives == 1:
            raise RuntimeError("the stream broke")
        await real(self, inbox, stop)  # type: ignore[arg-type]

    monkeypatch.setattr(KopfSource, "_watch", mortal)
    gaps: list[int] = []
    async with watching(client, [namespace], on_gap=lambda: gaps.append(1)) as (source, seen):
        key, _ = await create_task(client, namespace)
        await until(lambda: key in seen.cache)
        assert (source.restarts, gaps) == (1, [1])
        assert "the stream broke" in source.last_error


async def test_missing_crds_are_named_and_waited_for(
    client: KubeClient, namespace: str, control_plane: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    """On a control plane of its own: other tests need the CRDs."""
    with Stack.start(controller_manager=False, audit=False) as bare:
        other = await KubeClient.connect(str(bare.kubeconfig))
        seen = Seen()
        source = KopfSource(other, seen)
        with caplog.at_level(logging.WARNING):
            async with background(source.run):
                await until(lambda: "CRDs are not installed: kubectl apply -f crds/" in caplog.text)
                assert not source.synced.is_set()
                await asyncio.to_thread(bare.kubectl, "apply", "--server-side", "-f", str(CRDS))
                await until(source.synced.is_set, 60)
                key, _ = await create_task(other, "default")
                await until(lambda: key in seen.cache, 60)
        await other.close()


async def test_the_relist_finds_what_a_watch_missed(client: KubeClient, namespace: str) -> None:
    gone, _ = await create_task(client, namespace, "gone")
    changed, _ = await create_task(client, namespace, "changed")
    anew, old_uid = await create_task(client, namespace, "anew")
    async with watching(client, [namespace]) as (_, seen):
        relist = Relist(client, seen.cache, seen, [namespace])
        assert await relist.once() == Gaps()
        seen.deaf = True
        await raw(client, "DELETE", path(gone))
        await raw(client, "DELETE", path(anew))
        _, new_uid = await create_task(client, namespace, "anew")
        merge = {"content": "application/merge-patch+json"}
        await raw(client, "PATCH", path(changed), {"spec": {"every": "3h"}}, **merge)
        missed, _ = await create_task(client, namespace, "missed")
        await until(lambda: seen.missed == 5)
        seen.deaf = False
        assert await relist.once() == Gaps(removed=1, added=2, changed=1)
        assert gone not in seen.cache
        assert missed in seen.cache
        kept, fresh = seen.cache.get(changed), seen.cache.get(anew)
        assert kept is not None
        assert kept.spec()["every"] == "3h"
        assert fresh is not None
        assert fresh.uid == new_uid != old_uid
        assert await relist.once() == Gaps()


async def test_a_requested_relist_comes_soon(client: KubeClient, namespace: str) -> None:
    seen = Seen()
    key, _ = await create_task(client, namespace)
    relist = Relist(client, seen.cache, seen, [namespace], interval=3600)
    async with background(relist.run):
        relist.request()
        await until(lambda: key in seen.cache)
