"""watch.activity: which stream a request belongs to, and when it was last heard."""

from __future__ import annotations

import math

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from influxops.core.keys import Kind
from influxops.watch.activity import LIFE, Activity, stream_of


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("/apis/influxops.dev/v1alpha1/influxtasks", (Kind.TASK, None)),
        ("/apis/influxops.dev/v1alpha1/namespaces/a/retentionpolicies", (Kind.POLICY, "a")),
        ("/apis/influxops.dev/v1alpha1/namespaces/a/influxtasks/x", None),
        ("/apis/influxops.dev/v1alpha1/others", None),
        ("/apis/influxops.dev/v1alpha1", None),
        ("/api/v1/namespaces", None),
    ],
)
def test_a_path_names_its_stream(path: str, stream: object) -> None:
    assert stream_of(path) == stream


def test_the_most_silent_stream_counts() -> None:
    now = 0.0
    activity = Activity(["a", "b"], clock=lambda: now)
    assert activity.age() == math.inf
    for kind in Kind:
        activity.heard((kind, "a"))
        activity.heard((kind, "b"))
    now = 10.0
    activity.heard((Kind.TASK, "a"))
    assert activity.last(Kind.TASK) == 0.0
    assert activity.age() == 10.0
    activity.heard((Kind.TASK, "b"))
    assert activity.last(Kind.TASK) == 10.0
    activity.heard((Kind.TASK, "unwatched"))
    assert activity.age() == 10.0


async def test_every_piece_of_a_watch_is_heard_and_lists_are_counted() -> None:
    """A real connection: the middleware must hear what arrives on a stream, not only its beginning."""
    now = 0.0

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            return web.json_response({"items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        for line in (b'{"type": "ADDED"}\n', b'{"type": "BOOKMARK"}\n'):
            await response.write(line)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    activity = Activity(None, clock=lambda: now)
    url = "/apis/influxops.dev/v1alpha1/influxtasks"
    async with TestServer(app) as server, ClientSession(middlewares=(activity.middleware,)) as session:
        async with session.get(server.make_url(url)) as response:
            assert await response.json() == {"items": []}
        async with session.get(server.make_url(url), params={"continue": "page 2"}) as response:
            await response.read()
        assert activity.relists == 1
        now = 5.0
        async with session.get(server.make_url(url), params={"watch": "true"}) as response:
            assert activity.last(Kind.TASK) == 5.0
            now = 9.0
            got = b"".join([chunk async for chunk in response.content.iter_chunked(1024)])
        assert got.count(b"\n") == 2
    assert activity.last(Kind.TASK) == 9.0
    assert activity.relists == 1


def test_a_list_or_a_watch_before_its_time_is_a_gap() -> None:
    """The first list and the regular end of a watch are none."""
    now = 0.0
    activity = Activity(None, clock=lambda: now)
    stream = (Kind.TASK, None)
    watch = {"watch": "true", "resourceVersion": "7"}
    activity._asked(stream, {})
    activity._asked((Kind.POLICY, None), {})
    activity._asked(stream, watch)
    now += LIFE
    activity._asked(stream, {**watch, "resourceVersion": "12"})
    assert (activity.gaps, activity.newest) == (0, 12)
    now += LIFE / 2
    activity._asked(stream, watch)
    assert activity.gaps == 1
    activity._asked(stream, {"continue": "page 2"})
    assert activity.gaps == 1
    activity._asked(stream, {})
    assert activity.gaps == 2
    activity.forget()
    assert activity.newest == 0
    activity._asked(stream, {})
    activity._asked(stream, watch)
    assert (activity.gaps, activity.newest) == (2, 7)


async def test_half_a_line_and_410_do_not_reach_kopf() -> None:
    """Either would end it. What is cut is told again by the next watch; 410 comes as an event, upon which kopf lists anew."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query["resourceVersion"] == "old":
            return web.json_response({"code": 410}, status=410)
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (b'{"type": "AD', b'DED"}\n{"type": "ADDED"}\n{"ty', b'pe": "MODI'):
            await response.write(piece)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    activity = Activity(None)
    url = "/apis/influxops.dev/v1alpha1/influxtasks"
    async with TestServer(app) as server, ClientSession(middlewares=(activity.middleware,)) as session:

        async def lines(version: str) -> list[bytes]:
            params = {"watch": "true", "resourceVersion": version}
            async with session.get(server.make_url(url), params=params) as response:
                assert response.status == 200
                return b"".join([chunk async for chunk in response.content.iter_chunked(1024)]).splitlines()

        assert await lines("1") == [b'{"type": "ADDED"}'] * 2
        (error,) = await lines("old")
        assert b'"code": 410' in error
