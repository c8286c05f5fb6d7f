"""The steps of a pipeline's protocol, recognised in what passed the fault proxies, and the runs of its stages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.history import INFLUX, KUBE, Exchange, decoded

LEDGER = "influxops-ledger"
STEPS = (
    "task-mark",
    "task-create",
    "task-status",
    "task-delete",
    "mark-read",
    "ledger-read",
    "time-count",
    "series-count",
    "delete",
    "run-request",
    "run",
    "read-back",
    "ledger-write",
    "mark-write",
    "status",
    "end",
    "expire",
)
"""In the order in which they come for one window; all are of one pipeline and its InfluxTask, for a world has no other."""

_STAGE = re.compile(r"// stage: (\w+)")
_WINDOW = re.compile(r"timeRangeStart: (\S+Z), timeRangeStop: (\S+Z)")
_KUBE_PATCHES = (
    ("status", re.compile(r".*/(influxpipelines|influxbackfills)/[^/]+/status")),
    ("task-status", re.compile(r".*/influxtasks/[^/]+/status")),
    ("task-mark", re.compile(r".*/influxtasks/[^/]+")),
)
_BACKFILL = re.compile(r".*/influxbackfills/[^/]+/status")
_RUN_REQUEST = re.compile(r"/api/v2/tasks/[0-9a-f]{16}/runs")


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
        if exchange.method == "PATCH" and _BACKFILL.fullmatch(exchange.path) and _over(exchange):
            return "end"
        found = (step for step, path in _KUBE_PATCHES if exchange.method == "PATCH" and path.fullmatch(exchange.path))
        return next(found, "")
    if exchange.method != "POST":
        return "task-delete" if exchange.method == "DELETE" and exchange.write_id else ""
    match exchange.path:
        case "/api/v2/delete":
            return "delete"
        case "/api/v2/write":
            if f"bucket={LEDGER}" not in exchange.query:
                return ""
            return "ledger-write" if b"window_state," in exchange.body else "mark-write"
        case "/api/v2/query":
            return _query(exchange)
        case "/api/v2/tasks":
            return "task-create" if exchange.write_id else ""
    return "run-request" if _RUN_REQUEST.fullmatch(exchange.path) else ""


def _over(exchange: Exchange) -> bool:
    """Whether this status of an InfluxBackfill tells its end."""
    return (decoded(exchange.body).get("status") or {}).get("phase") == "Succeeded"


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


def nth(step: str, number: int, of: Callable[[Exchange], str] = step_of) -> Callable[[Exchange], bool]:
    """Accepts the ``number``-th request of a step, counted from 1 and from the making of this function; ``of`` tells the step of each."""
    seen = 0

    def accepts(exchange: Exchange) -> bool:
        nonlocal seen
        if of(exchange) != step:
            return False
        seen += 1
        return seen == number

    return accepts


def runs_of(exchanges: Iterable[Exchange], every: Mapping[str, timedelta] | None = None) -> list[Run]:
    """The runs, in the order in which they were asked for. One that never reached the server has not succeeded.

    ``every``: the length of a stage's windows. The script of an InfluxTask reckons its window from ``now()`` by itself.
    """
    found = []
    for exchange in exchanges:
        if exchange.server != INFLUX or step_of(exchange) != "run":
            continue
        sent = json.loads(exchange.body)
        stage, window = _STAGE.search(str(sent["query"])), _WINDOW.search(str(sent["query"]))
        if stage is None or (window is None and stage[1] not in (every or {})):
            continue
        if window is not None:
            start, stop = (datetime.fromisoformat(text) for text in window.groups())
        else:
            stop = datetime.fromisoformat(sent["now"])
            start = stop - (every or {})[stage[1]]
        ended = exchange.ended if exchange.ended is not None else float("inf")
        found.append(Run(stage[1], start, stop, exchange.started, ended, exchange.status == 200))
    return found
