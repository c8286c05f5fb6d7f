"""watch.listing: kopf's lists come out empty, and all that was in them is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from influxops.core.keys import Kind
from influxops.watch.listing import Listing

TASKS = "/apis/influxops.dev/v1alpha1/namespaces/a/influxtasks"
LIST = {
    "kind": "InfluxTaskList",
    "apiVersion": "influxops.dev/v1alpha1",
    "metadata": {"resourceVersion": "41", "continue": "more"},
    "items": [{"metadata": {"name": "a"}, "spec": {"flux": "é"}}, {"metadata": {"name": "b"}}],
}


async def listed(body: bytes, path: str = TASKS, status: int = 200, **query: str) -> tuple[bytes, list[Any]]:
    """What kopf reads of an answer, and what was taken out of it."""
    taken: list[Any] = []

    def take(kind: Kind, item: Mapping[str, Any]) -> None:
        taken.append((kind, item))

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server, ClientSession(middlewares=(Listing(take).middleware,)) as session:
        async with session.get(server.make_url(path), params=query) as response:
            read = await response.read()
            assert await response.read() == read
        async with session.get(server.make_url("/")) as response:
            assert response.status == status, "the connection goes on"
    return read, taken


async def test_objects_are_taken_out_of_a_list_in_their_order_and_the_rest_stays() -> None:
    """With its version and the token of the next part, by which kopf goes on."""
    read, taken = await listed(orjson.dumps(LIST), limit="500")
    assert orjson.loads(read) == {**LIST, "items": []}
    assert taken == [(Kind.TASK, item) for item in LIST["items"]]


@pytest.mark.parametrize(
    ("path", "status", "query"),
    [
        (TASKS, 200, {"watch": "true"}),
        (TASKS, 403, {}),
        (TASKS + "/one", 200, {}),
        ("/api/v1/namespaces", 200, {}),
    ],
)
async def test_nothing_else_is_touched(path: str, status: int, query: dict[str, str]) -> None:
    body = orjson.dumps(LIST)
    assert await listed(body, path, status, **query) == (body, [])


@pytest.mark.parametrize(
    "body", [b"", b'{"items": [{"met', b"<html>", b'{"metadata": {}}', b"[1]", b'{"items": 5}', b"null"]
)
async def test_what_is_no_list_passes_as_it_is(body: bytes) -> None:
    """kopf says what is wrong, and is started again."""
    assert await listed(body) == (body, [])


async def test_a_list_of_nothing_may_be_null() -> None:
    read, taken = await listed(b'{"items": null, "metadata": {"resourceVersion": "1"}}')
    assert orjson.loads(read) == {"items": [], "metadata": {"resourceVersion": "1"}}
    assert taken == []
