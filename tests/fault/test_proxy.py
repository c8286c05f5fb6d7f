"""The fault proxy does what it is told, before a small server that counts what reaches it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.faults import (
    CRASHES,
    CUT,
    HTML,
    LOST,
    RESET,
    Fault,
    Rule,
    Stage,
    answers,
    request_to,
    slow,
    write_named,
)
from tests.support.history import INFLUX, Exchange, History
from tests.support.proxy import FaultProxy
from tests.support.until import until

BROKEN = (aiohttp.ClientError, ConnectionError)


@dataclass
class Site:
    """A server, the proxy before it, and a client."""

    proxy: FaultProxy
    client: aiohttp.ClientSession
    seen: list[str] = field(default_factory=list)
    struck: list[int] = field(default_factory=list)
    """How many requests the server had answered at each strike."""

    async def post(self, name: str = "alpha") -> tuple[int, str]:
        """A write; its status and answer."""
        async with self.client.post("/api/v2/buckets", json={"name": name}) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    seen: list[str] = []

    async def bucket(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.path_qs} {request.headers.get('Authorization', '')}")
        body = await request.json() if request.can_read_body else {}
        return web.json_response({"id": f"{len(seen):016x}", **body}, status=201)

    async def watch(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(3):
            line = json.dumps({"event": number}).encode() + b"\n"
            await response.write(line[:5])
            await asyncio.sleep(0.01)
            await response.write(line[5:])
        return response

    app = web.Application()
    app.router.add_get("/watch", watch)
    app.router.add_route("*", "/{path:.*}", bucket)
    runner = web.AppRunner(app)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    target = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with FaultProxy(INFLUX, target, History()) as proxy, aiohttp.ClientSession(proxy.url) as client:
        made = Site(proxy, client, seen)
        proxy.strike = lambda: made.struck.append(len(seen))
        yield made
    await runner.cleanup()


async def test_without_rules_everything_passes_unchanged(site: Site) -> None:
    """Query, escapes and headers too; and it is recorded."""
    url = f"{site.proxy.url}/api/v2/tasks?name=a%2Fb%20c&x=%3B"
    async with site.client.get(URL(url, encoded=True), headers={"Authorization": "Token t"}) as answer:
        assert answer.status == 201
    assert site.seen == ["GET /api/v2/tasks?name=a%2Fb%20c&x=%3B Token t"]
    (exchange,) = site.proxy.history.exchanges
    assert (exchange.status, exchange.write_id, exchange.fault) == (201, "", "")
    assert await site.post() == (201, '{"id": "0000000000000002", "name": "alpha"}')
    assert [write.write_id for write in site.proxy.history.writes()] == ["influx-post-bucket-alpha-1"]


@pytest.mark.parametrize(
    ("fault", "reached", "kills"),
    [(fault, fault.stage is not Stage.BEFORE, fault.kill) for fault in (*CRASHES, LOST, RESET, CUT)],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
async def test_faults_strike_at_their_stage(site: Site, fault: Fault, reached: bool, kills: bool) -> None:
    """Whether the server saw the request, whether the client was told, and when the operator would have died."""
    rule = site.proxy.add(Rule(write_named("influx-post-bucket-alpha-2"), fault))
    assert (await site.post())[0] == 201
    if fault.stage is Stage.AFTER:
        assert (await site.post())[0] == 201
    else:
        with pytest.raises(BROKEN):
            await site.post()
    assert len(site.seen) == (2 if reached else 1)
    assert site.struck == ([len(site.seen)] if kills else [])
    (exchange,) = rule.struck
    assert exchange.committed == reached
    assert exchange.fault == fault.name
    assert (await site.post())[0] == 201


@pytest.mark.parametrize("status", [401, 403, 404, 409, 429, 500, 503])
async def test_errors_are_made_up_without_the_server(site: Site, status: int) -> None:
    site.proxy.add(Rule(request_to(INFLUX, "POST", "/buckets"), answers(status, "no", retry_after=7)))
    async with site.client.post("/api/v2/buckets", json={"name": "a"}) as answer:
        assert answer.status == status
        assert answer.headers["Retry-After"] == "7"
        assert (await answer.json())["message"] == "no"
    assert site.seen == []


async def test_html_comes_with_a_good_status(site: Site) -> None:
    site.proxy.add(Rule(request_to(INFLUX, "", "/api"), HTML))
    status, text = await site.post()
    assert status == 200
    assert text.startswith("<html>")


async def test_rules_count_and_the_first_that_fits_wins(site: Site) -> None:
    """The third and fourth request, and then no more."""
    site.proxy.add(Rule(request_to(INFLUX, "POST", ""), answers(500), skip=2, times=2))
    assert [(await site.post())[0] for _ in range(5)] == [201, 201, 500, 500, 201]


async def test_a_slow_answer_comes_in_the_end(site: Site) -> None:
    site.proxy.add(Rule(request_to(INFLUX, "POST", ""), slow(0.2)))
    began = asyncio.get_running_loop().time()
    assert (await site.post())[0] == 201
    assert asyncio.get_running_loop().time() - began >= 0.2


async def test_a_held_request_waits_for_its_gate(site: Site) -> None:
    gate = asyncio.Event()
    rule = site.proxy.add(Rule(request_to(INFLUX, "POST", ""), Fault("held", Stage.BEFORE, hold=gate)))
    answer = asyncio.create_task(site.post())
    await until(lambda: bool(rule.struck))
    assert site.seen == []
    gate.set()
    assert (await answer)[0] == 201


async def test_a_server_can_hang_or_be_gone(site: Site) -> None:
    site.proxy.open.clear()
    answer = asyncio.create_task(site.post())
    await until(lambda: bool(site.proxy.history.exchanges))
    assert site.seen == []
    site.proxy.open.set()
    assert (await answer)[0] == 201
    site.proxy.down = True
    with pytest.raises(BROKEN):
        await site.post()


async def test_the_server_finishes_what_a_dead_client_began(site: Site) -> None:
    """A client that is killed with its request on the way: the request is carried out all the same."""
    gate = asyncio.Event()
    rule = site.proxy.add(Rule(request_to(INFLUX, "POST", ""), Fault("held", Stage.BEFORE, hold=gate)))
    dying = asyncio.create_task(site.post())
    await until(lambda: bool(rule.struck))
    dying.cancel()
    gate.set()
    await until(lambda: len(site.seen) == 1)


async def test_watches_stream_and_lines_can_be_hidden(site: Site) -> None:
    """Line by line, however the bytes are cut."""

    async def lines() -> list[bytes]:
        async with site.client.get("/watch?watch=true") as answer:
            return (await answer.read()).splitlines()

    assert len(await lines()) == 3

    def hide(_: Exchange, line: bytes) -> bytes | None:
        return None if b"1" in line else line

    site.proxy.lines = hide
    assert await lines() == [b'{"event": 0}', b'{"event": 2}']
