"""The operator's own metrics, by the conventions of Prometheus: base units, ``_total`` for counters, few label values.

No series per object: 10,000 tasks are a handful of series. ``connection`` is always ``namespace/name``.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from influxops import __version__
from influxops.telemetry.pipeline_metrics import PipelineMetrics

TASK_STATES = ("managed", "drifted", "failing", "late")
"""Values of label ``state`` of ``influxops_tasks``; a task may be counted in several."""

BREAKER_STATES = ("Closed", "HalfOpen", "Open")
"""Values of label ``state`` of ``influxops_breaker_state``; exactly one of them is 1."""

_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SWEEP = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """Every metric as an attribute, in a registry of its own, so that several can live in one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, text: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(name, text, labels, namespace="influxops", registry=registry)

        def gauge(name: str, text: str, labels: Iterable[str] = ()) -> Gauge:
            return Gauge(name, text, labels, namespace="influxops", registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], labels: Iterable[str] = ()) -> Histogram:
            return Histogram(name, text, labels, namespace="influxops", registry=registry, buckets=buckets)

        connection = ("connection",)
        Info("build", "Version of the operator.", namespace="influxops", registry=registry).info(
            {"version": __version__}
        )

        self.reconcile_total = counter(
            "reconcile_total", "Visits to objects, by what they came to.", ("kind", "outcome")
        )
        self.reconcile_duration_seconds = histogram(
            "reconcile_duration_seconds", "Duration of one visit to an object.", _FAST, ("kind",)
        )
        self.actions_total = counter("actions_total", "Changes made in InfluxDB.", ("kind", "action"))
        self.resources = gauge(
            "resources", "Objects by their Ready condition: True, False, Unknown.", ("kind", "ready")
        )

        self.queue_depth = gauge("queue_depth", "Objects that are due and wait for a worker.")
        self.queue_oldest_due_seconds = gauge(
            "queue_oldest_due_seconds", "How long the object that has waited longest has been due."
        )

        self.influx_requests_total = counter(
            "influx_requests_total",
            "Requests to InfluxDB; code is the HTTP status, or error when no answer came.",
            ("connection", "operation", "code"),
        )
        self.influx_request_duration_seconds = histogram(
            "influx_request_duration_seconds", "Duration of a request to InfluxDB.", _FAST, ("connection", "operation")
        )
        self.breaker_state = gauge(
            "breaker_state", "1 for the state that the circuit breaker is in.", ("connection", "state")
        )

        self.sweep_duration_seconds = histogram(
            "sweep_duration_seconds", "Duration of a sweep over one InfluxDB.", _SWEEP, connection
        )
        self.sweep_requests = gauge("sweep_requests", "Requests of the last sweep.", connection)
        self.sweep_failures_total = counter("sweep_failures_total", "Sweeps that did not come to an end.", connection)
        self.sweep_last_success_timestamp_seconds = gauge(
            "sweep_last_success_timestamp_seconds", "Unix time at which the last complete sweep ended.", connection
        )
        self.tasks = gauge("tasks", "Tasks of InfluxTask objects, by state.", ("connection", "state"))
        self.orphans = gauge(
            "orphans", "Tasks that bear our owner mark and have no InfluxTask; never deleted by themselves.", connection
        )
        self.drift_detected_total = counter(
            "drift_detected_total", "Changes found in InfluxDB that were not made here.", ("kind",)
        )
        self.drift_corrected_total = counter("drift_corrected_total", "Such changes put right.", ("kind",))

        self.slot_reruns_total = counter(
            "slot_reruns_total",
            "Runs asked for because a slot failed (retry) or was missed (catchup).",
            ("connection", "cause"),
        )
        self.slots_missed_total = counter(
            "slots_missed_total", "Slots that InfluxDB missed and that were not run, as their tasks wish.", connection
        )

        self.kube_requests_total = counter(
            "kube_requests_total",
            "Requests to the Kubernetes API besides watches; code is the HTTP status, or error.",
            ("verb", "code"),
        )
        self.status_writes_total = counter("status_writes_total", "Writes to the status of objects.", ("kind",))
        self.status_pending = gauge("status_pending", "Objects whose status waits to be written.")
        self.status_oldest_pending_seconds = gauge(
            "status_oldest_pending_seconds", "How long the status that has waited longest has been waiting."
        )
        self.watch_last_activity_timestamp_seconds = gauge(
            "watch_last_activity_timestamp_seconds", "Unix time of the last sign of life of a watch.", ("kind",)
        )

        self.leader = gauge(
            "leader", "1 while this process holds the Lease of its shard and works, else 0.", ("shard",)
        )
        self.shard_connections = gauge(
            "shard_connections",
            "InfluxConnections by the shard that is to work them, seen by every process.",
            ("shard",),
        )
        self.lease_transitions_total = counter(
            "lease_transitions_total", "Times that this process gained or lost the Lease.", ("direction",)
        )
        self.event_loop_lag_seconds = gauge(
            "event_loop_lag_seconds", "How late the event loop was in the last minute, at worst."
        )
        self.asyncio_tasks = gauge(
            "asyncio_tasks",
            "Tasks of asyncio that have not ended, by event loop: main, or watch for that of the watches.",
            ("loop",),
        )
        self.pipelines = PipelineMetrics(registry)
        self._by_connection: tuple[Counter | Gauge | Histogram, ...] = (
            self.influx_requests_total,
            self.influx_request_duration_seconds,
            self.breaker_state,
            self.sweep_duration_seconds,
            self.sweep_requests,
            self.sweep_failures_total,
            self.sweep_last_success_timestamp_seconds,
            self.tasks,
            self.orphans,
            self.slot_reruns_total,
            self.slots_missed_total,
        )

    def set_breaker(self, connection: str, state: str) -> None:
        """Show the breaker's state, one of BREAKER_STATES; raises ValueError for another word."""
        if state not in BREAKER_STATES:
            raise ValueError(f"{state!r} is no state of a breaker")
        for name in BREAKER_STATES:
            self.breaker_state.labels(connection, name).set(1 if name == state else 0)

    def forget_connection(self, connection: str) -> None:
        """Drop every series of a connection that is gone."""
        for metric in self._by_connection:
            metric.remove_by_labels({"connection": connection})

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """What a scrape gets, and its content type; ``accept`` is the header of the request."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
