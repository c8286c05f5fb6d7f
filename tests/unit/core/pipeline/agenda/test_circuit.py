"""The circuit of a stage: open after failures in a row, tried with one window, closed by one success."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.agenda.circuit import Circuit, CircuitState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def opened() -> Circuit:
    """Open for a minute from NOW."""
    circuit = Circuit(limit=3, open_for=60)
    assert [circuit.failed(NOW) for _ in range(3)] == [False, False, True]
    return circuit


def test_only_failures_in_a_row_open_it() -> None:
    circuit = Circuit(limit=2, open_for=60)
    for _ in range(5):
        assert not circuit.failed(NOW)
        assert not circuit.succeeded()
    assert circuit.admits(NOW)


def test_an_open_one_admits_exactly_one_window_when_its_time_is_over() -> None:
    circuit = opened()
    assert not circuit.admits(later(59))
    assert circuit.admits(later(60))
    circuit.started()
    assert circuit.state is CircuitState.HALF_OPEN
    assert not circuit.admits(later(1000))


def test_an_open_one_stays_open_no_longer_for_a_clock_that_was_set_back() -> None:
    circuit = opened()
    circuit.earlier(timedelta(seconds=100))
    assert not circuit.admits(later(-41))
    assert circuit.admits(later(-40))


def test_the_trial_decides() -> None:
    circuit = opened()
    circuit.started()
    assert not circuit.failed(later(60)), "it was open already"
    assert (circuit.state, circuit.until) == (CircuitState.OPEN, later(120))
    circuit.started()
    assert circuit.succeeded()
    assert (circuit.state, circuit.failures, circuit.until) == (CircuitState.CLOSED, 0, None)


def test_a_trial_without_a_verdict_is_due_again_at_once_and_told_with_a_real_time() -> None:
    circuit = opened()
    circuit.started()
    circuit.abandoned(later(61))
    assert circuit.until == later(61)
    assert circuit.admits(later(61))


def test_a_run_that_ends_without_a_verdict_while_it_is_open_or_closed_changes_nothing() -> None:
    circuit = opened()
    circuit.abandoned(later(1))
    assert circuit.until == later(60)
    circuit = Circuit(3, 60)
    circuit.abandoned(NOW)
    assert circuit.state is CircuitState.CLOSED


def test_a_run_from_before_that_fails_while_it_is_open_puts_the_trial_off_and_is_no_new_opening() -> None:
    circuit = opened()
    assert not circuit.failed(later(30))
    assert not circuit.admits(later(89))
    assert circuit.admits(later(90))
