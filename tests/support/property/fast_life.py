"""One process of the operator in the world of fakes, and its requests on their way: what a kill, an outage or a lost answer does."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from influxops.app import Edges, Operator
from influxops.core.observed import Task
from influxops.influx import errors as influx_errors
from influxops.influx.settings import ConnectionSettings, Pace
from influxops.kube.access import Access
from influxops.kube.client import KubeClient
from influxops.kube.errors import Unavailable, from_answer
from influxops.settings import Settings
from influxops.telemetry.redact import Redactor
from tests.support.fake_kube import FakeTransport
from tests.support.property.fast_source import Source
from tests.support.property.port import INSTANCE, Moment, Server, Write

if TYPE_CHECKING:
    from tests.support.property.fast import FastWorld

LATENCY = 0.004
"""Virtual seconds of one way of a request."""
_IN_VERBS = {"create": "create", "update": "update", "delete": "delete"}
_OF_WINDOWS = frozenset({"run_script", "write_points"})
"""Calls that change points alone: faults strike them, and they are not told as writes."""
_METHODS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_UNCOUNTED = frozenset({"events", "leases"})


@dataclass
class Fault:
    server: Server | None
    moment: Moment
    skip: int
    kill: bool


class Life:
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
            source=cast("Any", lambda _, sink, __, *, loop_factory, on_gap: Source(world, sink, on_gap)),
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

    def _strike(self, fault: Fault) -> None:
        if fault.kill and self.alive:
            self._world.kill()
            raise asyncio.CancelledError


class _Client:
    """An ``InfluxPort`` of one process: the server behind a network that can fail."""

    def __init__(self, world: FastWorld, life: Life, settings: ConnectionSettings, pace: Pace) -> None:
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
                if name in _OF_WINDOWS:
                    self._world.touched()
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
