"""The world of the property machine on real servers: etcd, kube-apiserver, influxd, and the operator as a process of its own.

The proxies and the process live in an event loop in a thread of its own, so that they work on while nobody looks.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import threading
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from devstack.stack import Stack
from tests.support import world as worlds
from tests.support.expect import PATIENCE
from tests.support.faults import KILL_AFTER, KILL_BEFORE, KILL_COMMITTED, LOST, Rule
from tests.support.history import INFLUX, Exchange
from tests.support.lab import Influx
from tests.support.nursery import Nursery
from tests.support.property.port import INSTANCE, Moment, Object, Server, Write
from tests.support.rawkube import RawKube

T = TypeVar("T")

LONG = max(180.0, 4 * PATIENCE)
"""Seconds in which everything must have settled: the longest pauses between two tries are a minute."""
SWEEPS = 3
RIGHTS = ("read:orgs", "read:tasks", "write:tasks", "read:buckets", "write:buckets", "read:users")
_TASK_FIELDS = ("id", "ownerID", "name", "status", "description", "flux", "every", "cron", "offset")
_BUCKET_FIELDS = ("id", "name", "description", "type", "retentionRules")
_KILLS = {Moment.BEFORE: KILL_BEFORE, Moment.COMMITTED: KILL_COMMITTED, Moment.AFTER: KILL_AFTER}
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_THING = re.compile(r"/api/v2/(task|bucket)s(?:/([0-9a-f]{16}))?")


class RealWorld:
    """See ``port.World``."""

    def __init__(self, stack: Stack, nursery: Nursery, directory: Path) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="world", daemon=True)
        self._thread.start()
        sabotage = ("tests.support.property.clock:install",)
        self._context = worlds.world(stack, nursery, directory, sabotage=sabotage)
        self._made = made = self._do(self._context.__aenter__())
        made.arguments = ("--instance-id", INSTANCE)
        self._kube = RawKube(stack.kubeconfig)
        self._influx = Influx(made.org)
        self.namespace = made.namespace
        self.org_id = made.org.org_id
        self.tokens = (made.org.token, self._influx.token(stack, *RIGHTS)[1])
        self.connection: Object = {
            "url": made.influx.url,
            "allowInsecure": True,
            "org": made.org.org,
            "tokenSecretRef": {"name": "influx-token", "key": "token"},
            "syncInterval": "1s",
        }
        self._clock = 0.0
        self.look_every = "1s"
        self._random = random.Random(1)
        self._writes: list[Write] = []
        self._open: list[Exchange] = []
        self._taken = 0

    # people

    def kubectl(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
        return self._kube.request(method, path, body, content)

    def tasks(self) -> list[Object]:
        return [_only(task, _TASK_FIELDS) for task in self._influx.tasks()]

    def buckets(self) -> list[Object]:
        found = self._influx.call("GET", "buckets", orgID=self.org_id, limit="100")["buckets"]
        return [_only(bucket, _BUCKET_FIELDS) for bucket in found if bucket["type"] == "user"]

    def new_task(self, flux: str, description: str = "") -> Object:
        return _only(self._influx.new_task(flux, description), _TASK_FIELDS)

    def edit_task(self, task_id: str, **fields: str) -> None:
        self._edit("PATCH", f"tasks/{task_id}", fields)

    def delete_task(self, task_id: str) -> None:
        self._edit("DELETE", f"tasks/{task_id}")

    def new_bucket(self, name: str, seconds: int) -> Object:
        made = self._influx.bucket(name) or self._influx.new_bucket(name, seconds)
        if name == "kept":
            self._influx.write(name, f"cpu value=1.0 {int(time.time())}")
        return _only(made, _BUCKET_FIELDS)

    def edit_bucket(self, bucket_id: str, seconds: int) -> None:
        rule = {"type": "expire", "everySeconds": seconds, "shardGroupDurationSeconds": 0}
        self._edit("PATCH", f"buckets/{bucket_id}", {"retentionRules": [rule]})

    def delete_bucket(self, bucket_id: str) -> None:
        self._edit("DELETE", f"buckets/{bucket_id}")

    def write_point(self, bucket: str, line: str) -> None:
        status, text = self._influx.raw("POST", "write", line, orgID=self.org_id, bucket=bucket, precision="ns")
        assert status == 204, text

    def points(self, bucket: str) -> list[tuple[datetime, float]]:
        rows = self._influx.rows(
            f'from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z) '
            '|> filter(fn: (r) => r._measurement == "env") |> group()'
        )
        return [(datetime.fromisoformat(row["_time"]), float(row["_value"])) for row in rows]

    # faults

    def start(self) -> None:
        self._call(self._made.start)

    def crash(self) -> None:
        self._call(self._made.strike)

    def crash_at(self, skip: int, moment: Moment) -> None:
        rule = Rule(_struck, _KILLS[moment], skip=skip)
        for proxy in (self._made.influx, self._made.kube):
            self._call(proxy.add, rule)

    def lose_answer(self, server: Server, skip: int) -> None:
        proxy = self._made.influx if server is Server.INFLUX else self._made.kube
        self._call(proxy.add, Rule(_struck, LOST, skip=skip))

    def outage(self, server: Server, *, down: bool) -> None:
        proxy = self._made.influx if server is Server.INFLUX else self._made.kube
        proxy.down = down
        if down:
            self._call(proxy.break_watches)

    def step_clock(self, seconds: float) -> None:
        self._clock += seconds
        file = self._made.directory / "clock.new"
        file.write_text(str(self._clock), encoding="ascii")
        file.rename(file.with_name("clock"))

    def calm(self) -> None:
        for proxy in (self._made.influx, self._made.kube):
            self._call(proxy.rules.clear)
            proxy.down = False

    # time

    def now(self) -> datetime:
        return datetime.now(UTC)

    def operators_now(self) -> datetime:
        return self.now() + timedelta(seconds=self._clock)

    def breathe(self) -> None:
        time.sleep(self._random.choice((0.02, 0.1, 0.5, 1.5)))

    def wait(self, done: Callable[[], bool]) -> bool:
        limit = time.monotonic() + LONG
        while not done():
            if time.monotonic() > limit:
                return False
            time.sleep(0.1)
        return True

    def sweeps(self) -> None:
        begun = len(self._made.history.exchanges)
        limit = time.monotonic() + LONG
        while sum(worlds.is_sweep(one) for one in self._made.history.exchanges[begun:]) <= SWEEPS:
            assert time.monotonic() < limit, f"the sweeps have stopped\n{self._tail()}"
            time.sleep(0.05)

    # what was seen

    def writes(self) -> list[Write]:
        exchanges = self._made.history.exchanges
        fresh = exchanges[self._taken : len(exchanges)]
        self._taken += len(fresh)
        self._open += [one for one in fresh if one.write_id]
        self._writes += [_write(one) for one in self._open if one.committed]
        self._open = [one for one in self._open if one.status is None]
        return list(self._writes)

    def changed(self) -> int:
        return sum(one.committed for one in self._made.history.changed())

    def record(self) -> tuple[str, ...]:
        """What passed the proxies, for people."""
        return self._made.history.lines()

    def bugs(self) -> list[str]:
        return self._made.faults_in_log() if self._made.operator is not None else []

    def close(self) -> None:
        self._kube.close()
        self._do(self._context.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # inside

    def _edit(self, method: str, path: str, body: Any = None) -> None:
        status, text = self._influx.raw(method, path, None if body is None else json.dumps(body))
        assert status < 300 or status == 404, f"{method} {path}: {status} {text}"

    def _tail(self) -> str:
        return self._made.operator.tail() if self._made.operator is not None else ""

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        async def act() -> None:
            function(*arguments)

        self._do(act())


def _struck(exchange: Exchange) -> bool:
    """Whether a fault may strike it: what changes tasks, buckets, objects or points."""
    return bool(exchange.write_id) or (exchange.server == INFLUX and exchange.changes)


def _only(thing: Object, fields: tuple[str, ...]) -> Object:
    return {name: thing.get(name, "") for name in fields}


def _write(exchange: Exchange) -> Write:
    verb = _VERBS[exchange.method]
    match = _THING.match(exchange.path)
    if exchange.server != INFLUX or match is None:
        parts = exchange.path.split("/")
        return Write(Server(exchange.server), verb, "/".join(parts[6:]), parts[-1])
    one = match[2] or str(json.loads(exchange.answer)["id"])
    return Write(Server.INFLUX, verb, match[1], one)
