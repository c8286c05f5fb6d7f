"""An HTTP server that is no InfluxDB, or one gone mad: twelve ways to answer, for every call of the client."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from aiohttp import web

TOKEN = "h0stile-answer-c4nary-7d21=="
CSV = "text/csv; charset=utf-8"
JSON = "application/json; charset=utf-8"
BOMB_BYTES = 128 << 20
"""What the gzip bomb unfolds to."""
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serve(handler: Handler) -> AsyncIterator[str]:
    """Answer every request on loopback with one handler; yields the URL."""
    runner = web.ServerRunner(web.Server(handler), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def is_query(request: web.BaseRequest) -> bool:
    """Whether InfluxDB would answer with CSV."""
    return request.path.endswith("/api/v2/query")


def body(content: str | bytes, kind: str = JSON, status: int = 200, **headers: str) -> Handler:
    """The same answer to everything."""
    data = content.encode() if isinstance(content, str) else content

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(body=data, status=status, headers={"Content-Type": kind, **headers})

    return answer


def _whole(value: Any) -> dict[str, Any]:
    """An object with every field that any answer of InfluxDB has, each of them this."""
    fields = (
        "id", "orgID", "ownerID", "name", "status", "flux", "description", "every", "cron", "offset", "createdAt",
        "updatedAt", "retentionRules", "type", "tasks", "buckets", "orgs", "runs", "events", "log", "taskID",
        "scheduledFor", "startedAt", "finishedAt", "requestedAt", "message", "time", "version", "ast", "files",
    )  # fmt: skip
    return dict.fromkeys(fields, value)


async def _wrong_kind(request: web.BaseRequest) -> web.Response:
    """CSV where JSON is wanted, JSON where CSV is, each well formed."""
    if is_query(request):
        return web.Response(text=json.dumps(_whole([])), headers={"Content-Type": JSON})
    return web.Response(text=",result,table,_value\r\n,_result,0,1\r\n\r\n", headers={"Content-Type": CSV})


async def _endless(request: web.BaseRequest) -> web.StreamResponse:
    """No line end, no end."""
    response = web.StreamResponse(headers={"Content-Type": CSV if is_query(request) else JSON})
    await response.prepare(request)
    while True:
        await response.write(b"x" * (1 << 18))


async def _drip(request: web.BaseRequest) -> web.StreamResponse:
    """A blank every now and then, for ever."""
    response = web.StreamResponse(headers={"Content-Type": CSV if is_query(request) else JSON})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


@cache
def bomb() -> bytes:
    """Blanks, packed a thousandfold."""
    return gzip.compress(b" " * BOMB_BYTES, 1)


async def _bomb(request: web.BaseRequest) -> web.Response:
    return web.Response(
        body=bomb(), headers={"Content-Type": CSV if is_query(request) else JSON, "Content-Encoding": "gzip"}
    )


async def _unauthorized_late(request: web.BaseRequest) -> web.Response:
    """The token is revoked in the middle: the first page and the first batch still go well."""
    text = (await request.read()).decode()
    refused = json.dumps({"code": "unauthorized", "message": f"unauthorized access {TOKEN}"})
    if request.path.endswith("/write") and "first=1" in text:
        return web.Response(status=204)
    page = request.query.get("limit")
    if page == "500" and "after" not in request.query and "name" not in request.query:
        return web.json_response({"tasks": [_task(number) for number in range(500)]})
    if page == "100" and request.query.get("offset") == "0":
        return web.json_response({"buckets": [{"id": f"{number:016x}", "name": f"b{number}"} for number in range(100)]})
    return web.Response(text=refused, status=401, headers={"Content-Type": JSON})


def _task(number: int) -> dict[str, str]:
    return {"id": f"{number:016x}", "orgID": "0" * 16, "name": "x", "flux": "x = 1", "status": "active"}


def answers(elsewhere: str) -> dict[str, Handler]:
    """Twelve and a few more, by name; ``elsewhere`` is where the redirect leads."""
    words = json.dumps({"code": "teapot", "message": f"no coffee for {TOKEN} " + "here " * 500})
    return {
        "empty 200": body("", CSV),
        "html": body(f"<!doctype html><title>Sign in, {TOKEN}, please</title>\n", "text/html"),
        "html without commas on one line": body("<html><body>Welcome</body></html>", CSV),
        "cut json": body('{"id": "0000000000000001", "tasks": [{"na'),
        "a list for an object": body(json.dumps([1, "two", {"three": 3}])),
        "null fields": body(json.dumps(_whole(None))),
        "numbers as text and text as numbers": body(json.dumps(_whole(17))),
        "deeply nested": body("[" * 100_000 + "]" * 100_000),
        "numbers beyond all bounds": body('{"buckets": [{"id": "1", "name": "b", "retentionRules": [{"everySeconds": 1e999}]}]}'),
        "10 MiB of garbage": body(bytes(range(256)) * (10 << 12)),
        "endless": _endless,
        "another content type": _wrong_kind,
        "another content encoding": body(b"this is no gzip at all", JSON, **{"Content-Encoding": "gzip"}),
        "gzip bomb": _bomb,
        "redirect": body("", status=307, Location=f"{elsewhere}/api/v2/tasks?token={TOKEN}"),
        "418": body(words, status=418),
        "an error of 5 MiB": body(json.dumps({"code": "invalid", "message": f"{TOKEN} " * (5 << 15)}), status=400),
        "401 in the middle": _unauthorized_late,
        "slow drip": _drip,
    }  # fmt: skip
