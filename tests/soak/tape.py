"""What passes the proxies of a soak: counted, and not kept, for it would be hundreds of thousands of requests."""

from __future__ import annotations

import csv
import io
import re
import time
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

from tests.soak.windows import WindowBook
from tests.support.history import INFLUX, Exchange, History, decoded

LAST = 400
"""Requests that are kept for the report of a failure."""
_STAGE = re.compile(r"// stage: ([\w-]+)/([\w-]+)")
_START = re.compile(r"timeRangeStart: (\S+Z),")
_RECORD = re.compile(r'window_state,owner=[^ ,]*/([\w-]+),stage=([\w-]+) .*state="SUCCESS".* (\d+)$')
_LEDGER = "bucket=influxops-ledger"


class _Last(list[Exchange]):
    """Counts all, keeps the last ones."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0
        self.kept: deque[Exchange] = deque(maxlen=LAST)

    def append(self, exchange: Exchange) -> None:
        """One more."""
        self.total += 1
        self.kept.append(exchange)

    def __len__(self) -> int:
        return self.total


class Tape(History):
    """The history of a soak."""

    def __init__(self) -> None:
        self.last = _Last()
        super().__init__(exchanges=self.last)
        self.requests: Counter[str] = Counter()
        """By server."""
        self.written: Counter[str] = Counter()
        """Writes by server."""
        self.last_write = 0.0
        """Monotonic seconds."""
        self.book = WindowBook()

    def begin(self, server: str, method: str, path: str, query: str, body: bytes, who: str = "") -> Exchange:
        """Take in a request as it comes."""
        exchange = super().begin(server, method, path, query, body, who)
        self.requests[server] += 1
        if not exchange.write_id and server == INFLUX and method == "POST" and path in _POINTS:
            exchange.write_id = f"{path}?{query}"
        if exchange.write_id:
            self.written[server] += 1
            self.last_write = exchange.started
        return exchange

    def answered(self, exchange: Exchange, status: int, answer: bytes) -> None:
        """Take in the server's answer."""
        if exchange.path in _POINTS:
            exchange.status = status
        else:
            super().answered(exchange, status, answer)
        if exchange.server == INFLUX and exchange.method == "POST" and status < 300:
            self._windows(exchange)

    def tail(self, count: int = 12) -> str:
        """The last writes."""
        writes = [str(one) for one in self.last.kept if one.write_id]
        return "\n".join(writes[-count:])

    def _windows(self, exchange: Exchange) -> None:
        if exchange.path == "/api/v2/query":
            sent = decoded(exchange.body)
            if "now" in sent and "extern" not in sent:
                self._run(str(sent["query"]), exchange)
        elif exchange.path == "/api/v2/write" and _LEDGER in exchange.query:
            now = time.monotonic()
            for match in filter(None, map(_RECORD.match, exchange.body.decode().splitlines())):
                moment = datetime.fromtimestamp(int(match[3]) // 1_000_000_000, UTC)
                self.book.settle((match[1], match[2], moment), now)

    def _run(self, flux: str, exchange: Exchange) -> None:
        stage, start = _STAGE.search(flux), _START.search(flux)
        if stage is not None and start is not None:
            self.book.ran((stage[1], stage[2], datetime.fromisoformat(start[1])), exchange.started)


_POINTS = frozenset({"/api/v2/write", "/api/v2/delete"})


def rows_of(text: str) -> list[dict[str, Any]]:
    """The rows of an answer in CSV, of one schema or several."""
    return [row for part in text.replace("\r\n", "\n").split("\n\n") for row in csv.DictReader(io.StringIO(part))]
