"""The circuit of a stage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.circuit import Circuit, CircuitState

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def opened() -> Circuit:
    """Open after two failures, for ten seconds."""
    circuit = Circuit(limit=2, open_for=10.0)
    assert [circuit.failed(NOW), circuit.failed(NOW)] == [False, True]
    return circuit


def test_it_admits_one_trial_when_its_time_is_over() -> None:
    circuit = opened()
    assert not circuit.admits(NOW + 9 * SECOND)
    assert circuit.admits(NOW + 10 * SECOND)
    circuit.started()
    assert not circuit.admits(NOW + 60 * SECOND)
    assert not circuit.failed(NOW + 11 * SECOND)
    assert (circuit.state, circuit.until) == (CircuitState.OPEN, NOW + 21 * SECOND)


def test_a_trial_without_a_verdict_is_due_again_at_once() -> None:
    """And no time stands there that a status would show."""
    circuit = opened()
    circuit.started()
    circuit.abandoned()
    assert circuit.admits(NOW)
    assert (circuit.state, circuit.until, circuit.failures) == (CircuitState.OPEN, None, 2)


def test_a_trial_that_succeeds_closes_it() -> None:
    circuit = opened()
    circuit.started()
    assert circuit.succeeded()
    assert circuit.admits(NOW)
    assert not circuit.succeeded()
