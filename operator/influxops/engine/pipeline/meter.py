"""What a pipeline does, as metrics: labels are its name and its stages, which the spec bounds."""

from __future__ import annotations

from datetime import datetime

from influxops.core.keys import Key
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.circuit import CircuitState
from influxops.core.pipeline.pipeline_status import PipelineFacts
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.engine.pipeline.late_look import Found
from influxops.telemetry.metrics import Metrics

_STATES = (WindowState.PENDING, WindowState.READY, WindowState.RUNNING, WindowState.FAILED)
"""Those that a window on the agenda may have; a state without windows is told as 0."""


class Meter:
    """Of one pipeline."""

    def __init__(self, metrics: Metrics, key: Key) -> None:
        self._metrics = metrics.pipelines
        self._name = f"{key.namespace}/{key.name}"
        self._stages: set[str] = set()
        """Those that were told of last."""
        self._watermark: datetime | None = None

    def succeeded(self, record: WindowRecord) -> None:
        """A window has succeeded."""
        metrics, labels = self._metrics, (self._name, record.stage)
        tries = "first" if record.attempt <= 1 else "later"
        metrics.windows_total.labels(*labels, "success", tries).inc()
        metrics.rows_total.labels(*labels).inc(record.rows or 0)
        metrics.bytes_total.labels(*labels).inc(record.bytes or 0)
        if record.ready_at is not None and record.finished_at is not None:
            seconds = (record.finished_at - record.ready_at).total_seconds()
            metrics.window_latency_seconds.labels(*labels).observe(seconds)

    def failed(self, stage: str) -> None:
        """An attempt has failed."""
        self._metrics.failed_attempts_total.labels(self._name, stage).inc()

    def late(self, found: Found) -> None:
        """A look has found late data."""
        for change in found.changes:
            self._metrics.late_windows_total.labels(self._name, change.record.stage).inc()

    def state(self, facts: PipelineFacts, agenda: Agenda, now: datetime) -> None:
        """How things stand."""
        metrics = self._metrics
        for state in _STATES:
            metrics.windows.labels(self._name, state.value).set(facts.counts.get(state, 0))
        metrics.queue_depth.labels(self._name).set(len(agenda))
        self._watermark = facts.watermark
        self.lag(now)
        stages = {stage.name for stage in facts.stages}
        for gone in self._stages - stages:
            metrics.forget_stage(self._name, gone)
        self._stages = stages
        for stage in facts.stages:
            metrics.circuit_open.labels(self._name, stage.name).set(stage.circuit is not CircuitState.CLOSED)

    def lag(self, now: datetime) -> None:
        """Time goes on, whether the pipeline does or not."""
        if self._watermark is not None:
            self._metrics.watermark_lag_seconds.labels(self._name).set((now - self._watermark).total_seconds())

    def forget(self) -> None:
        """Drop every series of a pipeline that is gone."""
        self._metrics.forget(self._name)
