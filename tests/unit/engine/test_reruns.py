"""Slots that are run again: how many requests it takes, how many runs are under way at once, and when nothing is run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.core.observed import Run, RunState, TaskRecord, TaskStatus
from influxops.core.outcome import Done, Reason
from influxops.core.record import Record, pack
from influxops.core.reruns import CatchUpPolicy, Pauses, Policy
from influxops.core.slot_book import DOUBT, SlotBook
from influxops.core.snapshot import Snapshot
from influxops.engine.link import LiveLink
from influxops.engine.reruns import OF_A_CONNECTION, OF_A_TASK, Reruns
from influxops.engine.run_collector import RunCollector
from influxops.influx.errors import InfluxError, Unavailable
from influxops.kube.cache import Cache
from influxops.kube.errors import NotLeader
from influxops.reconcile.context import Context, Problem
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_writes import HASH
from influxops.telemetry.metrics import Metrics
from tests.support.fake_influx import FakeInflux

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONNECTION = Key(Kind.CONNECTION, "ns", "main")
CATCH_UP = Policy(catch_up=CatchUpPolicy.ALL, max_windows=1000)
RETRY = Policy(retries=2, pauses=Pauses(1.0, 1.0, 1.0, 0.0))


class Fence:
    leading = True

    def check(self) -> None:
        if not self.leading:
            raise NotLeader("not ours")

    def remaining(self) -> float:
        return 5.0


class Bench:
    """Tasks of every minute that exist since noon, an InfluxDB in memory, and a clock in the hand."""

    def __init__(self, count: int, policy: Policy, minutes: int = 10) -> None:
        self.wall = NOON
        self.fake = FakeInflux(now=lambda: self.wall)
        self.fence = Fence()
        spec = {"url": "https://a.example", "org": "acme", "tokenSecretRef": {"name": "t", "key": "k"}}
        observer = SimpleNamespace(request=lambda *_: None)
        self.link = LiveLink(
            CONNECTION, InfluxConnectionSpec.model_validate(spec), 1, self.fence, observer, self._clock
        )
        self.link.port, self.link.org_id = self.fake, self.fake.orgs["acme"]
        self.cache = Cache()
        self.events: list[str] = []
        recorder = SimpleNamespace(
            event=lambda _, reason, text, **__: self.events.append(f"{reason}: {text}"), action=lambda *_, **__: None
        )
        nothing: Any = SimpleNamespace(get_configmap=None)
        self.context = Context(
            "c1", nothing, self.cache, nothing, nothing, recorder, nothing, nothing, lambda: self.wall, self._clock
        )
        tools: Any = SimpleNamespace(context=self.context, metrics=Metrics())
        self.reruns = Reruns(self.link, tools)
        self.collector = RunCollector(self.context, self.reruns)
        self.states: dict[Key, TaskState] = {}
        self.most = self.most_of_a_task = 0
        self.link.snapshot = Snapshot(self._clock() + 1, self.link.org_id)
        self._count, self._policy, self._minutes = count, policy, minutes

    def _clock(self) -> float:
        return (self.wall - NOON).total_seconds()

    async def begin(self) -> None:
        """The tasks are made at noon; now it is so many minutes later, and the operator starts."""
        for number in range(self._count):
            made = await self.fake.create_task(
                self.link.org_id, f'option task = {{name: "t{number}", every: 1m}}\n', ""
            )
            key = Key(Kind.TASK, "ns", f"t{number}")
            record = TaskRecord.of(made)
            self.link.snapshot.put_task(record)
            self.states[key] = TaskState(
                uid=key.name,
                task_id=made.id,
                script_hash=HASH + record.digest,
                schedule_text="1m",
                rerun_policy=self._policy,
                outcome=Done(Reason.SYNCED, ""),
                generation=1,
                slots=SlotBook((made.id, "1m"), NOON),
            )
            self.cache.upsert(Record(key, key.name, 1, "1", NOON, None, (), {}, {}, pack({}), b""))
        self.wall = NOON + timedelta(minutes=self._minutes, seconds=30)
        self.fake.calls.clear()

    def ran(self, minute: int, state: RunState = RunState.SUCCESS) -> None:
        """Every task has run a slot by its schedule."""
        for one in self.states.values():
            self.fake.add_run(one.task_id, state, NOON + timedelta(minutes=minute))

    def stored(self, state: TaskState) -> TaskRecord | None:
        return self.link.snapshot.tasks.get(state.task_id)

    async def round(self, seconds: float = 2.0) -> None:
        """One look and what follows it."""
        await self.collector.collect(self.link, self.states, self.stored, look=True)
        await self.reruns.work(self.states, self.stored)
        waiting = [run for run in self.fake.runs if run.finished_at is None]
        self.most = max(self.most, len(waiting))
        for one in self.states.values():
            self.most_of_a_task = max(self.most_of_a_task, sum(run.task_id == one.task_id for run in waiting))
        self.wall += timedelta(seconds=seconds)

    def end_all(self, state: RunState = RunState.SUCCESS) -> None:
        """What was asked for has run."""
        self.fake.runs = [run if run.finished_at else self._ended(run, state) for run in self.fake.runs]

    def _ended(self, run: Run, state: RunState) -> Run:
        return replace(run, state=state, started_at=self.wall, finished_at=self.wall)

    def slots(self, task: int = 0) -> list[datetime]:
        """The slots of a task that runs were asked for, in that order."""
        task_id = list(self.states.values())[task].task_id
        return [run.scheduled_for for run in self.fake.runs if run.task_id == task_id and run.requested_at]


async def bench(count: int, policy: Policy, minutes: int = 10) -> Bench:
    made = Bench(count, policy, minutes)
    await made.begin()
    return made


async def test_after_a_start_the_whole_gap_is_one_query_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours of 200 tasks, all of which ran: two queries, and not one request about a single task."""
    made = await bench(200, CATCH_UP, 120)
    for minute in range(1, 121):
        made.ran(minute)
    await made.round()
    assert [name for name, _ in made.fake.calls] == ["recent_runs", "recent_runs"]
    assert {len(state.slots.open) for state in made.states.values() if state.slots} == {0}
    made.fake.calls.clear()
    await made.round()
    assert [name for name, _ in made.fake.calls] == ["recent_runs"]


