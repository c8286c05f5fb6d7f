"""A gate before a real InfluxDB: it counts who asks for what, and can answer as a broken one would."""

from __future__ import annotations

import http.client
import math
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})
HTML = b"<!doctype html><html><body><h1>Welcome to the portal</h1><p>Please sign in.</p></body></html>"


@dataclass
class Seen:
    """One request; ``token`` is what followed ``Token`` in its Authorization header."""

    at: float
    method: str
    path: str
    token: str
    body: bytes = b""
    who: str = ""
    """Whose request it is, if the gate was told how to find out."""
    ended: float = math.inf
    """When the answer had been sent, or the client was found to be gone."""


class Gate:
    """Forwards to ``target``. ``mode`` may be changed at any time: pass, html, cut, slow or broken (status 500).

    With ``tls`` it speaks HTTPS to its clients.
    """

    def __init__(self, target: str, tls: ssl.SSLContext | None = None) -> None:
        self.mode = "pass"
        self.delay = 3.0
        """Seconds that ``slow`` waits before it lets a request through."""
        self.slows: Callable[[bytes], bool] = lambda body: True
        """Which requests ``slow`` holds up, by what they say."""
        self.seen: list[Seen] = []
        self.who: Callable[[int], str] = lambda port: ""
        """Who has this port of the loopback address."""
        self._target = urlsplit(target)
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                gate._serve(self)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - names of the library

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the library
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def tokens(self) -> list[str]:
        """The tokens in the order in which they were first used."""
        return list(dict.fromkeys(one.token for one in self.seen if one.token))

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        token = (request.headers.get("Authorization") or "").removeprefix("Token ")
        who = self.who(request.client_address[1])
        seen = Seen(time.monotonic(), request.command or "", request.path, token, body, who)
        self.seen.append(seen)
        mode = self.mode
        try:
            if mode == "slow" and self.slows(body):
                time.sleep(self.delay)
            if mode == "html":
                _answer(request, 200, {"Content-Type": "text/html"}, HTML)
            elif mode == "broken":
                _answer(request, 500, {"Content-Type": "text/plain"}, b"upstream connect error")
            else:
                self._forward(request, body, cut=mode == "cut")
        except OSError:
            request.close_connection = True
        finally:
            seen.ended = time.monotonic()

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes, *, cut: bool) -> None:
        connection = http.client.HTTPConnection(self._target.hostname or "", self._target.port, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
            headers["Accept-Encoding"] = "identity"
            connection.request(request.command or "GET", request.path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
            _answer(request, answer.status, kept, data[: len(data) // 2] if cut else data)
        finally:
            connection.close()


def _answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if status != 204:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
