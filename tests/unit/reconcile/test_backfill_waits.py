"""For what an InfluxBackfill waits, and when it says so."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from influxops.core.keys import Key, Kind
from influxops.core.outcome import Outcome, Reason, Stalled, Wait
from influxops.core.record import Record, pack
from influxops.core.scouts import Scouts
from influxops.influx.errors import Unavailable
from influxops.reconcile import backfill as module
from influxops.reconcile.backfill import visit_backfill
from influxops.reconcile.pipeline_state import PipelineState

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PIPELINE = Key(Kind.PIPELINE, "ns", "p")
SPEC = {"pipelineRef": {"name": "p"}, "start": "2026-02-03T00:00:00Z", "stop": "2026-02-04T00:00:00Z"}


def _record(key: Key, spec: dict[str, Any]) -> Record:
    return Record(key, key.name, 1, "1", NOW, None, (), {}, {}, pack(spec), pack({}))


async def _visited(state: PipelineState | None) -> tuple[Outcome, list[dict[str, Any]]]:
    """The outcome of a visit while the pipeline is remembered so, and the statuses that were written."""
    told: list[dict[str, Any]] = []

    async def now(_: Key, __: str, status: dict[str, Any]) -> None:
        told.append(status)

    context: Any = SimpleNamespace(
        objects={PIPELINE: _record(PIPELINE, {})},
        pipelines={} if state is None else {PIPELINE: state},
        statuses=SimpleNamespace(now=now),
        recorder=SimpleNamespace(action=lambda *_, **__: None, event=lambda *_, **__: None),
        now=lambda: NOW,
    )
    return await visit_backfill(context, _record(Key(Kind.BACKFILL, "ns", "b"), SPEC)), told


@pytest.mark.parametrize("state", [None, PipelineState("p")], ids=["none yet", "under way"])
async def test_nothing_is_said_before_the_first_visit_to_the_pipeline_has_ended(state: PipelineState | None) -> None:
    """As after each start of the operator: what its status says is as true as before."""
    outcome, told = await _visited(state)
    assert isinstance(outcome, Wait)
    assert outcome.quiet
    assert told == []


async def test_a_pipeline_that_is_not_ready_is_named_with_its_reason() -> None:
    """After its visit it is known why."""
    _, told = await _visited(PipelineState("p", Stalled(Reason.INVALID_SPEC, "spec.window is too long")))
    [ready] = [one for one in told[0]["conditions"] if one["type"] == "Ready"]
    assert ready["reason"] == Reason.DEPENDENCY_NOT_READY
    assert ready["message"] == "InfluxPipeline ns/p is not ready: spec.window is too long"


async def test_a_task_that_cannot_be_looked_at_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loop would go on by the former script, and nobody would look again: it ends, says why, and the connection wakes it."""
    told: list[dict[str, Any]] = []
    stopped: list[Key] = []
    link = SimpleNamespace(parked=set(), refused=Scouts())
    key, of = Key(Kind.BACKFILL, "ns", "b"), Key(Kind.TASK, "ns", "t")

    async def now(_: Key, __: str, status: dict[str, Any]) -> None:
        told.append(status)

    async def usable_link(*_: object) -> object:
        return link

    async def plan(*_: object) -> None:
        raise Unavailable("InfluxDB: the connection was closed")

    monkeypatch.setattr(module, "usable_link", usable_link)
    monkeypatch.setattr(module, "_plan", plan)
    task = {"connectionRef": {"name": "main"}, "every": "1h", "flux": 'from(bucket: "raw")'}
    context: Any = SimpleNamespace(
        objects={of: _record(of, task)},
        statuses=SimpleNamespace(now=now),
        recorder=SimpleNamespace(action=lambda *_, **__: None, event=lambda *_, **__: None),
        runner=SimpleNamespace(stop=stopped.append),
        link=lambda _: link,
        now=lambda: NOW,
    )
    spec = {"taskRef": {"name": "t"}, "start": "2026-02-03T00:00:00Z", "stop": "2026-02-04T00:00:00Z"}
    outcome = await visit_backfill(context, _record(key, spec))
    assert isinstance(outcome, Wait)
    assert outcome.parked
    assert (stopped, link.parked) == ([key], {key})
    [ready] = [one for one in told[0]["conditions"] if one["type"] == "Ready"]
    assert ready["message"] == "InfluxDB: the connection was closed"
