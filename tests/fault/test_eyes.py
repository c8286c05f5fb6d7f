"""What the faults of watches in a soak do to the watches of an operator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import pytest

from tests.soak.eyes import Eyes
from tests.soak.tape import Tape
from tests.support.history import KUBE
from tests.support.proxy import FaultProxy
from tests.support.until import until
from tests.support.watch_server import PATH, watch_server

LINE = b'{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "1"}}}\n'


@dataclass
class Site:
    """A server whose watches say what is put in, a proxy before it, and a client."""

    eyes: Eyes
    client: aiohttp.ClientSession
    said: list[asyncio.Queue[bytes | None]]

    async def watch(self) -> aiohttp.ClientResponse:
        """A watch whose first line has come."""
        answer = await self.client.get(f"{PATH}?watch=true")
        self.said[-1].put_nowait(LINE)
        assert await answer.content.readline() == LINE
        return answer


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with (
        watch_server(breaks_off=True) as server,
        FaultProxy(KUBE, server.url, Tape()) as proxy,
        aiohttp.ClientSession(proxy.url) as client,
    ):
        proxy.view = eyes = Eyes()
        yield Site(eyes, client, server.said)


async def test_a_silent_watch_stays_open_and_the_next_one_speaks(site: Site) -> None:
    """Nothing that the server says arrives any more, and nothing tells the client so."""
    first = await site.watch()
    assert site.eyes.silence() == 1
    site.said[0].put_nowait(LINE)
    second = await site.watch()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(first.content.readline(), 0.2)
    assert not first.content.at_eof()
    first.close()
    second.close()


async def test_gone_is_told_and_ends_the_watch(site: Site) -> None:
    """As the API does it: an error event with code 410, then the end."""
    answer = await site.watch()
    assert await site.eyes.gone() == 1
    rest = await answer.read()
    assert b'"code": 410' in rest
    assert await site.eyes.gone() == 0


async def test_a_torn_watch_ends_in_the_middle_of_a_line(site: Site) -> None:
    """Half a line arrives, and then the connection breaks."""
    answer = await site.watch()
    assert await site.eyes.tear() == 1
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await answer.read()


async def test_a_watch_that_the_server_broke_off_is_over(site: Site) -> None:
    """It ends for the client, too, and cannot be struck any more: nobody writes to it after its end."""
    answer = await site.watch()
    site.said[0].put_nowait(None)
    await answer.read()
    await until(lambda: site.eyes.silence() == 0)
    assert await site.eyes.tear() == 0
