"""A small server whose watches say what a test puts in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

PATH = "/apis/influxops.dev/v1alpha1/influxtasks"


@dataclass
class WatchServer:
    """Made by ``watch_server``."""

    url: str = ""
    said: list[asyncio.Queue[bytes | None]] = field(default_factory=list)
    """What each watch is yet to say, in the order of their coming; None ends one."""


@asynccontextmanager
async def watch_server(*, breaks_off: bool = False) -> AsyncIterator[WatchServer]:
    """Serve watches at ``PATH``. ``breaks_off``: one that ends does so without the end of its answer."""
    made = WatchServer()

    async def watch(request: web.Request) -> web.StreamResponse:
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        made.said.append(lines)
        response = web.StreamResponse()
        await response.prepare(request)
        while (line := await lines.get()) is not None:
            await response.write(line)
        if breaks_off:
            assert request.transport is not None
            request.transport.abort()
        return response

    app = web.Application()
    app.router.add_get(PATH, watch)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    for lines in made.said:
        lines.put_nowait(None)
    await runner.cleanup()
