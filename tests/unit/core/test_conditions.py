"""Conditions as kstatus, Argo CD and Flux CD read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.conditions import MAX_MESSAGE, Condition, clip, of_outcome, parse_rfc3339, rfc3339_ms, stamp
from influxops.core.outcome import Done, Outcome, Reason, Stalled, Wait

T0 = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Done(), {"Ready": "True"}),
        (Stalled(Reason.INVALID_SPEC, "x"), {"Ready": "False", "Stalled": "True"}),
        (Wait(Reason.DEPENDENCY_NOT_READY, "x"), {"Ready": "False", "Reconciling": "True"}),
        (Wait(Reason.CONNECTION_NOT_READY, "x"), {"Ready": "Unknown", "Reconciling": "True"}),
    ],
)
def test_negative_conditions_exist_only_while_true(outcome: Outcome, expected: dict[str, str]) -> None:
    assert {item.type: item.status for item in of_outcome(outcome)} == expected


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    first = stamp([Condition("Ready", "False", "A", "x")], [], 1, T0)
    same = stamp([Condition("Ready", "False", "B", "y")], first, 2, T0 + timedelta(hours=1))
    flip = stamp([Condition("Ready", "True", "B", "y")], same, 2, T0 + timedelta(hours=2))
    assert same[0]["lastTransitionTime"] == first[0]["lastTransitionTime"]
    assert (same[0]["reason"], same[0]["observedGeneration"]) == ("B", 2)
    assert flip[0]["lastTransitionTime"] == "2026-01-01T02:00:00Z"


def test_long_messages_are_cut() -> None:
    assert len(clip("x" * 5000)) == MAX_MESSAGE


@pytest.mark.parametrize(
    "text", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456789Z", "2026-01-01T01:00:00.5+01:00"]
)
def test_times_of_both_servers_are_read(text: str) -> None:
    assert parse_rfc3339(text).astimezone(UTC).replace(microsecond=0) == T0


def test_milliseconds_are_cut_so_that_they_read_back_the_same() -> None:
    moment = T0 + timedelta(microseconds=123999)
    assert rfc3339_ms(moment) == rfc3339_ms(parse_rfc3339(rfc3339_ms(moment))) == "2026-01-01T00:00:00.123Z"
