"""kube.transport: what is no answer of the Kubernetes API confirms nothing, whatever its status."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from influxops.core.keys import Kind
from influxops.kube.client import KubeClient
from influxops.kube.errors import NotLeader, Unavailable
from influxops.kube.lease import LeaderElector
from influxops.kube.lease_state import Timing
from tests.support.kubeobjects import task
from tests.support.until import until

ANSWERS = {
    "a redirect without a body": (302, b""),
    "a redirect with one": (307, b'{"kind": "Lease", "metadata": {}}'),
    "nothing": (200, b""),
    "an empty object": (200, b"{}"),
    "a list": (200, b"[]"),
    "a number": (200, b"1"),
    "a login page": (200, b"<html>"),
    "somebody else's JSON": (200, b'{"status": "ok"}'),
    "a kind that is no word": (200, b'{"kind": 1}'),
}


def _client(status: int, content: bytes) -> tuple[KubeClient, list[str]]:
    """A client behind something that answers so to everything, and what was asked."""
    access: Any = SimpleNamespace(server="https://kube.example", session=lambda **_: SimpleNamespace(closed=False))
    client, asked = KubeClient(access), []

    async def exchange(method: str, *_: object) -> tuple[int, None, bytes]:
        asked.append(method)
        return status, None, content

    client._api._exchange = exchange  # type: ignore[method-assign]
    return client, asked


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_it_is_unavailable_to_every_call(answer: tuple[int, bytes]) -> None:
    client, _ = _client(*answer)
    lease = {"metadata": {"namespace": "ns", "name": "lease"}}
    calls = (
        client.get(Kind.TASK, "ns", "a"),
        client.exists(task(), "u1"),
        client.list_keys(Kind.TASK),
        client.get_secret("ns", "token"),
        client.namespace_uid("kube-system"),
        client.get_lease("ns", "lease"),
        client.create_lease(lease),
        client.replace_lease(lease),
        client.apply_status(task(), "u1", {}, "1"),
        client.set_finalizers(task(), "u1", "1", ()),
        client.delete_object(task(), "u1"),
        client.create_event({"metadata": {"namespace": "ns"}}),
        client.served(),
    )
    for call in calls:
        with pytest.raises(Unavailable, match="Kubernetes API"):
            await call


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_nobody_leads_by_it(answer: tuple[int, bytes]) -> None:
    """Neither reading nor writing the lease can be confirmed by what is no API."""
    client, asked = _client(*answer)
    led: list[str] = []

    async def started() -> None:
        led.append("started")

    async def stopped() -> None:
        led.append("stopped")

    elector = LeaderElector(client, "ns", "lease", started, stopped, timing=Timing(0.3, 0.2, 0.01), identity="a")
    stop = asyncio.Event()
    running = asyncio.create_task(elector.run(stop))
    await until(lambda: len(asked) >= 5)
    with pytest.raises(NotLeader):
        elector.check()
    stop.set()
    await running
    assert led == []
