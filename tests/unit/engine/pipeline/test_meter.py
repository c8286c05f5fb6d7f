"""What a pipeline's metrics tell of its stages."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.pipeline.agenda.circuit import CircuitState
from influxops.engine.pipeline.meter import Meter
from influxops.telemetry.metrics import Metrics

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _facts(**stages: CircuitState) -> Any:
    shown = [SimpleNamespace(name=name, circuit=state) for name, state in stages.items()]
    return SimpleNamespace(counts={}, watermark=None, stages=shown)


def test_a_stage_that_is_gone_has_no_series_any_more() -> None:
    """Else the alert of its open circuit would never end, and each renamed stage would stay for good."""
    metrics = Metrics()
    meter, agenda = Meter(metrics, Key(Kind.PIPELINE, "ns", "p")), cast_agenda()
    meter.failed("old")
    meter.state(_facts(old=CircuitState.OPEN, kept=CircuitState.CLOSED), agenda, NOW)
    assert 'stage="old"} 1.0' in _text(metrics)
    meter.state(_facts(new=CircuitState.CLOSED, kept=CircuitState.CLOSED), agenda, NOW)
    text = _text(metrics)
    assert 'stage="old"' not in text
    assert 'influxops_circuit_open{pipeline="ns/p",stage="new"} 0.0' in text
    assert 'influxops_circuit_open{pipeline="ns/p",stage="kept"} 0.0' in text


def cast_agenda() -> Any:
    """An agenda without an entry."""
    return []


def _text(metrics: Metrics) -> str:
    return metrics.render()[0].decode()
