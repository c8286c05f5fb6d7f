"""What the operator makes of the spec of an InfluxBackfill: whose windows run, which, in which order, and how many at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from influxops.core.conditions import rfc3339
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.record import pack
from influxops.engine.pipeline.backfills import Backfills
from influxops.reconcile.pipeline_state import BackfillOrder, PipelineState
from tests.support.backfills import pipeline, stage
from tests.support.fields.bench import NAMESPACE, NOON, Bench, outcome_of
from tests.support.fields.looks_pipeline import shown, tasks

Object = dict[str, Any]
NAME = "walk"
PIPELINES = ("walked", "other", "another")
PLAN = pipeline(stage("one", cadence("1d")), stage("two", cadence("1d"), "one"), begin="2000-01-01")
RECORDS = (
    WindowRecord("one", next(iter(cadence("1d").between(*[datetime(2025, 1, day, tzinfo=UTC) for day in (2, 3)]))),
                 WindowState.SUCCESS),
    WindowRecord("one", next(iter(cadence("1d").between(*[datetime(2025, 1, day, tzinfo=UTC) for day in (3, 4)]))),
                 WindowState.FAILED),
)  # fmt: skip
"""What the ledger knows: a window that has succeeded, and one that has failed."""


async def ordered(spec: Object) -> object:
    """Whose windows run, by which plan where they are a task's, and what the loop that gets the order does with it."""
    bench = Bench()
    tasks(bench)
    for name in PIPELINES:
        key = bench.put(Kind.PIPELINE, name, {})
        bench.context.pipelines[key] = PipelineState(f"uid-{name}", planned=True)
    outcome = await bench.settle(bench.put(Kind.BACKFILL, NAME, spec))
    plans = [(connection, shown(plan)) for _, connection, plan in bench.runner.plans if plan is not None]
    worked = [(whose if not plans else "", await _worked(bench, order)) for whose, order in bench.runner.orders]
    return outcome_of(outcome), plans, worked


async def expired(spec: Object) -> object:
    """Whether the object is deleted so many seconds after its end."""
    gone = []
    for seconds in (50_000, 150_000, 250_000):
        bench = Bench()
        ended = NOON - timedelta(seconds=seconds)
        status = {"phase": "Succeeded", "finishedAt": rfc3339(ended)}
        await bench.settle(bench.put(Kind.BACKFILL, NAME, spec, packed_status=pack(status)))
        gone.append(bool(bench.kube.deleted))
    return gone


async def _worked(bench: Bench, order: BackfillOrder) -> object:
    """The windows that the loop of a pipeline puts on its agenda, as they begin; its lane; and what it tells of the backfill."""
    agenda, backfills = Agenda(PLAN), Backfills(bench.tools)

    async def run(_: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        return await request(SimpleNamespace(ledger_records=_records))

    link: Any = SimpleNamespace(org_id="o", run=run, snapshot=bench.link(_MAIN).snapshot)
    writer = SimpleNamespace(mark=lambda: 0, has=lambda _: True)
    course: Any = SimpleNamespace(plan=PLAN, agenda=agenda, writer=writer, keep=lambda _: None, unmarked="")
    backfills.order(replace(order, created=NOON))
    await backfills.turn(link, course, NOON)
    backfills.publish(course, NOON)
    lanes, suspended = backfills.lanes(), backfills.suspended()
    began = []
    while (entry := agenda.take(NOON, lambda _: True, order.uid)) is not None:
        began.append((entry.stage, entry.window))
        agenda.succeeded(entry, NOON)
    return began, lanes, suspended, bench.later.get(order.uid, {}).get("phase")


_MAIN = Key(Kind.CONNECTION, NAMESPACE, "main")


async def _records(*asked: Any) -> list[WindowRecord]:
    start, stop = asked[3:]
    return [one for one in RECORDS if start <= one.window.start < stop]
