"""The relay: passes, is slow, or swallows everything."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest

from bench.relay import Mode, Relay


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the library
        """Say nothing."""


@pytest.fixture
def relay() -> Iterator[Relay]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    with Relay(f"http://127.0.0.1:{server.server_address[1]}", Mode.PASS, delay=0.3) as made:
        yield made
    server.shutdown()
    server.server_close()


def get(relay: Relay, timeout: float = 10.0) -> tuple[bytes, float]:
    """The body of an answer, and the seconds that it took."""
    parts, began = urlsplit(relay.url), time.monotonic()
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read(), time.monotonic() - began
    finally:
        connection.close()


def test_an_answer_passes_unchanged(relay: Relay) -> None:
    assert get(relay)[0] == b"ok"


def test_a_slow_answer_comes_late(relay: Relay) -> None:
    relay.mode = Mode.SLOW
    answer, took = get(relay)
    assert answer == b"ok"
    assert took >= 0.3


def test_a_dead_place_takes_connections_and_says_nothing(relay: Relay) -> None:
    """And is alive again for those who come later."""
    relay.mode = Mode.DEAD
    with pytest.raises(TimeoutError):
        get(relay, timeout=0.3)
    relay.mode = Mode.PASS
    assert get(relay)[0] == b"ok"
