"""The reconcile code of tasks on a desk: one InfluxTask, the fake InfluxDB, a clock in the hand; visit by visit, kill by kill."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from influxops.api.common import FINALIZER
from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.core.observed import TaskRecord
from influxops.core.outcome import Outcome
from influxops.core.record import Record, pack
from influxops.core.snapshot import Snapshot
from influxops.engine.compare import enqueue_changed, states_of
from influxops.engine.link import LiveLink
from influxops.influx.errors import ScriptInvalid
from influxops.kube.cache import Cache
from influxops.preview.world import NoWrites, Silent, Uncounted
from influxops.reconcile.context import Context
from influxops.reconcile.task import reconcile_task
from influxops.reconcile.visit import state_of, visit
from tests.support.fake_influx import RECORDED, FakeInflux

RECORD = next(
    one
    for one in json.loads(RECORDED.read_text()).values()
    if one["ast"] and "option task" not in one["script"] and not one["check_error"]
)
SCRIPT: str = RECORD["script"]
TASK = Key(Kind.TASK, "ns", "cpu")
CONNECTION = Key(Kind.CONNECTION, "ns", "main")


class _Fence:
    def check(self) -> None:
        """We lead."""

    def remaining(self) -> float:
        return 5.0


class _Kube:
    def __init__(self) -> None:
        self.ghost = False
        """True: the object is gone, and another one may have its name; no watch has told of it."""
        self.taken_back = False
        """True: the deletion that was seen has not happened, for the cluster was set back."""
        self.asked = 0
        """How often it was asked for."""

    async def set_finalizers(self, key: Key, uid: str, version: str, finalizers: tuple[str, ...]) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version}}

    async def exists(self, key: Key, uid: str, *, deleting: bool = False) -> bool:
        self.asked += 1
        return not self.ghost and not (deleting and self.taken_back)

    async def get_configmap(self, namespace: str, name: str) -> None:
        return None

    async def namespace_labels(self, name: str) -> dict[str, str]:
        return {}


class _Fake(FakeInflux):
    checks = 0
    """How often a script was to be checked."""
    fault = ""
    """What is said to be wrong with every script; empty: each is well typed, for types are not what is tried."""

    async def check_script(self, org_id: str, flux: str) -> None:
        self.checks += 1
        if self.fault:
            raise ScriptInvalid(self.fault, 1, 1)


class _Recorder(Silent):
    def __init__(self) -> None:
        self.steps: list[str] = []
        self.drifts = 0
        """How often a change by somebody else was set back."""

    def drift(self, key: Key, *, corrected: bool) -> None:
        self.drifts += corrected

    def action(self, key: Key, action: str, reason: str, **fields: Any) -> None:
        self.steps.append(str(fields.get("step", action)))


class Desk:
    """One InfluxTask ``ns/cpu`` of every hour, and all that its visits need."""

    def __init__(self, **spec: Any) -> None:
        self.clock = 1000.0
        self.wall = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
        self.fake = _Fake(now=lambda: self.wall)
        self.cache = Cache(lambda: self.clock)
        connection = {"url": "https://a.example", "org": "acme", "tokenSecretRef": {"name": "t", "key": "k"}}
        self.link = LiveLink(
            CONNECTION, InfluxConnectionSpec.model_validate(connection), 1, _Fence(), Uncounted(), lambda: self.clock
        )
        self.link.port = self.fake
        self.link.bucket_exists = _yes  # type: ignore[method-assign]
        self.link.org_id = self.fake.orgs["acme"]
        self.link.user = self.fake.user
        self.recorder = _Recorder()
        self.kube = _Kube()
        self.told: dict[str, Any] = {}
        body = {"connectionRef": {"name": "main"}, "every": "1h", "flux": SCRIPT, **spec}
        self.record = Record(TASK, "u1", 1, "1", self.wall, None, (FINALIZER,), {}, {}, pack(body), b"")
        self.cache.upsert(self.record)
        self.context = self._context()

    def _context(self) -> Context:
        return Context(
            instance="c1",
            kube=self.kube,
            objects=self.cache,
            statuses=self,
            renderer=None,  # type: ignore[arg-type]
            recorder=self.recorder,
            link=lambda key: self.link if key == CONNECTION else None,
            links_of_org=lambda _: [CONNECTION],
            now=lambda: self.wall,
            clock=lambda: self.clock,
        )

    async def now(self, key: Key, uid: str, status: dict[str, Any]) -> bool:
        """The status is written."""
        self.told = dict(status)
        return True

    async def sweep(self) -> None:
        """Look at all of InfluxDB."""
        self.clock += 1
        snapshot = Snapshot(self.clock, self.link.org_id)
        async for page in self.fake.list_tasks(self.link.org_id):
            for task in page:
                assert not isinstance(task, str)
                snapshot.put_task(TaskRecord.of(task))
        self.link.snapshot = snapshot
        tools: Any = SimpleNamespace(context=self.context, enqueue=lambda *_: None)
        await enqueue_changed(tools, self.link, states_of(tools, self.link))

    async def start(self) -> str:
        """Let the task be made; its id."""
        await self.sweep()
        await self.settle()
        return next(iter(self.fake.tasks))

    async def kill(self) -> None:
        """Kill -9 and a new start, which knows what stands in the status."""
        self.record = replace(self.record, packed_status=pack(self.told) if self.told else b"")
        self.cache.upsert(self.record)
        self.context = self._context()
        self.link.recreating = None
        self.link.awaiting_turn = set()
        await self.sweep()

    def change(self, **spec: Any) -> None:
        """Edit the spec."""
        body = pack({**self.record.spec(), **spec})
        self._put(packed_spec=body, generation=self.record.generation + 1)

    def script(self, text: str, *, error: tuple[str, int, int] | None = None) -> None:
        """Edit the script, and teach the fake what its parser says of it."""
        self.fake.teach(text, ast=None if error else RECORD["ast"])
        if error:
            for known in self.fake._scripts.values():
                if known["script"] == text:
                    known["ast_error"] = list(error)
        self.change(flux=text)

    def annotate(self, name: str, text: str) -> None:
        """Set an annotation of ours."""
        self._put(annotations={**self.record.annotations, f"influxops.dev/{name}": text})

    def delete(self) -> None:
        """As kubectl does; the finalizer holds it."""
        self._put(deletion_timestamp=self.wall)

    def _put(self, **fields: Any) -> None:
        self.record = replace(self.record, **fields)
        self.cache.upsert(self.record)

    async def visit(self, seconds: float = 0.1) -> Outcome:
        """One visit, some time later."""
        self.clock += seconds
        self.wall += timedelta(seconds=seconds)
        return await visit(self.context, TASK)

    async def settle(self) -> Outcome:
        """Visits until none follows at once."""
        for _ in range(30):
            outcome = await self.visit()
            if not getattr(outcome, "again", False) and getattr(outcome, "after", None) != 0.5:
                return outcome
        raise AssertionError(f"no end: {outcome}")

    async def until(self, step: str) -> None:
        """Visits until this step of a recreation is done."""
        for _ in range(20):
            await self.visit()
            if self.recorder.steps[-1:] == [step]:
                return
        raise AssertionError(f"no {step}: {self.recorder.steps}")

    async def plan(self) -> Outcome:
        """A visit as ``influxops plan --cluster`` makes it: every write would raise."""
        await self.kill()
        self.link._fence = NoWrites()
        self.context.preview = True
        record = replace(self.record, packed_spec=pack({**self.record.spec(), "approval": "Manual"}))
        return await reconcile_task(self.context, record, state_of(self.context, record))

    def ready(self) -> tuple[str, str]:
        """Status and reason of Ready as last written."""
        return next((one["status"], one["reason"]) for one in self.told["conditions"] if one["type"] == "Ready")

    def running(self) -> list[str]:
        """Ids of the tasks that run by a schedule of theirs."""
        return [task.id for task in self.fake.tasks.values() if task.status == "active" and task.every != "100y"]


async def _yes(name: str) -> bool:
    return True


async def by_hand(desk: Desk, every: str = "1h") -> str:
    """A task ``legacy`` that somebody makes; its id."""
    flux = f'option task = {{name: "legacy", every: {every}}}\n\n{SCRIPT}'
    return (await desk.fake.create_task(desk.link.org_id, flux, "")).id
