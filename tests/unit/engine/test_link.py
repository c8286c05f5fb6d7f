"""A connection's limits: breaker, 401, pause, and no request before it is known where it leads."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.engine.link import LiveLink
from influxops.influx.errors import Forbidden, RateLimited, Unauthorized, Unavailable
from influxops.kube.errors import NotLeader

KEY = Key(Kind.CONNECTION, "ns", "main")


class Fence:
    leading = True

    def check(self) -> None:
        if not self.leading:
            raise NotLeader("not ours")

    def remaining(self) -> float:
        return 5.0


class Observer:
    def __init__(self) -> None:
        self.codes: list[str] = []

    def request(self, connection: str, operation: str, code: str, seconds: float) -> None:
        self.codes.append(code)


def spec(url: str = "https://a.example", **limits: Any) -> InfluxConnectionSpec:
    data = {"url": url, "org": "o", "tokenSecretRef": {"name": "t", "key": "k"}, "limits": limits}
    return InfluxConnectionSpec.model_validate(data)


@pytest.fixture
def link() -> LiveLink:
    made = LiveLink(KEY, spec(maxConcurrent=2), 1, Fence(), Observer(), time.monotonic)
    made.port = object()  # type: ignore[assignment]
    return made


async def fail(error: Exception) -> None:
    raise error


async def test_three_failures_open_the_breaker_and_then_nothing_is_sent(link: LiveLink) -> None:
    for _ in range(3):
        with pytest.raises(Unavailable):
            await link.call("x", lambda _: fail(Unavailable("down")))
    sent = link.requests
    with pytest.raises(Unavailable, match="next try"):
        await link.call("x", lambda _: asyncio.sleep(0))
    assert link.requests == sent
    assert link.wake.is_set()


async def test_a_clear_no_is_no_outage(link: LiveLink) -> None:
    for _ in range(5):
        with pytest.raises(Forbidden):
            await link.call("x", lambda _: fail(Forbidden("no", "write:tasks")))
    assert link.breaker.closed


async def test_a_401_wakes_the_connection_to_read_its_secret_again(link: LiveLink) -> None:
    with pytest.raises(Unauthorized):
        await link.call("x", lambda _: fail(Unauthorized("wrong")))
    assert link.wake.is_set()
    assert link.breaker.closed


async def test_a_429_pauses_what_comes_after(link: LiveLink) -> None:
    with pytest.raises(RateLimited):
        await link.call("x", lambda _: fail(RateLimited("slow down", retry_after=0.2)))
    began = time.monotonic()
    await link.pace()
    assert time.monotonic() - began >= 0.15


async def test_not_more_at_once_than_the_limit(link: LiveLink) -> None:
    running = most = 0

    async def request(_: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1

    await asyncio.gather(*(link.call("x", request) for _ in range(8)))
    assert most == 2


async def test_no_write_without_the_lease(link: LiveLink) -> None:
    Fence.leading = False
    try:
        with pytest.raises(NotLeader):
            await link.call("x", lambda _: asyncio.sleep(0), write=True)
    finally:
        Fence.leading = True


async def test_another_url_stops_all_requests_until_it_is_known_where_it_leads(link: LiveLink) -> None:
    """Tasks of one database must not be written into another; the loop's own requests go on."""
    link.configure(spec("https://b.example"), 2)
    with pytest.raises(Unavailable, match="lead"):
        await link.call("x", lambda _: asyncio.sleep(0), write=True)
    await link.send("org", lambda _: asyncio.sleep(0))
    link.moving = False
    await link.call("x", lambda _: asyncio.sleep(0), write=True)
