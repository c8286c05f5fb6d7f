"""Metrics follow the conventions of Prometheus and keep the number of series small."""

from __future__ import annotations

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from influxops import __version__
from influxops.telemetry.metrics import Metrics

UNITS = ("_seconds", "_total", "_bytes", "_info")
COUNTS = {
    "influxops_resources", "influxops_queue_depth", "influxops_breaker_state", "influxops_sweep_requests",
    "influxops_tasks", "influxops_orphans", "influxops_status_pending", "influxops_leader", "influxops_shard_connections",
    "influxops_agenda_windows", "influxops_agenda_depth", "influxops_circuit_open", "influxops_asyncio_tasks",
}  # fmt: skip


def own(metrics: Metrics) -> list[str]:
    text = metrics.render()[0].decode()
    return [line for line in text.splitlines() if line.startswith("influxops_")]


def test_names_end_in_their_unit() -> None:
    """Counters in _total, times in _seconds; what is left is a plain number of things."""
    for family in Metrics().registry.collect():
        if not family.name.startswith("influxops_"):
            continue
        assert re.fullmatch(r"[a-z_]+", family.name)
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert not family.name.endswith("_total")  # the library adds it
        elif family.type in {"histogram", "info"}:
            assert family.name.endswith("_seconds") or family.type == "info"
        else:
            assert family.name.endswith(UNITS) or family.name in COUNTS, family.name


def test_a_scrape_can_be_parsed_and_names_the_version() -> None:
    """Beside our own there are the figures of the process."""
    metrics = Metrics()
    metrics.reconcile_total.labels("InfluxTask", "Done").inc()
    families = {family.name: family for family in text_string_to_metric_families(metrics.render()[0].decode())}
    assert families["influxops_build_info"].samples[0].labels == {"version": __version__}
    assert families["influxops_reconcile"].samples[0].value == 1
    assert "process_resident_memory_bytes" in families
    assert "openmetrics" in metrics.render("application/openmetrics-text; version=1.0.0")[1]


def test_two_operators_in_one_process_do_not_share_figures() -> None:
    """Each has a registry of its own."""
    first, second = Metrics(), Metrics()
    first.queue_depth.set(5)
    assert "influxops_queue_depth 0.0" in own(second)


def test_a_breaker_is_in_one_state() -> None:
    """Only one of the three series is 1."""
    metrics = Metrics()
    metrics.set_breaker("team/main", "Open")
    metrics.set_breaker("team/main", "HalfOpen")
    lines = [line for line in own(metrics) if line.startswith("influxops_breaker_state")]
    assert len(lines) == 3
    assert [line for line in lines if line.endswith("1.0")] == [
        'influxops_breaker_state{connection="team/main",state="HalfOpen"} 1.0'
    ]
    with pytest.raises(ValueError, match="no state"):
        metrics.set_breaker("team/main", "ajar")


def test_a_connection_that_is_gone_leaves_no_series() -> None:
    """And the others stay."""
    metrics = Metrics()
    for connection in ("team/main", "team/other"):
        metrics.influx_requests_total.labels(connection, "ListTasks", "200").inc()
        metrics.influx_request_duration_seconds.labels(connection, "ListTasks").observe(0.1)
        metrics.tasks.labels(connection, "managed").set(3)
        metrics.orphans.labels(connection).set(0)
        metrics.sweep_duration_seconds.labels(connection).observe(0.1)
        metrics.set_breaker(connection, "Closed")
    metrics.forget_connection("team/main")
    metrics.forget_connection("never/there")
    text = "\n".join(own(metrics))
    assert "team/main" not in text
    assert 'influxops_tasks{connection="team/other",state="managed"} 3.0' in text
