"""The operator put together, and its life: watch, wait for the lease, lead, and end cleanly on SIGTERM."""

from __future__ import annotations

import asyncio
import gc
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import uvloop

from influxops import __version__
from influxops.core.keys import Key
from influxops.core.record import Record
from influxops.engine.connect import ClientFactory
from influxops.engine.connections import Connections
from influxops.engine.engine import Engine, retrier
from influxops.engine.gauges import Gauges
from influxops.engine.handover import Handover, Work
from influxops.engine.pipeline.registry import Pipelines
from influxops.engine.queue import WorkQueue
from influxops.engine.recorder import Recorder
from influxops.engine.redacted import RedactedStatuses
from influxops.engine.renderer import TemplateProcess
from influxops.engine.shards import Shards
from influxops.engine.tools import Tools
from influxops.influx.client import InfluxClient
from influxops.kube.access import AccessError
from influxops.kube.cache import Cache
from influxops.kube.client import KubeClient
from influxops.kube.errors import KubeError
from influxops.kube.events import EventRecorder
from influxops.kube.lease import LeaderElector
from influxops.kube.lease_state import Timing
from influxops.kube.secrets import SecretResolver
from influxops.kube.status import StatusWriter
from influxops.reconcile.context import Context
from influxops.settings import ConfigError, Settings
from influxops.telemetry.health import Health, LoopLag, age_check, flag_check
from influxops.telemetry.logs import configure, get_logger
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.probes import ProbeServer
from influxops.telemetry.redact import Redactor
from influxops.watch.projection import project
from influxops.watch.relist import Relist
from influxops.watch.source import KopfSource

log = get_logger(__name__)

GC_THRESHOLDS = (20_000, 20, 20)
"""New containers, collections of the young, and of the middle generation, before the garbage collector looks."""

BACKLOG = 1.0
"""Seconds that an object has been due: from then on good news waits until the work is done."""

NEVER = 1e9
"""Seconds that a fence leaves when no lease is used."""


