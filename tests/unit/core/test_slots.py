"""What a user means by a time, and whether a slot wants another run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.observed import Run, RunState
from influxops.core.schedule import of_texts
from influxops.core.slots import neighbours, parse_at, settled_by, since, started_last

NOW = datetime(2026, 11, 21, 12, 34, 56, 789_000, tzinfo=UTC)


def run(run_id: str, state: RunState, started: int | None = 0, slot: int = 0) -> Run:
    at = NOW + timedelta(hours=slot)
    return Run(run_id, "t", state, at, None if started is None else NOW + timedelta(seconds=started), None)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)),
        ("NOW ", datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)),
        ("2026-11-21T12:00:00Z", datetime(2026, 11, 21, 12, tzinfo=UTC)),
        ("2026-11-21T13:00:00+01:00", datetime(2026, 11, 21, 12, tzinfo=UTC)),
    ],
)
def test_times(text: str, moment: datetime) -> None:
    """In UTC, whole seconds."""
    assert parse_at(text, NOW) == moment
    assert parse_at(text, NOW).utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("2026-11-21T12:00:00", "names no zone"),
        ("2026-11-21", "names no zone"),
        ("2026-11-21T12:00:00.5Z", "fraction of a second"),
    ],
)
def test_no_times(text: str, words: str) -> None:
    """Each with an example to copy."""
    with pytest.raises(ValueError, match=words) as caught:
        parse_at(text, NOW)
    assert "2026-11-21T12:00:00Z" in str(caught.value)


def test_slots_around_a_moment() -> None:
    """A slot is its own neighbour."""
    hourly = of_texts("1h", "", "10m")
    assert hourly is not None
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert neighbours(hourly, NOW) == (noon, noon + timedelta(hours=1))
    assert neighbours(hourly, noon)[0] == noon


def test_what_settles_a_slot() -> None:
    """A run under way before one that succeeded; failed and canceled ones settle nothing."""
    failed, canceled = run("f", RunState.FAILED), run("c", RunState.CANCELED)
    good, begun, queued = run("g", RunState.SUCCESS), run("b", RunState.STARTED), run("q", RunState.SCHEDULED, None)
    assert settled_by([]) is None
    assert settled_by([failed, canceled]) is None
    assert settled_by([failed, good]) == good
    assert settled_by([good, begun]) == begun
    assert settled_by([good, queued, failed]) == queued


def test_the_run_that_started_last() -> None:
    """Whatever its slot; one that waits counts only when none has begun."""
    old_slot = run("a", RunState.SUCCESS, 10, slot=-20)
    new_slot = run("b", RunState.FAILED, 5)
    waits = run("c", RunState.SCHEDULED, None, slot=5)
    assert started_last([new_slot, old_slot, waits]) == old_slot
    assert started_last([waits]) == waits
    assert started_last([]) is None


def test_since() -> None:
    """By slot."""
    runs = [run("a", RunState.SUCCESS), run("b", RunState.SUCCESS, slot=-2)]
    assert since(runs, NOW, 3600) == runs[:1]
    assert since(runs, NOW, 7200) == runs
