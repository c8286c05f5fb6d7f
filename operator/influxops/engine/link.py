"""One InfluxConnection at work: its client, its limits, its breaker and the latest picture of its organization."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.flux.memo import ScriptMemo
from influxops.core.keys import Key
from influxops.core.observed import User
from influxops.core.scouts import Scouts
from influxops.core.snapshot import NEVER, Snapshot
from influxops.engine.breaker import Breaker
from influxops.engine.gates import Gates
from influxops.engine.pacer import Pacer
from influxops.influx.errors import Forbidden, InfluxError, RateLimited, Unauthorized, Unavailable
from influxops.influx.http import TimedOut
from influxops.influx.port import InfluxPort
from influxops.kube.errors import NotLeader
from influxops.reconcile.context import Problem

T = TypeVar("T")

BUCKET_MEMO = 4.0
"""Seconds for which a bucket that was missing is not asked for again."""


class Fence(Protocol):
    """The lease, as a writer sees it."""

    def check(self) -> None:
        """Raises when this process may not write any more."""

    def remaining(self) -> float:
        """Seconds for which a write that starts now is covered."""


class Observer(Protocol):
    """Counts requests."""

    def request(self, connection: str, operation: str, code: str, seconds: float) -> None: ...


_has_turn: ContextVar[bool] = ContextVar("has_turn", default=False)
"""Whether the one request of a write that is about to be sent has waited for its turn already."""


class LiveLink:
    """The ``reconcile.context.Link`` of one InfluxConnection."""

    def __init__(
        self,
        key: Key,
        spec: InfluxConnectionSpec,
        generation: int,
        fence: Fence,
        observer: Observer,
        clock: Callable[[], float],
        gates: Gates | None = None,
    ) -> None:
        self.key = key
        self.gates = gates or Gates()
        self.spec = spec
        self.org_id = ""
        self.user: User | None = None
        self.version = ""
        self.snapshot = Snapshot(NEVER, "")
        self.problem: Problem | None = None
        self.parked: set[Key] = set()
        self.refused = Scouts()
        self.recreating: Key | None = None
        self.awaiting_turn: set[Key] = set()
        self.scripts = ScriptMemo()
        self.port: InfluxPort | None = None
        self.breaker = Breaker(clock)
        self.wake = asyncio.Event()
        self.trusted_since = clock()
        """Snapshots that were begun earlier tell of a time at which others may have written."""
        self.visitors: set[Key] = set()
        """Objects that are being worked at this moment."""
        self.requests = 0
        self.moving = False
        """True while it is not known where the client leads: nobody but the connection's own loop may use it."""
        self._fence = fence
        self._observer = observer
        self._clock = clock
        self._missing_buckets: dict[str, float] = {}
        self.configure(spec, generation)

    def configure(self, spec: InfluxConnectionSpec, generation: int) -> None:
        """Take in a new spec; requests under way keep the old limits."""
        if self.spec.suspend != spec.suspend:
            self.distrust()
        if self.port is not None and (spec.url, spec.org) != (self.spec.url, self.spec.org):
            self.moving = True
        self.spec = spec
        self.generation = generation
        self._slots = asyncio.Semaphore(spec.limits.max_concurrent)
        self._queries = asyncio.Semaphore(spec.limits.max_concurrent)
        self._pacer = Pacer(self._clock, spec.limits.requests_per_second)

    def serves(self, version: str) -> None:
        """Take in the server's version. Another Flux may say otherwise of a script: what was learned of any is forgotten."""
        if version != self.version:
            self.version, self.scripts = version, ScriptMemo()

    async def pace(self) -> None:
        """Wait for the turn of one request to the server; an operation may need several."""
        if _has_turn.get():
            _has_turn.set(False)
        else:
            await self._pacer.turn()

    def trust_snapshot(self) -> bool:
        """True when the snapshot was begun after this process started to lead, and is no memory of a time before a suspension."""
        return self.snapshot.started >= self.trusted_since

    def distrust(self) -> None:
        """Hold the snapshot for outdated: nothing is done by it before the next sweep."""
        self.trusted_since = self._clock()

    def look(self) -> None:
        """Have the organization read now."""
        self.wake.set()

    @contextmanager
    def visited_by(self, key: Key) -> Iterator[None]:
        """While an object is worked that may write."""
        self.visitors.add(key)
        try:
            yield
        finally:
            self.visitors.discard(key)

    async def call(self, operation: str, request: Callable[[InfluxPort], Awaitable[T]], *, write: bool = False) -> T:
        """Send a request within the limits. While the breaker is open, fails at once without one."""
        if self.moving:
            raise Unavailable(
                f"InfluxConnection {self.key.namespace}/{self.key.name} has not been found to lead where it did"
            )
        if not self.breaker.closed:
            raise Unavailable(
                f"InfluxDB at {self.spec.url} does not answer; next try in {self.breaker.trial_in():.0f} s"
            )
        return await self.send(operation, request, write=write)

    async def run(self, operation: str, request: Callable[[InfluxPort], Awaitable[T]]) -> T:
        """Send a query of a stage, or of the ledger, which may take long: counted apart from all other requests, and ended when the lease is
        lost. One that is too slow says nothing of the server, so only other failures count for the breaker.
        """
        self._answering()
        async with self._queries:
            self._answering()  # it may have waited for long
            await self._pacer.turn()  # before the deadline of the lease begins to count
            port = self._answering()
            self._fence.check()
            started, code = self._clock(), "cancelled"
            self.requests += 1
            _has_turn.set(True)
            query = asyncio.ensure_future(request(port))  # with a copy of what is set here
            _has_turn.set(False)
            try:
                while not query.done():
                    await asyncio.wait({query}, timeout=max(0.1, self._fence.remaining()))
                    self._fence.check()
                if query.cancelled():
                    raise Unavailable(f"InfluxDB at {self.spec.url}: the query was cut off with its client")
                result = query.result()
                code = "ok"
                self.breaker.succeeded()
                return result
            except NotLeader:
                code = "fenced"
                raise
            except InfluxError as error:
                code = type(error).__name__
                if not isinstance(error, Unavailable):
                    self.breaker.succeeded()  # a clear no is an answer
                if isinstance(error, RateLimited):
                    self._pacer.hold(error.retry_after or 1.0)
                elif isinstance(error, Unavailable) and not isinstance(error, TimedOut):
                    self.breaker.failed()
                if isinstance(error, Unauthorized) or not self.breaker.closed:
                    self.wake.set()
                raise
            finally:
                query.cancel()
                name = f"{self.key.namespace}/{self.key.name}"
                self._observer.request(name, operation, code, self._clock() - started)

    def _answering(self) -> InfluxPort:
        """The client, if a query may be sent now. Raises Unavailable."""
        if self.moving or not self.breaker.closed or self.port is None:
            raise Unavailable(f"InfluxDB at {self.spec.url} does not answer")
        return self.port

    async def send(self, operation: str, request: Callable[[InfluxPort], Awaitable[T]], *, write: bool = False) -> T:
        """As ``call``, but also while the breaker is open: for its trial."""
        async with self._slots:
            if write:
                await self._pacer.turn()  # before the deadline of the lease begins to count
            _has_turn.set(write)
            port = self.port  # a rotation may have changed it while this request waited
            if port is None:
                raise Unavailable(f"InfluxConnection {self.key.namespace}/{self.key.name} has no client yet")
            started = self._clock()
            self.requests += 1
            code = "ok"
            try:
                if not write:
                    result = await request(port)
                else:
                    self._fence.check()
                    async with asyncio.timeout(self._fence.remaining()):
                        result = await request(port)
                self.breaker.succeeded()
                return result
            except TimeoutError:
                code = "fenced"
                raise Unavailable(f"InfluxDB at {self.spec.url}: no answer before the lease ran out") from None
            except RateLimited as error:
                code = "RateLimited"
                self._pacer.hold(error.retry_after or 1.0)
                raise
            except Unavailable:
                code = "Unavailable"
                self.breaker.failed()
                if not self.breaker.closed:
                    self.wake.set()
                raise
            except Unauthorized:
                code = "Unauthorized"
                self.breaker.succeeded()
                self.wake.set()
                raise
            except InfluxError as error:
                code = type(error).__name__
                self.breaker.succeeded()
                if isinstance(error, Forbidden):
                    code = "Forbidden"
                raise
            finally:
                _has_turn.set(False)
                name = f"{self.key.namespace}/{self.key.name}"
                self._observer.request(name, operation, code, self._clock() - started)

    async def bucket_exists(self, name: str) -> bool:
        """Whether the bucket is there; a missing one is asked for at most once in a few seconds."""
        if name in self.snapshot.buckets:
            return True
        now = self._clock()
        if now - self._missing_buckets.get(name, -BUCKET_MEMO) < BUCKET_MEMO:
            return False
        try:
            bucket = await self.call("find_bucket", lambda port: port.find_bucket(self.org_id, name))
        except Forbidden:
            return True  # it exists, and the run will tell if the right to use it is missing
        if bucket is None:
            self._missing_buckets[name] = now
            return False
        self._missing_buckets.pop(name, None)
        self.snapshot.put_bucket(bucket, self._clock())  # a sweep may have ended meanwhile
        return True