async def test_tasks_that_ask_for_nothing_cost_nothing() -> None:
    made = await bench(5, Policy(), 120)
    await made.round()
    assert made.fake.count("recent_runs") == 1
    assert made.fake.count("list_runs", "start_run") == 0
    assert [state.slots for state in made.states.values()] == [None] * 5


async def test_a_crowd_is_run_a_few_at_a_time_and_each_slot_once() -> None:
    """60 tasks of which InfluxDB missed nine slots each: all are run, oldest first, within both limits."""
    made = await bench(60, CATCH_UP)
    made.ran(10)
    for _ in range(200):
        await made.round()
        made.end_all()
        if made.fake.count("start_run") == 540:
            break
    await made.round()
    expected = [NOON + timedelta(minutes=minute) for minute in range(1, 10)]
    assert all(made.slots(task) == expected for task in range(60))
    assert made.most <= OF_A_CONNECTION
    assert made.most_of_a_task <= OF_A_TASK
    assert sum("InfluxDB missed 9 slots" in event for event in made.events) == 60


async def test_a_retry_ends_with_the_limit() -> None:
    """Three runs of the slot, and a word for each."""
    made = await bench(1, RETRY, 1)
    made.ran(1, RunState.FAILED)
    for _ in range(20):
        await made.round()
        made.end_all(RunState.FAILED)
    assert made.slots() == [NOON + timedelta(minutes=1)] * 2
    texts = [event.partition(" failed")[2] for event in made.events]
    assert [text.rpartition("; ")[2] for text in texts[:2]] == ["trying it again, 1 of 2", "trying it again, 2 of 2"]
    assert "3 times and is not tried again" in texts[2]


