"""Which changes of objects bring a visit: those of people, the end of a backfill, which its loop has written itself, and what another
shard writes; and which visits are another shard's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from influxops.core.keys import Key, Kind
from influxops.core.outcome import Gone, Outcome
from influxops.core.record import Record, pack
from influxops.core.shard import DEFAULT, SHARD
from influxops.engine.engine import Engine
from influxops.engine.shards import Shards
from influxops.kube.cache import Cache
from influxops.reconcile.state import TaskState
from tests.support.pipeline_desk import PipelineDesk

BACKFILL = Key(Kind.BACKFILL, "ns", "b")
PIPELINE = Key(Kind.PIPELINE, "ns", "p")


class Queue:
    def __init__(self) -> None:
        self.added: list[Key] = []

    def add(self, key: Key, *_: object) -> None:
        self.added.append(key)


class Statuses:
    def seen(self, record: Record) -> None:
        """Nothing."""


def record(key: Key, spec: dict[str, object]) -> Record:
    """As it was created."""
    return Record(key, f"uid-{key.name}", 1, "1", datetime(2026, 1, 1, tzinfo=UTC), None, (), {}, {}, pack(spec), b"")


@pytest.fixture
async def engine() -> Engine:
    desk = PipelineDesk()
    cache = Cache()
    shards = Shards(DEFAULT, cache)
    made = Engine(desk.tools.context, cache, Statuses(), Queue(), None, None, desk.metrics, 1, shards, None)  # type: ignore[arg-type]
    made.leading = True
    return made


def upsert(engine: Engine, one: Record) -> list[Key]:
    """Who is visited for it."""
    queue = engine._queue
    assert isinstance(queue, Queue)
    queue.added.clear()
    engine.upsert(one)
    return list(queue.added)


async def test_the_end_of_a_backfill_brings_one_visit_and_its_progress_none(engine: Engine) -> None:
    """The visit ends the loop of a task's backfill, and deletes the object when its time has come."""
    first = record(BACKFILL, {"pipelineRef": {"name": "p"}})
    assert upsert(engine, first) == [BACKFILL]
    running = replace(first, resource_version="2", packed_status=pack({"phase": "Running", "progress": "1/2"}))
    assert upsert(engine, running) == []
    over = replace(first, resource_version="3", packed_status=pack({"phase": "Succeeded"}))
    assert upsert(engine, over) == [BACKFILL]
    assert upsert(engine, replace(over, resource_version="4")) == []


async def test_a_status_of_a_pipeline_wakes_nobody_and_its_spec_wakes_its_backfills(engine: Engine) -> None:
    upsert(engine, record(BACKFILL, {"pipelineRef": {"name": "p"}}))
    first = record(PIPELINE, {"stages": []})
    assert upsert(engine, first) == [PIPELINE, BACKFILL]
    assert upsert(engine, replace(first, resource_version="2", packed_status=pack({"watermark": "x"}))) == []
    changed = replace(first, resource_version="3", generation=2, packed_spec=pack({"suspend": True}))
    assert upsert(engine, changed) == [PIPELINE, BACKFILL]


CONNECTION = Key(Kind.CONNECTION, "ns", "main")
TASK = Key(Kind.TASK, "ns", "t")


async def test_a_connection_that_is_handed_on_is_visited(engine: Engine) -> None:
    """The name in its status is the only thing that changes."""
    first = record(CONNECTION, {"url": "x"})
    assert upsert(engine, first) == [CONNECTION]
    told = replace(first, resource_version="2", packed_status=pack({"shard": "a", "version": "2"}))
    assert upsert(engine, told) == []
    assert upsert(engine, replace(told, resource_version="3", packed_status=pack({"shard": DEFAULT}))) == [CONNECTION]


@pytest.mark.parametrize("label", ["", "a"])
@pytest.mark.parametrize("known", [True, False], ids=["by the watch", "by the API alone"])
async def test_a_visit_is_only_made_to_what_is_this_shards(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, label: str, *, known: bool
) -> None:
    """Whether its connection exists is asked of the API: the watch of another shard may have been faster than ours."""
    visited: list[Key] = []
    asked: list[Key] = []
    connection = replace(record(CONNECTION, {}), labels={SHARD: label} if label else {})

    class Hands:
        async def find(self, key: Key) -> bool:
            asked.append(key)
            engine.upsert(connection)
            return True

    async def visit(_: object, key: Key) -> Outcome:
        visited.append(key)
        return Gone()

    monkeypatch.setattr("influxops.engine.engine.visit", visit)
    engine._handover = Hands()  # type: ignore[assignment]
    engine._queue.forget = engine._queue.drop = lambda _: None  # type: ignore[method-assign]
    upsert(engine, record(TASK, {"connectionRef": {"name": "main"}}))
    if known:
        upsert(engine, connection)
    await engine._visit(TASK)
    assert asked == ([] if known else [CONNECTION])
    assert visited == []  # of this shard or not, it is not confirmed yet
    engine._shards.hold(CONNECTION, connection.uid)
    await engine._visit(TASK)
    assert visited == [TASK]


@pytest.mark.parametrize(
    ("change", "woken"), [({}, False), ({"task_id": "2"}, True), ({"script_hash": "b"}, True), ({"gone": True}, True)]
)
async def test_a_task_that_is_another_in_influxdb_brings_a_visit_of_the_pipelines_that_name_it(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], *, woken: bool
) -> None:
    """It was deleted there, and perhaps made anew, or the ConfigMap of its template has changed: no watch tells of either."""
    tasks = engine._context.tasks
    tasks[TASK] = TaskState("u", task_id="1", script_hash="a")

    async def visit(_: object, key: Key) -> Outcome:
        tasks[key] = replace(tasks[key], **change)
        return Gone()

    monkeypatch.setattr("influxops.engine.engine.visit", visit)
    engine._queue.forget = engine._queue.drop = lambda _: None  # type: ignore[method-assign]
    upsert(engine, record(TASK, {"connectionRef": {"name": "main"}}))
    upsert(engine, record(CONNECTION, {}))
    engine._shards.hold(CONNECTION, f"uid-{CONNECTION.name}")
    stage = {"name": "s", "taskRef": {"name": TASK.name}, "execution": "Native"}
    upsert(engine, record(PIPELINE, {"connectionRef": {"name": "main"}, "stages": [stage]}))
    queue = engine._queue
    assert isinstance(queue, Queue)
    queue.added.clear()
    await engine._visit(TASK)
    assert (PIPELINE in queue.added) == woken
