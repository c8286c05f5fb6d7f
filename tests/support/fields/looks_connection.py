"""What the operator makes of the spec of an InfluxConnection: its client, its pace, and who may do what by it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from influxops.api.common import ConnectionRef
from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.engine import pacer
from influxops.engine.link import LiveLink
from influxops.engine.turn import ConnectionLoop
from influxops.influx.port import InfluxPort
from influxops.preview.world import Uncounted
from influxops.reconcile.references import NotUsable, usable_link
from tests.support.fields.bench import LABELS, NAMESPACE, NOON, OPEN, Bench, Fence, outcome_of

Object = dict[str, Any]
KEY = Key(Kind.CONNECTION, NAMESPACE, "main")
MANY = 300
HOURLY = 'from(bucket: "raw") |> range(start: -1h) |> to(bucket: "hourly")\n'
SCRIPTS = {
    "plain": ("1h", HOURLY),
    "http": ("1h", f'import "http/requests"\n{HOURLY}'),
    "sql": ("1h", f'import "sql"\n{HOURLY}'),
    "every 30 s": ("30s", HOURLY),
    "every 2 min": ("2m", HOURLY),
    "back": ("1h", 'from(bucket: "hourly") |> range(start: -1h) |> to(bucket: "raw")\n'),
    "there": ("1h", 'from(bucket: "hourly") |> range(start: -1h) |> to(bucket: "hourly")\n'),
    "here": ("1h", 'from(bucket: "raw") |> range(start: -1h) |> to(bucket: "raw")\n'),
    "nothing": ("1h", 'from(bucket: "nothing") |> range(start: -1h)\n'),
}
"""Tasks that the policy of a connection may or may not let be."""


async def turn(spec: Object) -> object:
    """With what a client is made in one turn, for which organization it asks, what is wrong, and when the next turn is."""
    random.seed(1)
    bench = Bench()
    bench.put(Kind.CONNECTION, KEY.name, spec)
    link = _link(bench, spec)
    delay = await ConnectionLoop(link, bench.tools, "uid")._turn()
    settings = [{name: getattr(one, name) for name in one.__slots__} for one in bench.clients]
    asked = [arguments for method, arguments in getattr(link.port, "calls", []) if method == "org_id"]
    return settings, asked, link.problem and link.problem.reason, delay


async def at_once(spec: Object) -> object:
    """How many of many requests, and of many queries, are under way together."""
    link = _link(Bench(), spec)
    under_way, go = 0, asyncio.Event()
    link.port = _NONE

    async def request(_: InfluxPort) -> None:
        nonlocal under_way
        under_way += 1
        await go.wait()

    counts = []
    for send in (link.call, link.run):
        under_way = 0
        go.clear()
        sent = [asyncio.ensure_future(send("any", request)) for _ in range(MANY)]
        for _ in range(10):
            await asyncio.sleep(0)
        counts.append(under_way)
        go.set()
        await asyncio.gather(*sent)
    return counts


async def pace(spec: Object) -> object:
    """How long the requests wait that are begun at one moment."""
    link, waits = _link(Bench(), spec), []

    async def sleep(seconds: float) -> None:
        waits.append(round(seconds, 6))

    real, pacer.asyncio = pacer.asyncio, _Clock(sleep)  # type: ignore[attr-defined, assignment]
    try:
        for _ in range(10):
            await link.pace()
    finally:
        pacer.asyncio = real  # type: ignore[attr-defined]
    return waits


async def admitted(spec: Object) -> object:
    """Which namespaces' objects may use the connection, by their names and labels."""
    bench = Bench(spec)
    verdicts = {}
    for namespace in LABELS:
        record = Record(Key(Kind.TASK, namespace, "any"), "u", 1, "1", NOON, None, (), {}, {}, b"", b"")
        try:
            await usable_link(bench.context, record, ConnectionRef(name=KEY.name, namespace=KEY.namespace))
            verdicts[namespace] = "admitted"
        except NotUsable as error:
            verdicts[namespace] = outcome_of(error.outcome)
    return verdicts


async def let(spec: Object) -> object:
    """Which tasks and which stages the connection's policy lets be."""
    bench = Bench({**OPEN, **{name: value for name, value in spec.items() if name in {"policy", "allowedNamespaces"}}})
    verdicts = {}
    for number, (name, (every, flux)) in enumerate(SCRIPTS.items()):
        body = {"connectionRef": {"name": KEY.name}, "every": every, "flux": flux}
        verdicts[name] = outcome_of(await bench.settle(bench.put(Kind.TASK, f"task-{number}", body)))
        stage = {"name": "one", "flux": flux.replace("start: -1h", "start: v.timeRangeStart, stop: v.timeRangeStop")}
        whole = {"connectionRef": {"name": KEY.name}, "window": {"every": every}, "stages": [stage]}
        outcome = await bench.settle(bench.put(Kind.PIPELINE, f"pipeline-{number}", whole))
        verdicts[f"stage {name}"] = outcome_of(outcome)
    return verdicts


_NONE: Any = object()


class _Clock:
    """Stands for asyncio where only its sleep is used."""

    def __init__(self, sleep: Any) -> None:
        self.sleep = sleep


def _link(bench: Bench, spec: Object) -> LiveLink:
    read = InfluxConnectionSpec.model_validate(spec)
    return LiveLink(KEY, read, 1, Fence(), Uncounted(), lambda: bench.clock)
