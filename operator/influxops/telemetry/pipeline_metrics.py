"""Metrics of pipelines. Labels: ``pipeline`` is ``namespace/name``, ``stage`` a name of its spec."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_LATENCY = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)


class PipelineMetrics:
    """Every metric of pipelines as an attribute."""

    def __init__(self, registry: CollectorRegistry) -> None:
        one, both = ("pipeline",), ("pipeline", "stage")

        def counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
            return Counter(name, text, labels, namespace="influxops", registry=registry)

        def gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
            return Gauge(name, text, labels, namespace="influxops", registry=registry)

        self.windows_total = counter(
            "windows_total",
            "Windows that were run to success; tries tells whether at the first attempt or a later one.",
            (*both, "result", "tries"),
        )
        self.failed_attempts_total = counter("window_failed_attempts_total", "Attempts that failed.", both)
        self.late_windows_total = counter(
            "late_windows_total", "Windows whose source had changed since they ran.", both
        )
        self.rows_total = counter("window_rows_total", "Rows that windows wrote.", both)
        self.bytes_total = counter("window_bytes_total", "Bytes of the answers in which these rows came.", both)
        self.window_latency_seconds = Histogram(
            "window_latency_seconds",
            "Time from a window's becoming ready to its success, waiting and retries included.",
            both,
            namespace="influxops",
            registry=registry,
            buckets=_LATENCY,
        )
        self.windows = gauge("agenda_windows", "Windows on the agenda, by state.", ("pipeline", "state"))
        self.queue_depth = gauge("agenda_depth", "Windows on the agenda, of all states.", one)
        self.watermark_lag_seconds = gauge(
            "watermark_lag_seconds", "Time since the end of the latest window up to which all are settled.", one
        )
        self.circuit_open = gauge("circuit_open", "1 while the circuit of a stage is not closed.", both)
        self._by_stage: tuple[Counter | Gauge | Histogram, ...] = (
            self.windows_total,
            self.failed_attempts_total,
            self.late_windows_total,
            self.rows_total,
            self.bytes_total,
            self.window_latency_seconds,
            self.circuit_open,
        )
        self._all: tuple[Counter | Gauge | Histogram, ...] = (
            *self._by_stage,
            self.windows,
            self.queue_depth,
            self.watermark_lag_seconds,
        )

    def forget(self, pipeline: str) -> None:
        """Drop every series of a pipeline that is gone."""
        for metric in self._all:
            metric.remove_by_labels({"pipeline": pipeline})

    def forget_stage(self, pipeline: str, stage: str) -> None:
        """Drop every series of a stage that the pipeline has no longer."""
        for metric in self._by_stage:
            metric.remove_by_labels({"pipeline": pipeline, "stage": stage})
