"""Good news waits while there is work to do; warnings do not."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.kube.events import EventRecorder

KEY = Key(Kind.TASK, "ns", "cpu")


class Store:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.sent = asyncio.Event()

    async def create_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        self.reasons.append(event["reason"])
        self.sent.set()
        return {}

    async def patch_event(self, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        return {}


async def test_a_warning_goes_first_while_there_is_a_backlog_and_the_rest_follows() -> None:
    busy = True
    store = Store()
    events = EventRecorder(store, busy=lambda: busy)
    stop = asyncio.Event()
    running = asyncio.create_task(events.run(stop))
    events.normal(KEY, "u", "Creating", "created")
    events.warning(KEY, "u", "InvalidScript", "no")
    await asyncio.wait_for(store.sent.wait(), 5)
    assert store.reasons == ["InvalidScript"]
    store.sent.clear()
    busy = False
    await asyncio.wait_for(store.sent.wait(), 5)
    assert store.reasons == ["InvalidScript", "Creating"]
    stop.set()
    await running


async def test_at_the_end_all_is_told() -> None:
    """Also what waited for a quiet moment that never came."""
    store = Store()
    events = EventRecorder(store, busy=lambda: True)
    stop = asyncio.Event()
    running = asyncio.create_task(events.run(stop))
    events.normal(KEY, "u", "Creating", "created")
    stop.set()
    await running
    assert store.reasons == ["Creating"]
