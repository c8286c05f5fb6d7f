"""Everything that passed the fault proxies: the record that the oracles judge, instead of logs.

Each write gets an id that is the same in every run of a workload, such as ``influx-patch-task-alpha-2``: the second
PATCH of the task of InfluxTask alpha. Ids in InfluxDB are made by the server, so the names behind them are learnt from
the answers that pass by.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from influxops.core.marker import Marker, read_description, read_script

INFLUX = "influx"
KUBE = "kube"
READS = frozenset({"GET", "HEAD", "OPTIONS"})

_KUBE = re.compile(r"/apis?/(?:[^/]+/)?v[^/]+/(?:namespaces/[^/]+/)?([^/]+)(?:/([^/]+))?(?:/([^/]+))?")
_INFLUX = re.compile(r"/api/v2/(tasks|buckets)(?:/([0-9a-f]{16}))?(?:/(\w+))?")
_SINGULAR = {
    "influxtasks": "task",
    "retentionpolicies": "policy",
    "influxconnections": "connection",
    "tasks": "task",
    "buckets": "bucket",
}
_NO_WRITES = frozenset({"leases", "events"})
"""Kinds of Kubernetes whose writes are not part of what is promised: they may come at any time."""
_PROBE = '_influxops"probe'


@dataclass(slots=True)
class Exchange:
    """One request and what became of it."""

    number: int
    server: str
    method: str
    path: str
    query: str
    body: bytes
    started: float
    write_id: str = ""
    """Empty for reads, leases, events and the effect-free probes of a token's rights."""
    about: str = ""
    """The object that a write is about, such as ``task-alpha``."""
    status: int | None = None
    """What the server answered; None when it was never asked, or did not answer."""
    answer: bytes = b""
    """The server's answer, of writes only."""
    fault: str = ""
    ended: float | None = None
    """When the answer had been sent on, or the exchange was given up."""
    who: str = ""
    """Which operator sent it, where several do and the proxy knows."""

    @property
    def committed(self) -> bool:
        """Whether the server has carried it out."""
        return self.status is not None and self.status < 300

    @property
    def changes(self) -> bool:
        """Whether it may change something in InfluxDB or Kubernetes, as far as its first look tells; leases do not count."""
        if self.method in READS or "/leases" in self.path or _PROBE.encode() in self.body:
            return False
        if self.server == KUBE or self.write_id:
            return True
        if self.path == "/api/v2/query":
            return b'"now"' in self.body and b'"extern"' not in self.body
        return self.path in {"/api/v2/write", "/api/v2/delete"}

    def __str__(self) -> str:
        what = self.write_id or f"{self.server} {self.method}"
        who = f"{self.who}: " if self.who else ""
        return f"{who}{what} {self.path} -> {self.status}{f' [{self.fault}]' if self.fault else ''}"


@dataclass(frozen=True, slots=True)
class Tampering:
    """One event of a watch that did not reach the operator as the server sent it, or that the server did not send."""

    fault: str
    """How: ``hidden``, ``replayed`` and so on."""
    kind: str
    name: str
    type: str
    """Of the event, such as ``DELETED``."""
    uid: str
    version: str
    after: int
    """Number of the exchanges that had begun by then."""

    def __str__(self) -> str:
        return f"{self.fault}: {self.type} {self.kind}/{self.name} uid {self.uid} at {self.version}"


@dataclass(slots=True)
class History:
    """The exchanges of both proxies, in the order in which they came."""

    exchanges: list[Exchange] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Id in InfluxDB -> the name that write ids use for it."""
    tampered: list[Tampering] = field(default_factory=list)
    """Faults of watches, in the order in which they struck."""
    _counts: Counter[str] = field(default_factory=Counter)
    _watchers: list[Callable[[Exchange], None]] = field(default_factory=list)

    def begin(self, server: str, method: str, path: str, query: str, body: bytes, who: str = "") -> Exchange:
        """Take in a request as it comes."""
        exchange = Exchange(len(self.exchanges), server, method, path, query, body, time.monotonic(), who=who)
        self.exchanges.append(exchange)
        if method not in READS:
            about = (self._influx if server == INFLUX else _kube)(exchange)
            if about:
                stem = f"{server}-{method.lower()}-{about}"
                self._counts[stem] += 1
                exchange.about, exchange.write_id = about, f"{stem}-{self._counts[stem]}"
        return exchange

    def answered(self, exchange: Exchange, status: int, answer: bytes) -> None:
        """Take in the server's answer."""
        exchange.status = status
        if exchange.write_id:
            exchange.answer = answer
            if exchange.server == INFLUX and exchange.committed and exchange.method == "POST":
                self.names.setdefault(str(json.loads(answer)["id"]), exchange.about)

    def recount(self) -> int:
        """Number write ids from 1 again; the number of exchanges so far."""
        self._counts.clear()
        return len(self.exchanges)

    def writes(self, since: int = 0) -> Iterator[Exchange]:
        """The writes, from the ``since``-th exchange on."""
        return (exchange for exchange in self.exchanges[since:] if exchange.write_id)

    def changed(self, since: int = 0) -> Iterator[Exchange]:
        """The writes, and all that touches points: scripts that ran, points that were written or deleted, the ledger's too."""
        return (one for one in self.exchanges[since:] if one.changes and "/events" not in one.path)

    def lines(self, since: int = 0) -> tuple[str, ...]:
        """What passed, for people: all that may change something, and all that was broken, with seconds since the first of them."""
        told = [one for one in self.exchanges[since:] if one.fault or one.changes]
        first = min((one.started for one in told), default=0.0)
        tampered = [f"         watch    {one}" for one in self.tampered]
        return (*(f"{one.started - first:8.3f} {one.server:6} {one}" for one in told), *tampered)

    def know(self, object_id: str, name: str) -> None:
        """Name an object that was not made through the proxy."""
        self.names[object_id] = name

    def _influx(self, exchange: Exchange) -> str:
        match = _INFLUX.fullmatch(exchange.path)
        if match is None:
            return ""
        kind, object_id, rest = match.groups()
        if object_id is not None:
            name = self.names.get(object_id, f"{_SINGULAR[kind]}-unknown")
            return f"{name}-{rest}" if rest else name
        sent = decoded(exchange.body)
        if kind == "tasks":
            marker = read_script(str(sent.get("flux", "")))[0]
            return f"task-{marker.owner.name}" if marker is not None else ""
        return "" if sent.get("name") == _PROBE else f"bucket-{sent.get('name')}"


def _kube(exchange: Exchange) -> str:
    match = _KUBE.fullmatch(exchange.path)
    if match is None or match[1] in _NO_WRITES:
        return ""
    kind, name, rest = match.groups()
    return "-".join(filter(None, (_SINGULAR.get(kind, kind), name, rest or "metadata")))


def decoded(body: bytes) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def marker_of(thing: dict[str, Any]) -> Marker | None:
    """The mark of a task or bucket as InfluxDB shows it."""
    if "flux" in thing:
        return read_script(str(thing["flux"]))[0]
    return read_description(str(thing.get("description") or ""))[0]
