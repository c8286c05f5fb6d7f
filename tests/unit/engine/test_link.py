"""A connection's limits: breaker, 401, pause, and no request before it is known where it leads."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.engine.connect import credentials
from influxops.engine.link import LiveLink
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Forbidden, RateLimited, ScriptFailed, Unauthorized, Unavailable
from influxops.influx.http import TimedOut
from influxops.kube.errors import NotLeader
from tests.support.until import until

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
    data = {
        "url": url,
        "allowInsecure": True,
        "org": "o",
        "tokenSecretRef": {"name": "t", "key": "k"},
        "limits": limits,
    }
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


async def test_a_query_that_waited_for_its_slot_is_not_sent_where_nobody_knows(link: LiveLink) -> None:
    """The connection was given another url while it waited."""
    go, sent = asyncio.Event(), []

    async def query(_: object) -> None:
        sent.append(1)
        await go.wait()

    tasks = [asyncio.create_task(link.run("run_script", query)) for _ in range(3)]
    await until(lambda: len(sent) == 2)
    link.configure(spec("https://b.example", maxConcurrent=2), 2)
    assert link.moving
    go.set()
    await asyncio.gather(*tasks[:2])
    with pytest.raises(Unavailable):
        await tasks[2]
    assert len(sent) == 2


async def test_a_script_that_fails_is_an_answer_and_no_outage(link: LiveLink) -> None:
    """Two lost replies, any number of clear answers, one more lost reply: that is no failure in a row."""
    for error in (
        Unavailable("x"),
        Unavailable("x"),
        ScriptFailed("no"),
        Unavailable("x"),
        TimedOut("slow"),
        TimedOut("slow"),
    ):
        with pytest.raises(type(error)):
            await link.run("run_script", lambda _, error=error: fail(error))
    assert link.breaker.closed


async def test_a_query_is_cut_off_when_the_lease_is_lost(link: LiveLink) -> None:
    fence = Fence()
    fence.remaining = lambda: 0.05  # type: ignore[method-assign]
    link._fence = fence
    began, cut_off = asyncio.Event(), asyncio.Event()

    async def query(_: object) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut_off.set()

    task = asyncio.create_task(link.run("run_script", query))
    await began.wait()
    await asyncio.sleep(0.3)
    assert not task.done(), "as long as the lease is renewed it goes on"
    fence.leading = False
    with pytest.raises(NotLeader):
        await task
    await asyncio.wait_for(cut_off.wait(), 1)


async def test_a_query_whose_client_is_closed_under_it_is_no_cancellation_of_who_asked(link: LiveLink) -> None:
    async def query(_: object) -> None:
        raise asyncio.CancelledError

    with pytest.raises(Unavailable, match="cut off"):
        await link.run("run_script", query)


async def test_no_query_is_sent_after_the_deadline_of_the_lease_that_it_waited_beyond(link: LiveLink) -> None:
    """A pause that the server asked for may be longer than the right to write lasts."""
    fence = Fence()
    link._fence = fence
    link._pacer.hold(0.2)
    sent = []

    async def query(_: object) -> None:
        await link.pace()
        sent.append(time.monotonic())

    task = asyncio.create_task(link.run("run_script", query))
    await asyncio.sleep(0.05)
    fence.leading = False
    with pytest.raises(NotLeader):
        await task
    assert sent == []


async def test_a_query_waits_its_turn_once(link: LiveLink) -> None:
    """Its turn is taken before the fence is asked; the client does not wait for another."""
    link.configure(spec(maxConcurrent=2, requestsPerSecond=1), 2)
    turns = []
    turn = link._pacer.turn

    async def counted() -> None:
        turns.append(1)
        await turn()

    link._pacer.turn = counted  # type: ignore[method-assign]
    await link.run("run_script", lambda _: link.pace())
    assert len(turns) == 1


async def test_long_queries_hold_no_connection_that_other_requests_need() -> None:
    """As many queries as may be, none of which ends; a look at a task is sent at once, by a connection of its own."""
    settings = (
        await credentials(cast("Any", SimpleNamespace(resolve=_token)), "ns", spec("http://a.example", maxConcurrent=2))
    ).settings
    client = InfluxClient(settings)
    session = client._http._session
    connector: Any = session.connector
    opened: list[socket.socket] = []

    async def create(*_: object) -> Any:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        opened.append(theirs)
        return (await asyncio.get_running_loop().create_connection(connector._factory, sock=ours))[1]

    connector._create_connection = create
    link = LiveLink(KEY, spec("http://a.example", maxConcurrent=2), 1, Fence(), Observer(), time.monotonic)
    link.port = client
    now = datetime.now(UTC)
    queries = [
        asyncio.create_task(link.run("run_script", lambda port: port.run_script("o", "x", now, 30.0))) for _ in range(2)
    ]
    await until(lambda: len(opened) == 2)
    look = asyncio.create_task(link.call("get_task", lambda port: port.get_task("0000000000001003")))
    await until(lambda: len(opened) == 3)
    for task in (look, *queries):
        task.cancel()
    await asyncio.gather(look, *queries, return_exceptions=True)
    await client.close()
    for one in opened:
        one.close()


async def _token(*_: object) -> str:
    return "t" * 20