@pytest.mark.parametrize("answered", [False, True], ids=["the server did it", "it never came"])
async def test_after_a_lost_reply_it_is_looked_for_first(answered: bool) -> None:
    """One run of the slot in the end, either way."""
    made = await bench(1, RETRY, 1)
    made.ran(1, RunState.FAILED)
    made.fake.fail_next("start_run", Unavailable("lost"), after_commit=not answered)
    for _ in range(12 + int(DOUBT.total_seconds() / 2)):
        await made.round()
    assert made.slots() == [NOON + timedelta(minutes=1)]
    made.end_all()
    await made.round()
    assert made.fake.count("start_run") == 1 + answered


async def test_a_run_that_somebody_else_asked_for_is_waited_for() -> None:
    made = await bench(1, RETRY, 1)
    made.ran(1, RunState.FAILED)
    await made.fake.start_run(next(iter(made.states.values())).task_id, NOON + timedelta(minutes=1))
    for _ in range(30):
        await made.round()
    assert made.fake.count("start_run") == 1


def _drift(made: Bench, state: TaskState) -> None:
    made.link.snapshot.put_task(replace(made.link.snapshot.tasks[state.task_id], digest="other"))


def _off(made: Bench, state: TaskState) -> None:
    stored = made.link.snapshot.tasks[state.task_id]
    made.link.snapshot.put_task(replace(stored, status=TaskStatus.INACTIVE))


def _deleting(made: Bench, state: TaskState) -> None:
    record = made.cache.get(Key(Kind.TASK, "ns", "t0"))
    assert record is not None
    made.cache.upsert(replace(record, deletion_timestamp=NOON, resource_version="2"))


CASES = {
    "suspended": lambda _, state: setattr(state, "active", False),
    "inactive in InfluxDB": _off,
    "changed in InfluxDB": _drift,
    "being deleted": _deleting,
    "held back": lambda _, state: setattr(state, "plan", {"hash": "x"}),
    "not visited for this spec": lambda _, state: setattr(state, "generation", 0),
    "its drift only told": lambda _, state: setattr(state, "outcome", Done(Reason.DRIFTED, "")),
    "paused for another schedule": lambda _, state: setattr(state, "parked_step", True),
    "connection in trouble": lambda made, _: setattr(made.link, "problem", Problem(Reason.UNAUTHORIZED, "")),
    "nobody knows where the connection leads": lambda made, _: setattr(made.link, "moving", True),
    "the lease is lost": lambda made, _: setattr(made.fence, "leading", False),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("policy", [RETRY, CATCH_UP], ids=["retry", "catch-up"])
async def test_nothing_is_run_while(case: str, policy: Policy) -> None:
    """A failed slot and a missed one stay as they are."""
    made = await bench(1, policy, 3)
    made.ran(1, RunState.FAILED)
    made.ran(3)
    CASES[case](made, made.states[Key(Kind.TASK, "ns", "t0")])
    for _ in range(20):
        await made.round()
    assert [run for run in made.fake.runs if run.requested_at] == []


@pytest.mark.parametrize("policy", [RETRY, CATCH_UP], ids=["retry", "catch-up"])
async def test_otherwise_they_are_run(policy: Policy) -> None:
    """What the cases above would show if nothing held them back."""
    made = await bench(1, policy, 3)
    made.ran(1, RunState.FAILED)
    made.ran(3)
    for _ in range(20):
        await made.round()
    assert made.slots() == [NOON + timedelta(minutes=1 if policy is RETRY else 2)]


async def test_another_schedule_begins_anew() -> None:
    """The slots of the old one do not count."""
    made = await bench(1, CATCH_UP)
    made.ran(10)
    state = made.states[Key(Kind.TASK, "ns", "t0")]
    state.schedule_text = "1m +5s"
    for _ in range(10):
        await made.round()
    assert made.slots() == []


async def test_an_error_of_influxdb_ends_the_round_and_no_more() -> None:
    """The next round goes on."""
    made = await bench(1, CATCH_UP, 2)
    made.ran(2)
    error: InfluxError = Unavailable("down")
    made.fake.fail_next("list_runs", error)
    await made.round()
    assert made.slots() == []
    for _ in range(5):
        await made.round()
    assert made.slots() == [NOON + timedelta(minutes=1)]
