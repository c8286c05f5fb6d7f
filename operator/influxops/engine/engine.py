"""The engine: a cache that is always warm, a queue, and workers that run only while this process leads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.outcome import Done, Gone, Outcome, Stalled, Wait
from influxops.core.pipeline.backfill.status import terminal
from influxops.core.record import Record
from influxops.engine.connections import Connections
from influxops.engine.handover import Handover
from influxops.engine.pipeline.registry import Pipelines
from influxops.engine.queue import Priority, WorkQueue
from influxops.engine.shards import Shards
from influxops.kube.cache import Cache, Change
from influxops.kube.errors import Conflict as KubeConflict
from influxops.kube.errors import KubeError, MissingReference, NotFound, NotLeader, Unprocessable
from influxops.kube.status import StatusWriter
from influxops.reconcile.context import Context
from influxops.reconcile.visit import forget, visit
from influxops.telemetry.logs import get_logger
from influxops.telemetry.metrics import Metrics

log = get_logger(__name__)

AGAIN = 0.05
"""Seconds before the next step of a change that is under way."""
STEPS = 8
"""After so many steps in a row that did not end in Done, the next ones wait as after failures."""

OVERWRITTEN = 5.0
"""Seconds until a status that somebody else has written over is put right: two writers who disagree must not argue at full speed."""


class Engine:
    """The sink of the watch and the owner of the workers."""

    def __init__(
        self,
        context: Context,
        cache: Cache,
        statuses: StatusWriter,
        queue: WorkQueue[Key],
        connections: Connections,
        pipelines: Pipelines,
        metrics: Metrics,
        workers: int,
        shards: Shards,
        handover: Handover,
    ) -> None:
        self._context = context
        self._cache = cache
        self._statuses = statuses
        self._queue = queue
        self._connections = connections
        self._pipelines = pipelines
        self._metrics = metrics
        self._workers = workers
        self._shards = shards
        self._handover = handover
        self._tasks: list[asyncio.Task[None]] = []
        self._halfway: dict[Key, int] = {}
        """Keys whose change needs another request at once, with the number of steps done. Steps are no failures: what fails
        after them is soon tried again."""
        self.leading = False
        self.on_doubt: Callable[[Key], None] = lambda _: None
        """Told of an object that Kubernetes says is gone, or another one than was thought."""

    # the sink of the watch

    def upsert(self, record: Record) -> None:
        """An object was added or changed."""
        change = self._cache.upsert(record)
        if Change.STALE in change:
            return
        overwritten = self._statuses.seen(record)
        if not self.leading:
            return
        if not change.echo:
            self._queue.add(record.key, Priority.CHANGE)
            self._wake_referrers(record.key)
        elif record.key.kind is Kind.CONNECTION and Change.STATUS in change and self._shards.news(record):
            self._queue.add(record.key, Priority.CHANGE)  # another shard has handed it on, or taken it
        elif record.key.kind is Kind.BACKFILL and Change.STATUS in change and terminal(record.status()):
            self._queue.add(
                record.key, Priority.RESYNC
            )  # its loop has ended it: the visit cleans up, and deletes it in time
        elif overwritten and self._connections.link(record.key) is None:  # one with a loop says it anew in each turn
            self._queue.add(record.key, Priority.RESYNC, after=OVERWRITTEN)

    def replace(self, record: Record) -> None:
        """An object is in this state now, however old it looks: the cluster was set back in time.

        Everything that was remembered of it is of another future, and is learnt anew, as after a restart.
        """
        key = record.key
        self._cache.replace(record)
        self._statuses.rewind(record)
        forget(self._context, key)
        if self.leading:
            self._queue.add(key, Priority.CHANGE)
            self._wake_referrers(key)

    def _wake_referrers(self, key: Key) -> None:
        """Pipelines run the scripts of tasks, and backfills the windows of both."""
        for kind in (Kind.PIPELINE, Kind.BACKFILL) if key.kind in {Kind.TASK, Kind.PIPELINE} else ():
            for other in self._cache.referrers(key, kind):
                self._queue.add(other, Priority.RESYNC)

    def remove(self, key: Key, uid: str) -> None:
        """An object is gone."""
        removed = self._cache.remove(key, uid)
        if removed is None:
            return
        self._statuses.gone(key, uid)
        if not self.leading:
            return
        self._queue.add(key, Priority.CHANGE)
        self._wake_referrers(key)
        for connection in self._cache.keys(Kind.CONNECTION) if key.kind is not Kind.CONNECTION else ():
            record = self._cache.get(connection)
            if record is not None and record.deleting:
                self._queue.add(connection, Priority.CHANGE)
        if key.kind is Kind.POLICY:
            bucket = removed.spec().get("bucket")
            for other in self._cache.policies_by_bucket(str(bucket)):
                self._queue.add(other, Priority.CHANGE)

    # leading

    async def start(self) -> None:
        """Begin to work: connections first, which bring their objects once it is confirmed that they are this shard's."""
        self.leading = True
        self._queue.open()
        self._context.tasks.clear()
        self._context.policies.clear()
        self._context.missing_since.clear()
        self._context.deleting_since.clear()
        self._context.pipelines.clear()
        self._handover.begin()
        self._metrics.leader.labels(self._shards.name).set(1)
        for key in self._cache.keys(Kind.CONNECTION):
            self._queue.add(key, Priority.CHANGE)
        for kind in (Kind.POLICY, Kind.TASK, Kind.PIPELINE, Kind.BACKFILL):
            self.resume(key for key in self._cache.keys(kind) if self._shards.works(key))
        self._tasks = [asyncio.create_task(self._work(), name=f"worker {n}") for n in range(self._workers)]

    def resume(self, keys: Iterable[Key]) -> None:
        """Visit objects that have come to this process: first those whose spec has changed, or that wait for their end."""
        for key in keys:
            record = self._cache.get(key)
            settled = record is not None and not record.deleting and _observed(record) == record.generation
            self._queue.add(key, Priority.RESYNC if settled else Priority.CHANGE)

    def halfway(self, connection: Key) -> bool:
        """Whether a change of several requests is half done for an object of the connection."""
        return any(self._shards.connection_of(key) == connection for key in self._halfway)

    async def stop(self, grace: float) -> None:
        """Stop working: no new visit, those under way get ``grace`` seconds, then they are cancelled.

        A change that takes several requests is finished in this time too: a task must not stay paused between them.
        """
        self.leading = False
        until = self._context.clock() + grace
        self._metrics.leader.labels(self._shards.name).set(0)
        self._queue.close()
        if self._tasks:
            _, pending = await asyncio.wait(self._tasks, timeout=grace)
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - self._context.clock())):
                while self._halfway:
                    await self._visit(self._halfway.popitem()[0])
        self._halfway.clear()
        self._tasks = []
        self._queue.clear()
        await self._pipelines.end_all()
        await self._connections.end_all()
        self._statuses.clear()

    async def _work(self) -> None:
        while self.leading:
            key = await self._queue.get()
            if key is None or not self.leading:
                if key is not None:
                    self._queue.done(key)
                return
            try:
                await self._visit(key)
            finally:
                self._queue.done(key)

    async def _ours(self, key: Key) -> bool:
        """Whether a visit to an object may begin. One that is another shard's is forgotten."""
        if key.kind is Kind.CONNECTION or key not in self._cache:
            return True
        for _ in range(2):  # a backfill's pipeline, and then its connection
            missing = self._shards.missing(key) if self._shards.works(key) else None
            if missing is None or not await self._handover.find(missing):
                break
        if self._shards.works(key) or (key in self._halfway and self._shards.holds(key)):
            return True
        self._queue.forget(key)
        self._halfway.pop(key, None)
        if not self._shards.holds(key):
            forget(self._context, key)
        return False

    async def _visit(self, key: Key) -> None:
        try:
            if not await self._ours(key):
                return
        except KubeError as error:
            log.info("it could not be asked whose an object is", object=str(key), error=str(error))
            self._queue.add(key, Priority.RETRY, after=self._queue.backoff(key))
            return
        with self._shards.visiting(key):
            known = self._in_influxdb(key)
            await self._visit_ours(key)
            if self._in_influxdb(key) != known:
                self._wake_referrers(key)

    def _in_influxdb(self, key: Key) -> tuple[str, bool, str] | None:
        """Of an InfluxTask what its referrers go by and no watch tells of: its id, and its script, which may come from a ConfigMap."""
        state = self._context.tasks.get(key)
        return (state.task_id, state.gone, state.script_hash) if state is not None else None

    async def _visit_ours(self, key: Key) -> None:
        started = self._context.clock()
        outcome: Outcome | None = None
        word = "error"
        try:
            await self._mend_status(key)
            if key.kind is Kind.CONNECTION:
                outcome = await self._connections.visit(key)
            else:
                outcome = await visit(self._context, key)
            word = type(outcome).__name__
        except NotLeader:
            word = "NotLeader"
        except NotFound:
            # The object is gone, and the watch will say so or should have; or an API that has just started knows its kind not yet.
            self._queue.add(key, Priority.RETRY, after=self._queue.backoff(key))
            self.on_doubt(key)
        except KubeConflict:
            self._queue.add(key, Priority.RETRY, after=0.5)
            self.on_doubt(key)
        except (KubeError, MissingReference) as error:
            delay = self._queue.backoff(key)
            log.warning(
                "the Kubernetes API refused a request",
                kind=key.kind.value,
                namespace=key.namespace,
                name=key.name,
                error=str(error),
                retry_in=round(delay, 1),
            )
            self._queue.add(key, Priority.RETRY, after=delay)
        except Exception:
            delay = self._queue.backoff(key)
            log.exception(
                "a visit failed in a way it should not: please report this",
                kind=key.kind.value,
                namespace=key.namespace,
                name=key.name,
                retry_in=round(delay, 1),
            )
            self._queue.add(key, Priority.RETRY, after=delay)
        self._metrics.reconcile_total.labels(key.kind.value, word).inc()
        self._metrics.reconcile_duration_seconds.labels(key.kind.value).observe(self._context.clock() - started)
        if outcome is not None:
            self._requeue(key, outcome)

    async def _mend_status(self, key: Key) -> None:
        """A status that an older CRD took, and today's would not, keeps the API from taking any other change: it goes first."""
        record = self._cache.get(key)
        if record is None or not record.mangled:
            return
        try:
            await self._context.statuses.now(key, record.uid, record.status())
        except Unprocessable:  # of the right types, and still not what the CRD takes
            await self._context.statuses.now(key, record.uid, {})

    def _requeue(self, key: Key, outcome: Outcome) -> None:
        """The one place that turns an outcome into a next visit."""
        if isinstance(outcome, Wait) and outcome.again:
            self._halfway[key] = self._halfway.get(key, 0) + 1
        else:
            self._halfway.pop(key, None)
        match outcome:
            case Gone():
                self._queue.drop(key)
                successor = self._cache.get(key)
                if successor is not None and not successor.deleting:
                    self._queue.add(key, Priority.CHANGE)  # of the same name, come while the old one went
            case Done(after=after) | Stalled(after=after):
                self._queue.forget(key)
                if after is not None:
                    self._queue.add(key, Priority.RESYNC, after=after)
            case Wait(again=True):
                delay = AGAIN if self._halfway[key] <= STEPS else self._queue.backoff(key)
                self._queue.add(key, Priority.STEP, after=delay)
            case Wait(parked=True):
                pass  # its failures count on: the connection wakes it, and later the more often it fails
            case Wait(after=None):
                self._queue.add(key, Priority.RETRY, after=self._queue.backoff(key))
            case Wait(after=after):
                self._queue.add(key, Priority.RETRY, after=after or 0.0)


def _observed(record: Record) -> Any:
    return record.status().get("observedGeneration")


def retrier(queue: WorkQueue[Key]) -> Callable[[Key], None]:
    """Asks for a visit after the key's own backoff, which grows until the key succeeds."""
    return lambda key: queue.add(key, Priority.RETRY, after=queue.backoff(key))
