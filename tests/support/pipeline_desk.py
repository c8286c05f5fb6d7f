"""A pipeline on a desk: the loop of the operator, a fake InfluxDB whose queries can be held up, and nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import HASH_ROWS, QueryResult
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.record import Record, pack
from influxops.core.snapshot import Snapshot
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.loop import PipelineLoop
from influxops.engine.tools import Tools
from influxops.influx.errors import InfluxError
from influxops.kube.cache import Cache
from influxops.preview.world import Silent, Uncounted
from influxops.reconcile.context import Context
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor
from tests.support.fake_influx import FakeInflux

PIPELINE = Key(Kind.PIPELINE, "ns", "p")
CONNECTION = Key(Kind.CONNECTION, "ns", "main")
LEDGER = "ledger"


class HeldInflux(FakeInflux):
    """Runs of scripts wait while they are held, and fail as a test says."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.go = asyncio.Event()
        self.go.set()
        self.counted = asyncio.Event()
        """While it is not set, answers that have come are not taken in."""
        self.counted.set()
        self.under_way = 0
        self.most = 0
        self.cut_off = 0
        self.always: dict[str, InfluxError] = {}
        """What every call of a method ends with."""
        self.ran: list[datetime] = []
        """Ends of windows, as their runs began."""

    async def run_script(
        self,
        org_id: str,
        flux: str,
        now: datetime,
        timeout: float,
        *,
        hash_rows: int = HASH_ROWS,
        answered: Callable[[], None] | None = None,
    ) -> QueryResult:
        """Run a window: nothing is written."""
        self.ran.append(now)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(0)
            await self.go.wait()
        except asyncio.CancelledError:
            self.cut_off += 1
            raise
        finally:
            self.under_way -= 1
        if "run_script" in self.always:
            raise self.always["run_script"]
        if answered is not None:
            answered()
        await self.counted.wait()
        return QueryResult(1, 1, 10, "")

    async def _do(self, method: str, arguments: tuple[Any, ...], act: Callable[[], Any]) -> Any:
        if method in self.always:
            self.calls.append((method, arguments))
            raise self.always[method]
        return await super()._do(method, arguments, act)


class _Fence:
    def check(self) -> None:
        """We lead."""

    def remaining(self) -> float:
        return 5.0


class _Kube:
    async def get_configmap(self, namespace: str, name: str) -> None:
        return None


class _Recorder(Silent):
    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []

    def event(self, record: Record, reason: str, message: str, *, warning: bool = False) -> None:
        self.events.append((str(reason), message))


class PipelineDesk:
    """One loop of ``ns/p`` with real time; the ledger is a bucket of the fake."""

    def __init__(self) -> None:
        self.fake = HeldInflux()
        for name in (LEDGER, "other", "raw"):
            self.fake._add_bucket(self.fake.orgs["acme"], name, "user", 0, 0)
        spec = {"url": "https://a.example", "org": "acme", "tokenSecretRef": {"name": "t", "key": "k"}}
        self.link = LiveLink(
            CONNECTION, InfluxConnectionSpec.model_validate(spec), 1, _Fence(), Uncounted(), time.monotonic
        )
        self.link.port = self.fake
        self.link.org_id = self.fake.orgs["acme"]
        self.link.snapshot = Snapshot(time.monotonic(), self.link.org_id)
        self.cache = Cache()
        self.cache.upsert(
            Record(PIPELINE, "u1", 1, "1", datetime(2026, 1, 1, tzinfo=UTC), None, (), {}, {}, pack({}), b"")
        )
        self.recorder = _Recorder()
        self.ahead = timedelta()
        """By how much the time of day is ahead; what it is set to takes effect at the loop's next turn."""
        self.told = 0
        self.metrics = Metrics()
        context = Context(
            instance="c1",
            kube=_Kube(),  # type: ignore[arg-type]
            objects=self.cache,
            statuses=Silent(),
            renderer=None,  # type: ignore[arg-type]
            recorder=self.recorder,
            link=lambda _: self.link,
            links_of_org=lambda _: [CONNECTION],
            now=self.now,
            clock=time.monotonic,
        )
        self.tools = Tools(
            context=context,
            secrets=None,  # type: ignore[arg-type]
            client=None,  # type: ignore[arg-type]
            enqueue=lambda *_: None,
            retry=lambda _: None,
            later=lambda *_, **__: None,
            metrics=self.metrics,
            redactor=Redactor(),
            synced=lambda: True,
        )
        self.loop = PipelineLoop(PIPELINE, "u1", CONNECTION, self.tools, lambda _: self.link, self._told)
        self._task: asyncio.Task[None] | None = None

    def _told(self, key: Key) -> None:
        self.told += 1

    def now(self) -> datetime:
        """The time of day, as the operator has it."""
        return datetime.now(UTC) + self.ahead

    def start(self, plan: PipelinePlan) -> None:
        """Let the loop turn."""
        self.loop.configure(plan)
        self._task = asyncio.create_task(self.loop.run())

    async def stop(self) -> None:
        """End it as the engine does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def ledger(self, owner: str, bucket: str = LEDGER) -> list[WindowRecord]:
        """All records."""
        now = datetime.now(UTC)
        records = await FakeInflux.ledger_records(
            self.fake, self.link.org_id, bucket, owner, now - timedelta(days=9), now + timedelta(days=9)
        )
        return [one for one in records if one.state in {WindowState.SUCCESS, WindowState.FAILED}]


def hours(plan: PipelinePlan, count: int, **changes: Any) -> PipelinePlan:
    """The plan, begun so many whole hours ago."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return replace(plan, begin=now - timedelta(hours=count), max_active=4, **changes)
