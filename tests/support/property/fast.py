"""The world of the property machine in one process: the whole operator but kopf and HTTP, two fakes, and no waiting.

Time is virtual and every run of the same steps is the same. Requests take a few virtual milliseconds on both ways, so that
a kill or an outage falls between them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from influxops.core.observed import Bucket, Task, TaskStatus
from influxops.core.pipeline.windows.window import Window
from tests.support.fake_influx import RECORDED, FakeInflux
from tests.support.fake_kube import FakeKube
from tests.support.fake_points import Point, Program
from tests.support.property.complaints import Complaints
from tests.support.property.fast_life import Fault, Life
from tests.support.property.port import Moment, Object, Server, Write
from tests.support.property.rolling import SOURCES
from tests.support.property.scripts import SCRIPTS
from tests.support.virtual_time import VirtualLoop
from tests.support.windowed import copy

RESTART = 0.5
"""Virtual seconds until a killed process is there again."""
PATIENCE = 900.0
"""Virtual seconds in which everything must have settled: more than what is let go after five minutes."""
SWEEP = 30.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class _Server(FakeInflux):
    async def check_script(self, org_id: str, flux: str) -> None:
        """Every script that parses is well typed here: the types are not what is tried."""


class FastWorld:
    """See ``port.World``."""

    def __init__(self) -> None:
        random.seed(1)
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._unhandled)
        self.namespace = "ns"
        self.tokens = ("token-one", "token-two")
        self.look_every = "30s"
        self.connection: Object = {
            "url": "https://influx.example",
            "org": "acme",
            "tokenSecretRef": {"name": "influx-token", "key": "token"},
            "syncInterval": "30s",
        }
        self.down = dict.fromkeys(Server, False)
        self.up = asyncio.Event()
        self.up.set()
        self.news = asyncio.Event()
        self.kube = FakeKube(now=self.now, on_news=self.news.set)
        self.influx = _Server(now=self.now)
        self.org_id = self.influx.orgs["acme"]
        recorded = json.loads(RECORDED.read_text(encoding="utf-8")).values()
        tree = next(one["ast"] for one in recorded if one["script"] == SCRIPTS["one"])
        for script in SCRIPTS.values():
            if script.startswith(SCRIPTS["one"]):
                self.influx.teach(script, ast=tree)
        for stage, source in SOURCES.items():
            self.influx.teach_program(copy(source, stage), Program(source, stage, _copied))
        self._offset = timedelta()
        self._writes: list[Write] = []
        self._touched = 0
        """How often points were changed."""
        self._faults: list[Fault] = []
        self._life: Life | None = None
        self._parts: set[asyncio.Task[Any]] = set()
        self._bugs: list[str] = []
        self._complaints = Complaints()
        self._complaints.open()

    # time

    def now(self) -> datetime:
        """What the servers' clocks show."""
        return NOON + timedelta(seconds=self.loop.time())

    def operators_now(self) -> datetime:
        """What the operator's clock shows."""
        return self.now() + self._offset

    def breathe(self) -> None:
        self._run(asyncio.sleep(random.choice((0.02, 0.2, 3.0, 40.0))))

    def wait(self, done: Callable[[], bool]) -> bool:
        end = self.loop.time() + PATIENCE
        while not done():
            if self.loop.time() > end:
                return False
            self._run(asyncio.sleep(5.0))
        return True

    def sweeps(self) -> None:
        self._run(asyncio.sleep(3 * SWEEP))

    # people

    def kubectl(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
        return self.kube.request(method, path, body, content)

    def tasks(self) -> list[Object]:
        return [_task(task) for task in self.influx.tasks.values()]

    def buckets(self) -> list[Object]:
        return [_bucket(bucket) for bucket in self.influx.buckets.values() if bucket.type == "user"]

    def new_task(self, flux: str, description: str = "") -> Object:
        return _task(self._run(self.influx.create_task(self.org_id, flux, description)))

    def edit_task(self, task_id: str, **fields: str) -> None:
        stored = self.influx.tasks.get(task_id)
        if stored is not None:
            status = TaskStatus(fields.pop("status", stored.status))
            self._run(self.influx.update_task(task_id, status=status, **fields))

    def delete_task(self, task_id: str) -> None:
        self.influx.tasks.pop(task_id, None)

    def new_bucket(self, name: str, seconds: int) -> Object:
        made = self._run(self.influx.create_bucket(self.org_id, name, "", seconds, 0))
        if name == "kept":
            self._run(self.influx.write_points(self.org_id, name, ["cpu value=1.0 1767225600000000000"]))
        return _bucket(made)

    def edit_bucket(self, bucket_id: str, seconds: int) -> None:
        stored = self.influx.buckets.get(bucket_id)
        if stored is not None:
            self._run(self.influx.update_bucket(bucket_id, stored.description, seconds, 0))

    def delete_bucket(self, bucket_id: str) -> None:
        if bucket_id in self.influx.buckets:
            self._run(self.influx.delete_bucket(bucket_id))

    def write_point(self, bucket: str, line: str) -> None:
        self._run(self.influx.write_points(self.org_id, bucket, [line]))

    def points(self, bucket: str) -> list[tuple[datetime, float]]:
        found = next(one for one in self.influx.buckets.values() if one.name == bucket)
        return [
            (point.moment, float(point.value))
            for point in self.influx.points.get(found.id, {}).values()
            if point.measurement == "env"
        ]

    # faults

    def start(self) -> None:
        self._begin()
        self._run(asyncio.sleep(0.1))

    def crash(self) -> None:
        self.kill()
        self._run(asyncio.sleep(RESTART))

    def crash_at(self, skip: int, moment: Moment) -> None:
        self._faults.append(Fault(None, moment, skip, kill=True))

    def lose_answer(self, server: Server, skip: int) -> None:
        self._faults.append(Fault(server, Moment.COMMITTED, skip, kill=False))

    def outage(self, server: Server, *, down: bool) -> None:
        self.down[server] = down
        if server is Server.KUBE:
            (self.up.clear if down else self.up.set)()
            self.news.set()

    def step_clock(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    def calm(self) -> None:
        self._faults.clear()
        for server in Server:
            self.outage(server, down=False)

    # what was seen

    def writes(self) -> list[Write]:
        return list(self._writes)

    def changed(self) -> int:
        return len(self._writes) + self._touched

    def bugs(self) -> list[str]:
        self.influx.check()
        return [*self._bugs, *self._complaints.said]

    def close(self) -> None:
        self._complaints.shut()
        self._end()
        self._run(asyncio.sleep(0))
        self.loop.close()

    # inside

    def keep(self, work: Awaitable[Any]) -> None:
        """Have a part of the operator run until it is killed."""
        task = self.loop.create_task(cast("Any", work))
        self._parts.add(task)
        task.add_done_callback(self._ended)

    def wrote(self, write: Write) -> None:
        """The operator has changed something."""
        self._writes.append(write)

    def touched(self) -> None:
        """The operator has changed points."""
        self._touched += 1

    def fault_for(self, server: Server) -> Fault | None:
        """The fault that strikes a write which is sent now."""
        for fault in self._faults:
            if fault.server in {None, server}:
                if fault.skip == 0:
                    self._faults.remove(fault)
                    return fault
                fault.skip -= 1
        return None

    def kill(self) -> None:
        """The process is gone; a new one comes."""
        self._end()
        self.loop.call_later(RESTART, self._begin)

    def _begin(self) -> None:
        if self._life is None:
            self._life = Life(self)
            self.keep(self._life.run())

    def _end(self) -> None:
        if self._life is not None:
            self._life.alive, self._life = False, None
            current = asyncio.current_task(self.loop)
            self._parts.clear()
            for task in asyncio.all_tasks(self.loop):
                if task is not current and not task.get_name().startswith("people"):
                    task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._parts.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._bugs.append(f"a part of the operator has ended: {task.exception()!r}")

    def _unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._bugs.append(f"unhandled: {context.get('message')}: {context.get('exception')!r}")

    def _run(self, work: Awaitable[Any]) -> Any:
        async def people() -> Any:
            return await work

        return self.loop.run_until_complete(self.loop.create_task(people(), name=f"people {next(_numbers)}"))


_numbers = itertools.count()


def _copied(_: Window, points: list[Point]) -> list[Point]:
    return [point for point in points if point.measurement == "env"]


def _task(task: Task) -> Object:
    return {
        "id": task.id,
        "ownerID": task.owner_id,
        "name": task.name,
        "status": task.status.value,
        "description": task.description,
        "flux": task.flux,
        "every": task.every,
        "cron": task.cron,
        "offset": task.offset,
    }


def _bucket(bucket: Bucket) -> Object:
    rule = {"type": "expire", "everySeconds": bucket.retention, "shardGroupDurationSeconds": bucket.shard_group}
    return {
        "id": bucket.id,
        "name": bucket.name,
        "description": bucket.description,
        "type": bucket.type,
        "retentionRules": [rule],
    }
