"""One look for late data over thirty days of hourly windows, beside the one counting query that it cannot do without."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from bench.bare_windows import DIALECT
from bench.clients import Influx, Refused
from bench.figures import Figure
from bench.plans import plan_of
from bench.prometheus import influx_queries
from bench.setup import influx_metrics, run, say
from bench.site import Site
from bench.windows import SERIES, STEP, WINDOWS, Range
from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.ledger import encode
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.late_look import LateLook
from influxops.influx.client import InfluxClient
from influxops.influx.proof import by_time
from influxops.influx.settings import ConnectionSettings

TIMES = 5
HOUR = 3600
SOURCE = Source("raw", "env", "temperature")


class _Free:
    """A lease that never ends, and a counter of requests by operation."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()

    def check(self) -> None:
        pass

    def remaining(self) -> float:
        return 10.0

    def request(self, _connection: str, operation: str, _code: str, _seconds: float) -> None:
        self.requests[operation] += 1


def measure(site: Site, span: Range) -> list[Figure]:
    """The median look, with one late point that it must find each time."""
    say(f"looking for late data over {WINDOWS} windows")
    looks, bare, requests = run(_looks(site, span))
    note = f"medians of {TIMES}; {requests:g} queries a look: the ledger, and one that counts"
    took, base = sorted(looks)[TIMES // 2], sorted(bare)[TIMES // 2]
    say(f"late_look {took:.2f} s (bare query {base:.2f}); {note}")
    return [
        Figure("late_look", WINDOWS, took, "s", base, note),
        Figure("late_queries", WINDOWS, requests, "queries", 1.0, "as InfluxDB counts them"),
    ]


async def _looks(site: Site, span: Range) -> tuple[list[float], list[float], float]:
    plan = plan_of({"downsample": ()}, "1h", span.start, SOURCE)
    client = InfluxClient(ConnectionSettings(site.influx_url, site.influx_token, timeout=60.0))
    link = _link(site, client)
    looks, bare, requests = [], [], 0.0
    try:
        await client.write_points(site.org_id, plan.bucket, [encode(plan.owner, one) for one in _records(span)])
        async with Influx(site) as influx:
            late = int(span.start.timestamp()) + 5
            await influx.write("raw", f"env,sensor=s00 temperature=1 {late}".encode())
            for _ in range(TIMES):
                bare.append(await _count(influx, span))
                before, began = influx_queries(influx_metrics(site)), time.perf_counter()
                found = await LateLook().look(link, plan, datetime.now(UTC), {})
                looks.append(time.perf_counter() - began)
                requests = influx_queries(influx_metrics(site)) - before
                places = [(change.record.window.start, change.now - change.was) for change in found.changes]
                if places != [(span.start, 1)]:
                    raise RuntimeError(f"one late point was written at {span.start}, and the look found {places}")
    finally:
        await client.close()
    return looks, bare, requests


def _link(site: Site, client: InfluxClient) -> LiveLink:
    free = _Free()
    reference = {"name": "unused", "key": "token"}
    spec = InfluxConnectionSpec.model_validate(
        {"url": site.influx_url, "org": site.org, "tokenSecretRef": reference, "allowInsecure": True}
    )
    link = LiveLink(Key(Kind.CONNECTION, "bench", "main"), spec, 1, free, free, time.monotonic)
    link.org_id, link.port = site.org_id, client
    return link


def _records(span: Range) -> list[WindowRecord]:
    """As if each window had run when all its points were there."""
    hour = timedelta(hours=1)
    return [
        WindowRecord(
            "downsample",
            Window(span.start + number * hour, span.start + (number + 1) * hour),
            WindowState.SUCCESS,
            attempt=1,
            source_count=SERIES * HOUR // STEP,
            finished_at=span.stop,
        )
        for number in range(WINDOWS)
    ]


async def _count(influx: Influx, span: Range) -> float:
    """The very query, its answer read and thrown away; seconds."""
    body = {"query": by_time(SOURCE, span.start, span.stop, HOUR), "type": "flux", "dialect": DIALECT}
    began = time.perf_counter()
    status, answer = await influx.send("POST", "/api/v2/query", body, params={"orgID": influx.org_id})
    took = time.perf_counter() - began
    if status != 200 or answer.count(b"\n") < SERIES * WINDOWS:
        raise Refused(f"query: {status} {answer[:400].decode(errors='replace')}")
    return took
