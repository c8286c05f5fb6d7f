"""What InfluxDB refuses, and whether it is asked again."""

from __future__ import annotations

from influxops.core.outcome import Reason, Stalled
from influxops.influx.errors import Forbidden, Invalid
from influxops.reconcile.faults import REFUSED_AGAIN, outcome_of


def test_what_the_token_may_not_do_is_tried_again() -> None:
    """Nobody tells when a right is given, or a token switched on."""
    outcome = outcome_of(Forbidden("InfluxDB: forbidden", "write:tasks"))
    assert isinstance(outcome, Stalled)
    assert (outcome.reason, outcome.after) == (Reason.NOT_ALLOWED, REFUSED_AGAIN)
    assert outcome.message.endswith("the token needs write:tasks")


def test_a_spec_that_is_refused_waits_for_another() -> None:
    """It is the same the next time."""
    outcome = outcome_of(Invalid("InfluxDB: no such unit"))
    assert isinstance(outcome, Stalled)
    assert (outcome.reason, outcome.after) == (Reason.INVALID_SPEC, None)
