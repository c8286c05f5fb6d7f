"""The world of the property machine in one process: the whole operator but kopf and HTTP, two fakes, and no waiting.

Time is virtual and every run of the same steps is the same. Requests take a few virtual milliseconds on both ways, so that
a kill or an outage falls between them.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import structlog

from influxops.app import Edges, Operator
from influxops.core.keys import Kind
from influxops.core.observed import Bucket, Task, TaskStatus
from influxops.core.pipeline.window import Window
from influxops.influx import errors as influx_errors
from influxops.influx.settings import ConnectionSettings, Pace
from influxops.kube.access import Access
from influxops.kube.client import KubeClient
from influxops.kube.errors import Unavailable, from_answer
from influxops.settings import Settings
from influxops.telemetry.redact import Redactor
from influxops.watch.projection import key_of, project
from tests.support.fake_influx import RECORDED, FakeInflux
from tests.support.fake_kube import FakeKube, FakeTransport
from tests.support.fake_points import Point, Program
from tests.support.property.port import INSTANCE, Moment, Object, Server, Write
from tests.support.property.rolling import SOURCES
from tests.support.property.scripts import ROLLING, SCRIPTS
from tests.support.virtual_time import VirtualLoop

LATENCY = 0.004
"""Virtual seconds of one way of a request."""
RESTART = 0.5
"""Virtual seconds until a killed process is there again."""
PATIENCE = 900.0
"""Virtual seconds in which everything must have settled: more than what is let go after five minutes."""
SWEEP = 30.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_IN_VERBS = {"create": "create", "update": "update", "delete": "delete"}
_OF_WINDOWS = frozenset({"run_script", "write_points"})
"""Calls that change points alone: faults strike them, and they are not told as writes."""
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_UNCOUNTED = frozenset({"events", "leases"})


class _Server(FakeInflux):
    async def check_script(self, org_id: str, flux: str) -> None:
        """Every script that parses is well typed here: the types are not what is tried."""


@dataclass
class _Fault:
    server: Server | None
    moment: Moment
    skip: int
    kill: bool


class _Activity:
    """Of a watch that is always heard."""

    newest = 0

    def last(self, _: Kind) -> float:
        return asyncio.get_running_loop().time()

    def age(self) -> float:
        return 0.0


class _Source:
    """Tells the engine what the fake API server tells its watchers. A long outage is a gap: deletions in it are never told."""

    def __init__(self, world: FastWorld, sink: Any, on_gap: Callable[[], None]) -> None:
        self.synced = asyncio.Event()
        self.activity = _Activity()
        self._world = world
        self._sink = sink
        self._on_gap = on_gap

    def begin_anew(self) -> None:
        raise AssertionError("nothing was set back, and the operator takes it for that")

    def tasks(self) -> int:
        """It has no event loop of its own."""
        return 0

    async def run(self, stop: asyncio.Event) -> None:
        world = self._world
        position = await self._list()
        self.synced.set()
        while not stop.is_set():
            if world.down[Server.KUBE]:
                position = await self._gap(position)
            elif position < len(world.kube.news):
                await asyncio.sleep(random.uniform(0.001, 0.1))
                if not world.down[Server.KUBE] and position < len(world.kube.news):
                    self._deliver(position)
                    position += 1
            else:
                world.news.clear()
                await world.news.wait()

    async def _list(self) -> int:
        world = self._world
        await world.up.wait()
        for kind in Kind:
            for item in world.kube.request("GET", f"/apis/influxops.dev/v1alpha1/{kind.plural}")[1]["items"]:
                self._sink.upsert(project(kind, item))
        return len(world.kube.news)

    async def _gap(self, position: int) -> int:
        began = asyncio.get_running_loop().time()
        await self._world.up.wait()
        await asyncio.sleep(random.uniform(0.1, 2.0))
        if asyncio.get_running_loop().time() - began < 5.0:
            return position
        position = await self._list()
        self._on_gap()
        return position

    def _deliver(self, position: int) -> None:
        event = self._world.kube.news[position]
        if event.type == "DELETED":
            self._sink.remove(key_of(event.kind, event.body), event.body["metadata"]["uid"])
        else:
            self._sink.upsert(project(event.kind, event.body))


class _Life:
    """One process of the operator, from its start to its kill."""

    def __init__(self, world: FastWorld) -> None:
        self.alive = True
        self._world = world

    def check(self) -> None:
        """A process that is dead does nothing any more."""
        if not self.alive:
            raise asyncio.CancelledError

    async def run(self) -> None:
        world = self._world
        client = KubeClient(Access())
        client._api = cast("Any", FakeTransport(self._kube))
        settings = Settings(namespaces=(world.namespace,), instance_id=INSTANCE, leader_elect=False, workers=4)
        clock = asyncio.get_running_loop().time
        edges = Edges(
            influx=cast("Any", functools.partial(_Client, world, self)),
            source=cast("Any", lambda _, sink, __, *, loop_factory, on_gap: _Source(world, sink, on_gap)),
            now=world.operators_now,
            clock=clock,
        )
        operator = Operator(settings, client, INSTANCE, Redactor(), edges)
        ending = asyncio.Event()
        for part in (operator.source, operator.statuses, operator.events):
            world.keep(part.run(ending))
        await operator.source.synced.wait()
        world.keep(operator.relist.run(ending))
        await operator.engine.start()

    async def _kube(self, method: str, path: str, body: Any, content: str, query: Any) -> Any:
        parts = path.split("/")
        counted = method != "GET" and not _UNCOUNTED & set(parts)
        what = "/".join(parts[6:])

        async def act() -> Any:
            code, answer = self._world.kube.request(method, path, body, content, query)
            if code >= 400:
                raise from_answer(f"{method} {path}", code, answer)
            if counted:
                self._world.wrote(Write(Server.KUBE, _METHODS[method], what, parts[-1]))
            return answer

        def lost() -> Exception:
            return Unavailable(f"{method} {path}: ServerDisconnectedError")

        return await self.send(Server.KUBE, act, lost, changes=counted)

    async def send(
        self, server: Server, act: Callable[[], Awaitable[Any]], lost: Callable[[], Exception], *, changes: bool
    ) -> Any:
        """One request on its way to a server and back."""
        self.check()
        await asyncio.sleep(LATENCY)
        self.check()
        world = self._world
        if world.down[server]:
            raise lost()
        fault = world.fault_for(server) if changes else None
        if fault is not None and fault.moment is Moment.BEFORE:
            self._strike(fault)
            raise lost()
        try:
            answer = await act()
        finally:
            if fault is not None and fault.moment is Moment.COMMITTED:
                self._strike(fault)
            if not self.alive:
                raise asyncio.CancelledError
        await asyncio.sleep(LATENCY)
        self.check()
        if world.down[server] or (fault is not None and not fault.kill):
            raise lost()
        if fault is not None:
            world.loop.call_soon(self._end)  # when it has taken in the answer
        return answer

    def _end(self) -> None:
        if self.alive:
            self._world.kill()

    def _strike(self, fault: _Fault) -> None:
        if fault.kill and self.alive:
            self._world.kill()
            raise asyncio.CancelledError


class _Client:
    """An ``InfluxPort`` of one process: the server behind a network that can fail."""

    def __init__(self, world: FastWorld, life: _Life, settings: ConnectionSettings, pace: Pace) -> None:
        self._world = world
        self._life = life
        self._token = settings.token
        self._pace = pace

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._world.influx, name)
        verb, _, what = name.partition("_")
        counted = verb in _IN_VERBS
        changes = counted or name in _OF_WINDOWS

        async def call(*arguments: Any, **named: Any) -> Any:
            await self._pace()

            async def act() -> Any:
                self._check_token()
                answer = await method(*arguments, **named)
                if counted:
                    one = answer.id if verb == "create" else str(arguments[0])
                    self._world.wrote(Write(Server.INFLUX, verb, what, one))
                return answer

            return await self._life.send(Server.INFLUX, act, _lost, changes=changes)

        return call

    async def list_tasks(self, org_id: str) -> AsyncIterator[list[Task | str]]:
        async def act() -> list[list[Task | str]]:
            self._check_token()
            return [page async for page in self._world.influx.list_tasks(org_id)]

        for page in await self._life.send(Server.INFLUX, act, _lost, changes=False):
            yield page

    async def close(self) -> None:
        """Nothing is open."""

    def _check_token(self) -> None:
        if self._token not in self._world.tokens:
            raise influx_errors.Unauthorized("InfluxDB: unauthorized access")


def _lost() -> Exception:
    return influx_errors.Unavailable("InfluxDB: ServerDisconnectedError")


class _Complaints(logging.Handler):
    """Keeps what the operator says of its own bugs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)
        if "please report this" in text or record.exc_info:
            self.said.append(text)

    def open(self) -> None:
        """Listen, and let nothing less grave be worked out."""
        structlog.configure(
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer(),
            ],
            logger_factory=structlog.stdlib.LoggerFactory(),
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        logger = logging.getLogger("influxops")
        self._before = logger.level
        logger.setLevel(logging.ERROR)
        logger.addHandler(self)

    def shut(self) -> None:
        """Leave the logs as they were."""
        logger = logging.getLogger("influxops")
        logger.removeHandler(self)
        logger.setLevel(self._before)
        structlog.reset_defaults()


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
            self.influx.teach_program(ROLLING[stage], Program(source, stage, _copied))
        self._offset = timedelta()
        self._writes: list[Write] = []
        self._faults: list[_Fault] = []
        self._life: _Life | None = None
        self._parts: set[asyncio.Task[Any]] = set()
        self._bugs: list[str] = []
        self._complaints = _Complaints()
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
        self._faults.append(_Fault(None, moment, skip, kill=True))

    def lose_answer(self, server: Server, skip: int) -> None:
        self._faults.append(_Fault(server, Moment.COMMITTED, skip, kill=False))

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

    def fault_for(self, server: Server) -> _Fault | None:
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
            self._life = _Life(self)
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
