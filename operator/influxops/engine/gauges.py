"""What changes all the time, copied into metrics every few seconds instead of at every change."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import lru_cache

from influxops.core.conditions import of_outcome
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Done, Outcome
from influxops.core.record import unpack
from influxops.engine.queue import WorkQueue
from influxops.engine.shards import Shards
from influxops.kube.status import StatusWriter
from influxops.reconcile.context import Context
from influxops.telemetry.health import LoopLag
from influxops.telemetry.metrics import Metrics

PERIOD = 5.0
"""Seconds between two copies."""
COUNT_EVERY = 6
"""Copies between two counts of all objects, which take some milliseconds for ten thousand."""


class Gauges:
    """The copier."""

    def __init__(
        self,
        metrics: Metrics,
        context: Context,
        queue: WorkQueue[Key],
        statuses: StatusWriter,
        last_activity: Callable[[Kind], float],
        lag: LoopLag,
        answers: Mapping[tuple[str, str], int],
        shards: Shards,
        watch_tasks: Callable[[], int],
    ) -> None:
        self._metrics = metrics
        self._context = context
        self._queue = queue
        self._statuses = statuses
        self._last_activity = last_activity
        self._lag = lag
        self._answers = answers
        self._shards = shards
        self._watch_tasks = watch_tasks
        self._counted: dict[tuple[str, str], int] = {}
        self._written = 0

    async def run(self) -> None:
        """Copy until cancelled."""
        turns = 0
        while True:
            self.copy()
            if turns % COUNT_EVERY == 1:
                self._resources()
            turns += 1
            await asyncio.sleep(PERIOD)

    def copy(self) -> None:
        """Copy once."""
        metrics = self._metrics
        metrics.queue_depth.set(len(self._queue))
        metrics.queue_oldest_due_seconds.set(self._queue.oldest_due_seconds())
        metrics.status_pending.set(self._statuses.pending)
        metrics.status_oldest_pending_seconds.set(self._statuses.oldest_pending_seconds)
        metrics.event_loop_lag_seconds.set(self._lag.worst())
        metrics.asyncio_tasks.labels("main").set(len(asyncio.all_tasks()))
        metrics.asyncio_tasks.labels("watch").set(self._watch_tasks())
        metrics.status_writes_total.labels("all").inc(self._statuses.writes - self._written)
        self._written = self._statuses.writes
        for answer, count in list(self._answers.items()):
            metrics.kube_requests_total.labels(*answer).inc(count - self._counted.get(answer, 0))
            self._counted[answer] = count
        for kind in Kind:
            age = time.monotonic() - self._last_activity(kind)
            metrics.watch_last_activity_timestamp_seconds.labels(kind.value).set(time.time() - age)

    def _resources(self) -> None:
        self._metrics.shard_connections.clear()
        for shard, count in self._shards.counts().items():
            self._metrics.shard_connections.labels(shard).set(count)
        tasks: Counter[str] = Counter()
        for state in self._context.tasks.values():
            outcome = state.outcome
            tasks["True" if outcome.__class__ is Done else _ready(outcome)] += 1  # nearly all of thousands are Done
        policies = Counter(_ready_in(told.packed) for told in self._context.policies.values())
        for kind, counts in ((Kind.TASK, tasks), (Kind.POLICY, policies)):
            for ready in ("True", "False", "Unknown"):
                self._metrics.resources.labels(kind.value, ready).set(counts[ready])


def _ready(outcome: Outcome | None) -> str:
    conditions = of_outcome(outcome) if outcome is not None else []
    return conditions[0].status if conditions else "Unknown"


@lru_cache(maxsize=4096)
def _ready_in(packed: bytes) -> str:
    conditions = unpack(packed).get("conditions") or []
    return next((str(item["status"]) for item in conditions if item.get("type") == "Ready"), "Unknown")