def run_operator(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT; gives the exit status. Raises ConfigError for what only whoever started it can mend."""
    redactor = Redactor()
    configure(settings.log_format, settings.log_level, redactor)
    # With 10,000 tasks in memory the collector's default pace takes a fifth of the idle time, and finds nothing: nearly
    # all is freed by reference counts. What the imports made is never looked at again.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(settings, redactor))
    return 0


class _Observer:
    """Requests to InfluxDB, as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def request(self, connection: str, operation: str, code: str, seconds: float) -> None:
        self._metrics.influx_requests_total.labels(connection, operation, code).inc()
        self._metrics.influx_request_duration_seconds.labels(connection, operation).observe(seconds)


class _Fence:
    """The lease, as the writers see it; without one, nothing is fenced."""

    def __init__(self) -> None:
        self.elector: LeaderElector | None = None

    def check(self) -> None:
        if self.elector is not None:
            self.elector.check()

    def remaining(self) -> float:
        return NEVER if self.elector is None else self.elector.check()


async def _run(settings: Settings, redactor: Redactor) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        client = await KubeClient.connect(settings.kubeconfig or None, settings.context or None)
    except AccessError as error:
        raise ConfigError(str(error)) from error
    try:
        instance = settings.instance_id or await _cluster_id(client, stop)
        if not stop.is_set():
            await Operator(settings, client, instance, redactor).live(stop)
    finally:
        await client.close()


async def _cluster_id(client: KubeClient, stop: asyncio.Event) -> str:
    """The uid of kube-system; asked for until the API answers."""
    while not stop.is_set():
        try:
            uid = await client.namespace_uid("kube-system")
        except KubeError as error:
            log.warning("the Kubernetes API does not answer yet", error=str(error))
        else:
            if uid:
                return uid
            raise ConfigError("namespace kube-system does not exist; set --instance-id to a name of this installation")
        try:
            async with asyncio.timeout(2.0):
                await stop.wait()
        except TimeoutError:
            continue
    return ""


def _wall_clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Edges:
    """Where the operator ends and the world begins; tests put a world of their own there."""

    influx: ClientFactory = InfluxClient
    source: Callable[..., KopfSource] = KopfSource
    """Makes what tells of our objects."""
    now: Callable[[], datetime] = _wall_clock
    clock: Callable[[], float] = time.monotonic


class Operator:
    """Every part of one process, connected; ``live`` runs them."""

    def __init__(
        self, settings: Settings, client: KubeClient, instance: str, redactor: Redactor, edges: Edges | None = None
    ) -> None:
        edges = edges or Edges()
        self.settings = settings
        self.client = client
        self.metrics = metrics = Metrics()
        self.health = Health()
        self.lag = LoopLag()
        self.cache = Cache(edges.clock)
        self.queue: WorkQueue[Key] = WorkQueue(edges.clock)
        self.statuses = StatusWriter(
            client, writes_per_second=settings.status_writes_per_second, interval=settings.status_interval
        )
        self.events = EventRecorder(client, busy=lambda: self.queue.oldest_due_seconds() > BACKLOG)
        self.renderer = TemplateProcess()
        self.fence = _Fence()
        guarded = RedactedStatuses(self.statuses, redactor.redact)
        self.context = Context(
            instance=instance,
            kube=client,
            objects=self.cache,
            statuses=guarded,
            renderer=self.renderer,
            recorder=Recorder(self.events, metrics, redactor),
            link=lambda key: self.connections.link(key),  # noqa: PLW0108  (made below)
            links_of_org=lambda org_id: self.connections.links_of_org(org_id),  # noqa: PLW0108
            now=edges.now,
            clock=edges.clock,
        )
        tools = Tools(
            context=self.context,
            secrets=SecretResolver(client),
            client=edges.influx,
            enqueue=self.queue.add,
            retry=retrier(self.queue),
            later=guarded.later,
            metrics=metrics,
            redactor=redactor,
            synced=lambda: self.source.synced.is_set(),  # noqa: PLW0108
            shard=settings.shard_name,
        )
        self.shards = Shards(settings.shard_name, self.cache)
        self.connections = Connections(tools, self.fence, _Observer(metrics), self.shards)
        self.pipelines = Pipelines(tools, self.connections.link)
        self.context.runner = self.pipelines
        work = Work(
            halfway=lambda key: self.engine.halfway(key),  # noqa: PLW0108  (made below)
            settle=self.pipelines.settle,
            end=self._end,
            let_go=self.statuses.let_go,
            enqueue=lambda keys: self.engine.resume(keys),  # noqa: PLW0108  (made below)
        )
        handover = self.connections.handover = Handover(self.shards, self, self.context, work, _timing(settings))
        self.statuses.may = self.shards.holds
        self.engine = Engine(
            self.context,
            self.cache,
            self.statuses,
            self.queue,
            self.connections,
            self.pipelines,
            metrics,
            settings.workers,
            self.shards,
            handover,
        )
        # The next visit must see what this one wrote, whether or not the watch has brought it by then.
        self.statuses.on_written = lambda key, body: self.engine.upsert(project(key.kind, body, self.cache.get(key)))
        namespaces = list(settings.namespaces) or None
        self.relist = Relist(
            client,
            self.cache,
            self.engine,
            namespaces,
            interval=settings.relist_seconds,
            newest=lambda: self.source.activity.newest,
            on_setback=lambda: self.source.begin_anew(),  # noqa: PLW0108  (made below)
        )
        self.source = edges.source(
            client, self.engine, namespaces, loop_factory=uvloop.new_event_loop, on_gap=self.relist.request
        )
        self.engine.on_doubt = self.statuses.on_lost = self.relist.suspect
        self.gauges = Gauges(
            metrics,
            self.context,
            self.queue,
            self.statuses,
            self.source.activity.last,
            self.lag,
            client.answers,
            self.shards,
            self.source.tasks,
        )
        self.probes = ProbeServer(settings.probe_host_port, self.health, metrics, redactor)

    # the store of the handover

    async def read(self, key: Key) -> Record | None:
        """An object as it is now."""
        body = await self.client.get(*key)
        return None if body is None else self._taken_in(key, body)

    async def write(self, record: Record, status: Mapping[str, Any]) -> Record:
        """Set a status if nothing of the object has changed since it was read."""
        key = record.key
        return self._taken_in(key, await self.client.replace_status(key, record.uid, record.resource_version, status))

    async def lease(self, shard: str) -> dict[str, Any] | None:
        """The Lease of a shard."""
        return await self.client.get_lease(self.settings.own_namespace(), self.settings.lease_of(shard))

    def _taken_in(self, key: Key, body: Mapping[str, Any]) -> Record:
        record = project(key.kind, body, self.cache.get(key))
        self.engine.upsert(record)
        return record

    async def _end(self, connection: Key) -> None:
        """Pipelines first: what they have still to write goes through the connection."""
        await self.pipelines.end(connection)
        await self.connections.retire(connection)

    async def live(self, stop: asyncio.Event) -> None:
        """Run everything until ``stop``."""
        self._checks()
        host, port = await self.probes.start()
        log.info(
            "influxops starts",
            version=__version__,
            instance=self.context.instance,
            shard=self.shards.name,
            probes=f"{host}:{port}",
        )
        ending = asyncio.Event()
        background = [
            asyncio.create_task(self.source.run(ending), name="watch"),
            asyncio.create_task(self.statuses.run(ending), name="status"),
            asyncio.create_task(self.events.run(ending), name="events"),
        ]
        endless = [
            asyncio.create_task(self.lag.run(), name="loop lag"),
            asyncio.create_task(self.gauges.run(), name="gauges"),
        ]
        try:
            if await _first(self.source.synced, stop):
                background.append(asyncio.create_task(self.relist.run(ending), name="relist"))
                log.info("first lists are complete", objects=len(self.cache))
                await self._lead(stop)
        finally:
            ending.set()
            _, pending = await asyncio.wait(background, timeout=5.0)
            for task in (*pending, *endless):
                task.cancel()
            await asyncio.gather(*pending, *endless, return_exceptions=True)
            await self.renderer.close()
            await self.probes.stop()
            log.info("influxops has ended")

    async def _lead(self, stop: asyncio.Event) -> None:
        if not self.settings.leader_elect:
            await self.engine.start()
            await stop.wait()
            await self.engine.stop(self.settings.shutdown_grace)
            return
        elector = LeaderElector(
            self.client,
            self.settings.own_namespace(),
            self.settings.lease_of(self.settings.shard_name),
            self._started,
            self._stopped,
            timing=_timing(self.settings),
        )
        self.fence.elector = elector
        self.client.fence = elector.check
        await elector.run(stop)

    async def _started(self) -> None:
        self.metrics.lease_transitions_total.labels("gained").inc()
        await self.engine.start()

    async def _stopped(self) -> None:
        self.metrics.lease_transitions_total.labels("lost").inc()
        await self.engine.stop(self.settings.shutdown_grace)

    def _checks(self) -> None:
        unready, sick = self.settings.unready_after, self.settings.unhealthy_after
        self.health.add_ready("first-lists", flag_check(self.source.synced.is_set, "the first lists are not complete"))
        self.health.add_ready("watch", age_check(self.source.activity.age, unready, "the last watch activity"))
        self.health.add_ready("queue", age_check(self.queue.oldest_due_seconds, unready, "the oldest due object"))
        self.health.add_live("watch", age_check(self.source.activity.age, sick, "the last watch activity"))
        self.health.add_live("queue", age_check(self.queue.oldest_due_seconds, sick, "the oldest due object"))
        self.health.add_live("event-loop", age_check(self.lag.worst, sick, "the longest lag of the event loop"))


def _timing(settings: Settings) -> Timing:
    return Timing(settings.lease_duration, settings.lease_renew_deadline, settings.lease_retry_period)


async def _first(wanted: asyncio.Event, stop: asyncio.Event) -> bool:
    """Wait for either event; True when it was the wanted one."""
    waits = [asyncio.create_task(wanted.wait()), asyncio.create_task(stop.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
    return wanted.is_set() and not stop.is_set()
