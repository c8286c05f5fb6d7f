"""The circuit breaker: opens after failures in a row, tries by itself, closes with a success."""

from __future__ import annotations

from influxops.engine.breaker import Breaker, BreakerState


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(lambda: 0.0, threshold=3)
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        breaker.succeeded()
    assert breaker.closed
    for _ in range(3):
        breaker.failed()
    assert breaker.state is BreakerState.OPEN


def test_the_trial_comes_later_and_later_and_a_success_closes() -> None:
    now = [0.0]
    breaker = Breaker(lambda: now[0], first=1.0, most=4.0)
    waits = []
    for _ in range(4):
        breaker.open()
        waits.append(breaker.trial_in())
        now[0] += breaker.trial_in()
        breaker.trial()
        assert breaker.state is BreakerState.HALF_OPEN
    assert waits == [1.0, 2.0, 4.0, 4.0]
    breaker.succeeded()
    assert breaker.closed
    breaker.open()
    assert breaker.trial_in() == 1.0


def test_a_failed_trial_opens_again() -> None:
    breaker = Breaker(lambda: 0.0)
    breaker.open()
    breaker.trial()
    breaker.failed()
    assert breaker.state is BreakerState.OPEN
