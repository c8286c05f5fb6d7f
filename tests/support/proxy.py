"""An HTTP proxy that stands before InfluxDB or the API server, records what passes, and breaks what it is told to.

It runs in the test's own event loop and speaks plain HTTP on loopback to the operator; to a server with TLS it checks
the certificate. Watches stream through line by line. The port stays the same for the proxy's whole life, so that an
operator that is started anew finds it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Protocol, Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.support.faults import Fault, Rule, Stage
from tests.support.history import Exchange, History

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection"})
_NOT_ADDED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class Watch:
    """A watch that is open: what its client is sent, and how it ends."""

    def __init__(self, exchange: Exchange, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self.exchange = exchange
        self.over = False
        """True once nothing more is to be sent."""
        self._request = request
        self._response = response
        self._lock = asyncio.Lock()

    async def send(self, data: bytes) -> None:
        """Send a line, or a part of one; nothing happens when the client is gone."""
        async with self._lock:
            if not self.over:
                try:
                    await self._response.write(data)
                except (ConnectionError, aiohttp.ClientError):
                    self.over = True

    async def end(self) -> None:
        """End the answer as a server does that has no more to say."""
        async with self._lock:
            self.over = True
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._response.write_eof()

    def abort(self) -> None:
        """Break the connection."""
        self.over = True
        if self._request.transport is not None:
            self._request.transport.abort()


class WatchView(Protocol):
    """Decides what a client sees of its watches."""

    def opened(self, watch: Watch) -> None:
        """A watch has begun."""

    async def line(self, watch: Watch, line: bytes) -> None:
        """A line has come from the server; whoever wants it to arrive sends it on."""


class FaultProxy:
    """A proxy before one server. Use it with ``async with``."""

    def __init__(
        self, name: str, target: str, history: History, *, ca_pem: str = "", strike: Callable[[], None] = lambda: None
    ) -> None:
        self.name = name
        self.history = history
        self.strike = strike
        """Called by faults that kill, at their stage."""
        self.rules: list[Rule] = []
        self.lines: Callable[[Exchange, bytes], bytes | None] | None = None
        """Sees each line of a watch; what it returns goes on to the client, None hides the line."""
        self.view: WatchView | None = None
        """Takes each line of a watch instead, and sends on what it likes, when it likes."""
        self.open = asyncio.Event()
        """While it is not set, every request waits: a server that hangs."""
        self.open.set()
        self.down = False
        """True: every connection is reset."""
        self.who: Callable[[int], str] = lambda _: ""
        """Whose connection it is that comes from this port of the loopback address."""
        self._known: dict[int, tuple[asyncio.BaseTransport | None, str]] = {}
        self._target = target.rstrip("/")
        self._ssl = ssl.create_default_context(cadata=ca_pem) if ca_pem else True
        self._server = web.Server(self._handle, access_log=None)
        self._streams: set[aiohttp.ClientResponse] = set()
        self._busy = 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(limit=0, ssl=self._ssl),
            skip_auto_headers=_NOT_ADDED,
        )
        # A request goes on when its client is gone: a server carries it out all the same.
        self._runner = web.ServerRunner(self._server, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.open.set()
        limit = time.monotonic() + 5.0
        while self._busy and time.monotonic() < limit:  # a handler that is cancelled would complain
            self.break_watches()
            await asyncio.sleep(0.01)
        await self._runner.cleanup()
        await self._session.close()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def add(self, rule: Rule) -> Rule:
        """Add a rule; the first that takes a request strikes it."""
        self.rules.append(rule)
        return rule

    def break_watches(self) -> None:
        """Break the connection of every watch that is open."""
        for answer in list(self._streams):
            answer.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._busy += 1
        try:
            return await self._pass(request, await request.read())
        finally:
            self._busy -= 1

    async def _pass(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        who = self._who(request.transport)
        exchange = self.history.begin(self.name, request.method, request.path, request.query_string, body, who)
        await self.open.wait()
        fault = next((rule.fault for rule in self.rules if rule.take(exchange)), None)
        if fault is not None:
            exchange.fault = fault.name
        try:
            if self.down:
                exchange.fault = "down"
                return _reset(request)
            if fault is not None and fault.stage is Stage.BEFORE:
                await self._hit(fault)
                # A pause alone lets the request through in the end.
                if fault.reply is not None:
                    return _made_up(fault)
                if not (fault.delay or fault.hold):
                    return _reset(request)
                fault = None
            return await self._forward(request, exchange, fault)
        except (aiohttp.ClientError, ConnectionError):
            return _reset(request)
        finally:
            exchange.ended = asyncio.get_running_loop().time()

    def _who(self, transport: asyncio.BaseTransport | None) -> str:
        if transport is None:  # the client is gone
            return ""
        port = transport.get_extra_info("peername")[1]
        known, who = self._known.get(port, (None, ""))
        if known is not transport:
            who = self.who(port)
            self._known[port] = (transport, who)
        return who

    async def _hit(self, fault: Fault) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.hold is not None:
            await fault.hold.wait()
        if fault.kill:
            self.strike()

    async def _forward(self, request: web.BaseRequest, exchange: Exchange, fault: Fault | None) -> web.StreamResponse:
        headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in _HOP)
        headers.pop("Host", None)
        url = URL(f"{self._target}{request.raw_path}", encoded=True)
        async with self._session.request(
            request.method, url, data=exchange.body or None, headers=headers, allow_redirects=False
        ) as answer:
            kept = CIMultiDict((name, value) for name, value in answer.headers.items() if name.lower() not in _HOP)
            if "watch=" in exchange.query and answer.status == 200:
                return await self._stream(request, exchange, answer, kept)
            body = await answer.read()
            self.history.answered(exchange, answer.status, body)
            if fault is not None and fault.stage is Stage.COMMITTED:
                await self._hit(fault)
                if fault.reply is not None:
                    return _made_up(fault)
                if fault.cut is not None:
                    return await _cut(request, answer.status, kept, body, fault.cut)
                if not (fault.delay or fault.hold):
                    return _reset(request)
            response = web.Response(status=answer.status, headers=kept, body=body)
            if fault is not None and fault.stage is Stage.AFTER:
                await response.prepare(request)
                await response.write_eof()
                await self._hit(fault)
            return response

    async def _stream(
        self, request: web.BaseRequest, exchange: Exchange, answer: aiohttp.ClientResponse, headers: CIMultiDict[str]
    ) -> web.StreamResponse:
        self.history.answered(exchange, answer.status, b"")
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        watch = Watch(exchange, request, response)
        if self.view is not None:
            self.view.opened(watch)
        rest = b""
        self._streams.add(answer)
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            async for chunk in answer.content.iter_any():
                await self.open.wait()
                if self.lines is None and self.view is None:
                    await response.write(chunk)
                    continue
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    await self._tell(watch, line + b"\n")
                if watch.over:
                    break
        await watch.end()  # also when the server broke it off
        self._streams.discard(answer)
        return response

    async def _tell(self, watch: Watch, line: bytes) -> None:
        if watch.over:
            return
        if self.view is not None:
            await self.view.line(watch, line)
            return
        passed = self.lines(watch.exchange, line) if self.lines is not None else line
        if passed is not None:
            await watch.send(passed)


def _reset(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)


def _made_up(fault: Fault) -> web.StreamResponse:
    reply = fault.reply
    assert reply is not None
    headers = {"Content-Type": reply.content_type, **dict(reply.headers)}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


async def _cut(
    request: web.BaseRequest, status: int, headers: CIMultiDict[str], body: bytes, share: float
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: int(len(body) * share)])
    if request.transport is not None:
        request.transport.close()
    return response
