"""The steps of a pipeline's protocol, recognised in what passed the fault proxies, and the runs of its stages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from tests.support.history import INFLUX, KUBE, Exchange, decoded

LEDGER = "influxops-ledger"
STEPS = (
    "mark-read",
    "ledger-read",
    "time-count",
    "series-count",
    "delete",
    "run",
    "read-back",
    "ledger-write",
    "mark-write",
    "status",
    "expire",
)
"""In the order in which they come for one window; all are of one pipeline, for a world has no other."""

_STAGE = re.compile(r"// stage: (\w+)")
_WINDOW = re.compile(r"timeRangeStart: (\S+Z), timeRangeStop: (\S+Z)")
_STATUS = re.compile(r".*/(influxpipelines|influxbackfills)/[^/]+/status")


@dataclass(frozen=True, slots=True)
class Run:
    """One request that ran a stage over a window. Times are monotonic seconds."""

    stage: str
    start: datetime
    stop: datetime
    asked: float
    ended: float
    succeeded: bool

    @property
    def place(self) -> tuple[str, datetime, datetime]:
        """Stage and window."""
        return self.stage, self.start, self.stop


def step_of(exchange: Exchange) -> str:
    """The step that a request is; empty for one of none."""
    if exchange.server == KUBE:
        if exchange.method == "DELETE" and "/influxbackfills/" in exchange.path:
            return "expire"
        return "status" if exchange.method == "PATCH" and _STATUS.fullmatch(exchange.path) else ""
    if exchange.method != "POST":
        return ""
    match exchange.path:
        case "/api/v2/delete":
            return "delete"
        case "/api/v2/write":
            if f"bucket={LEDGER}" not in exchange.query:
                return ""
            return "ledger-write" if b"window_state," in exchange.body else "mark-write"
        case "/api/v2/query":
            return _query(exchange)
    return ""


def _query(exchange: Exchange) -> str:
    sent = decoded(exchange.body)
    flux = str(sent.get("query", ""))
    if "extern" in sent:
        return ""
    if "now" in sent:
        return "run"
    if LEDGER in flux:
        return "ledger-read" if '"window_state"' in flux else "mark-read"
    if "aggregateWindow" in flux:
        return "time-count" if 'keep(columns: ["_time", "_value"])' in flux else ""
    if flux.endswith("|> count()"):
        return "series-count"
    named = re.fullmatch(r'from\(bucket: "\w+"\) \|> range\([^)]*\)( \|> filter\([^|]*\))?', flux)
    return "read-back" if named else ""


def nth(step: str, number: int) -> Callable[[Exchange], bool]:
    """Accepts the ``number``-th request of a step, counted from 1."""
    seen = 0

    def accepts(exchange: Exchange) -> bool:
        nonlocal seen
        if step_of(exchange) != step:
            return False
        seen += 1
        return seen == number

    return accepts


def runs_of(exchanges: Iterable[Exchange]) -> list[Run]:
    """The runs, in the order in which they were asked for. One that never reached the server has not succeeded."""
    found = []
    for exchange in exchanges:
        if exchange.server != INFLUX or step_of(exchange) != "run":
            continue
        flux = str(json.loads(exchange.body)["query"])
        stage, window = _STAGE.search(flux), _WINDOW.search(flux)
        if stage is None or window is None:
            continue
        start, stop = (datetime.fromisoformat(text) for text in window.groups())
        ended = exchange.ended if exchange.ended is not None else float("inf")
        found.append(Run(stage[1], start, stop, exchange.started, ended, exchange.status == 200))
    return found
