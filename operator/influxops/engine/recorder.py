"""What people are told while the operator works: one log line an action, and Kubernetes events."""

from __future__ import annotations

from typing import Any

from influxops.core.conditions import clip
from influxops.core.keys import Key
from influxops.core.outcome import Reason
from influxops.core.record import Record
from influxops.kube.events import EventRecorder
from influxops.telemetry.logs import get_logger, log_action
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor


class Recorder:
    """The ``reconcile.context.Recorder``; everything passes the redactor."""

    def __init__(self, events: EventRecorder, metrics: Metrics, redactor: Redactor) -> None:
        self._events = events
        self._metrics = metrics
        self._redactor = redactor
        self._log = get_logger("influxops.reconcile")

    def event(self, record: Record, reason: str, message: str, *, warning: bool = False) -> None:
        """A Kubernetes event at the object; repeats are counted, not sent again."""
        text = clip(self._redactor.redact(message))
        if (
            reason == Reason.ORPHANED_TASK
        ):  # events may be lost, and are refused while a namespace goes: this must stay somewhere
            log_action(self._log, "orphan", record.key, reason=str(reason), message=text, level="warning")
        self._events.record(record.key, record.uid, "Warning" if warning else "Normal", str(reason), text)

    def action(self, key: Key, action: str, reason: str, **fields: Any) -> None:
        """One log line."""
        self._metrics.actions_total.labels(key.kind.value, action).inc()
        log_action(self._log, action, key, reason=str(reason), **fields)

    def drift(self, key: Key, *, corrected: bool) -> None:
        """Count a change that was made in InfluxDB and not here."""
        metric = self._metrics.drift_corrected_total if corrected else self._metrics.drift_detected_total
        metric.labels(key.kind.value).inc()
