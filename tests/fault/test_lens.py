"""Watch faults do what they are called, before a small server whose watch says what the test wants; each is in the record."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tests.support.history import KUBE, History
from tests.support.lens import Lens
from tests.support.proxy import FaultProxy
from tests.support.until import until
from tests.support.watch_faults import How, WatchFault
from tests.support.watch_server import PATH, watch_server

BOOKMARK = {"type": "BOOKMARK", "object": {"kind": "InfluxTask", "metadata": {"resourceVersion": "99"}}}


def event(number: int, name: str = "a", kind: str = "MODIFIED") -> dict[str, Any]:
    """An event whose resource version is its number."""
    meta = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(number)}
    return {"type": kind, "object": {"kind": "InfluxTask", "metadata": meta}}


@dataclass
class Site:
    """A server whose watches say what is put in, a proxy before it, and a client."""

    lens: Lens
    proxy: FaultProxy
    client: aiohttp.ClientSession
    said: list[asyncio.Queue[bytes | None]]

    async def watch(self) -> aiohttp.ClientResponse:
        """Begin a watch."""
        return await self.client.get(f"{PATH}?watch=true")

    def say(self, *events: dict[str, Any]) -> None:
        """Let the server say something in its newest watch."""
        for one in events:
            self.said[-1].put_nowait(json.dumps(one).encode() + b"\n")

    def end(self) -> None:
        """Let it end."""
        self.said[-1].put_nowait(None)

    def struck(self) -> list[tuple[str, str]]:
        """Fault and resource version of what was tampered with."""
        return [(one.fault, one.version) for one in self.proxy.history.tampered]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with (
        watch_server() as server,
        FaultProxy(KUBE, server.url, History()) as proxy,
        aiohttp.ClientSession(proxy.url) as client,
    ):
        yield Site(Lens(proxy), proxy, client, server.said)


def versions(text: bytes) -> list[str]:
    """Resource versions of what arrived."""
    return [json.loads(line)["object"]["metadata"].get("resourceVersion", "error") for line in text.splitlines()]


@pytest.mark.parametrize(
    ("how", "arrives", "struck"),
    [
        (None, ["1", "2", "3", "4", "99"], []),
        (How.HIDDEN, ["1", "4", "99"], [("hidden", "2"), ("hidden", "3")]),
        (How.SKIPPED, ["1", "3", "4", "99"], [("skipped", "2")]),
        (How.DELAYED, ["1", "4", "99"], [("delayed", "2"), ("delayed", "3")]),
        (How.REPLAYED, ["1", "2", "1", "3", "4", "99"], [("replayed", "2"), ("replayed", "1")]),
        (How.SILENT, ["1"], [("silent", "2")]),
        (How.GONE, ["1", "error"], [("gone", "2")]),
    ],
)
async def test_what_arrives(site: Site, how: How | None, arrives: list[str], struck: list[tuple[str, str]]) -> None:
    """The fault strikes the second event of object a, and object b has its own."""
    if how is not None:
        site.lens.arm(WatchFault(how, "InfluxTask", "a", at=2))
    async with await site.watch() as answer:
        site.say(event(1), event(2), event(3), event(4, "b"), BOOKMARK)
        site.end()
        assert versions(await answer.read()) == arrives
    assert site.struck() == struck
    told = [one.version for one in site.lens.seen]
    assert told == (["1", "2"] if how is How.GONE else ["1", "2", "3", "4"])


async def test_only_events_of_some_types_are_meant(site: Site) -> None:
    site.lens.arm(WatchFault(How.HIDDEN, "InfluxTask", "a", types=frozenset({"DELETED"})))
    async with await site.watch() as answer:
        site.say(event(1, kind="ADDED"), event(2, kind="DELETED"), event(3, kind="ADDED"))
        site.end()
        assert versions(await answer.read()) == ["1", "3"]


@pytest.mark.parametrize("how", [How.TRUNCATED, How.BROKEN])
async def test_a_line_is_cut_in_its_middle(site: Site, how: How) -> None:
    """As the end of an answer that is complete for HTTP, or by a connection that breaks; the next watch is sound."""
    site.lens.arm(WatchFault(how, "InfluxTask", "a", at=2))
    async with await site.watch() as answer:
        site.say(event(1), event(2))
        got = b""
        if how is How.BROKEN:
            with pytest.raises((aiohttp.ClientError, ConnectionError)):
                await answer.read()
        else:
            got = await answer.read()
            first, half = got.splitlines()
            assert versions(first) == ["1"]
            with pytest.raises(ValueError, match=r"JSON|Unterminated|Expecting"):
                json.loads(half)
    async with await site.watch() as answer:
        site.say(event(2), event(3))
        site.end()
        assert versions(await answer.read()) == ["2", "3"]
    assert site.struck() == [(str(how), "2")]


async def test_a_watch_that_expired_is_refused_once(site: Site) -> None:
    site.lens.arm(WatchFault(How.EXPIRED, "InfluxTask", "a"))
    async with await site.watch() as answer:
        site.say(event(1))
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await answer.read()
    async with await site.watch() as answer:
        assert answer.status == 410
        assert (await answer.json())["reason"] == "Expired"
    async with await site.watch() as answer:
        assert answer.status == 200
        site.end()


async def test_a_silent_watch_stays_open(site: Site) -> None:
    """Its client cannot tell it from peace; the next watch speaks."""
    site.lens.arm(WatchFault(How.SILENT, "InfluxTask", "a"))
    async with await site.watch() as answer:
        site.say(event(1), BOOKMARK)
        await until(lambda: site.struck() == [("silent", "1")])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await answer.content.readany()
    async with await site.watch() as answer:
        site.say(event(1))
        site.end()
        assert versions(await answer.read()) == ["1"]


async def test_what_was_kept_back_comes_when_it_is_released(site: Site) -> None:
    """In the newest watch, and in its order."""
    site.lens.arm(WatchFault(How.DELAYED, "InfluxTask", "a"))
    async with await site.watch():
        site.say(event(1), event(2))
        await until(lambda: len(site.struck()) == 2)
        async with await site.watch() as answer:
            site.say(event(3, "b"))
            await until(lambda: len(site.lens.seen) == 3)
            await site.lens.release()
            site.say(event(4))
            await until(lambda: len(site.lens.seen) == 4)
            site.end()
            assert versions(await answer.read()) == ["3", "1", "2", "4"]


async def test_all_but_the_last_is_told_again_to_a_new_life(site: Site) -> None:
    async with await site.watch():
        site.say(event(1), event(2), event(3))
        await until(lambda: len(site.lens.seen) == 3)
    since = len(site.proxy.history.exchanges)
    assert not site.lens.watched("InfluxTask", since)
    async with await site.watch() as answer:
        await until(lambda: site.lens.watched("InfluxTask", since))
        assert await site.lens.replay("InfluxTask", "a", How.REBORN) == 2
        site.end()
        assert versions(await answer.read()) == ["1", "2"]
    assert site.struck() == [("reborn", "1"), ("reborn", "2")]
