"""A relay before a server that can be made slow, or swallow everything: what an InfluxDB behind a bad network looks like."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

CHUNK = 1 << 16


class Mode(StrEnum):
    """What becomes of what passes."""

    PASS = "pass"
    SLOW = "slow"
    """Each answer comes ``delay`` seconds late."""
    DEAD = "dead"
    """Connections are taken, and nothing ever comes back: packets that a firewall drops."""


class Relay:
    """A TCP relay on loopback, in a thread of its own. Use it with ``with``; ``mode`` may be changed at any time."""

    def __init__(self, target: str, mode: Mode, delay: float = 0.5) -> None:
        parts = urlsplit(target)
        self.mode = mode
        self._delay = delay
        self._target = parts.hostname or "", parts.port or 80
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(10.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10.0)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self._port}"

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self._port = int(server.sockets[0].getsockname()[1])
        self._started.set()
        await self._end.wait()
        server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            try:
                await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer, back=True))
            finally:
                far_writer.close()
        writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, back: bool = False) -> None:
        """Copy one direction to its end. The end of either one ends the connection."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.mode is Mode.DEAD:
                    continue  # swallowed, also what was on its way when the mode changed
                if back and self.mode is Mode.SLOW:
                    await asyncio.sleep(self._delay)
                writer.write(data)
                await writer.drain()
        writer.close()
