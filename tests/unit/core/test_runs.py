"""Run history: the same whatever the order and however often runs are reported."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from influxops.core.observed import Run, RunState
from influxops.core.runs import RunSummary, fold, from_status, to_status, with_errors

T0 = datetime(2026, 1, 1, tzinfo=UTC)
OK, BAD = RunState.SUCCESS, RunState.FAILED


def run(slot: int, state: RunState, attempt: int = 0) -> Run:
    at = T0 + timedelta(minutes=slot)
    started = at + timedelta(seconds=attempt * 10, microseconds=123456)
    return Run(f"{slot:03d}-{attempt}", "t", state, at, started, started + timedelta(seconds=1.5))


def test_failures_count_slots_not_runs() -> None:
    """Three failed runs of one slot are one failure."""
    summary = fold(RunSummary(), [run(1, OK), run(2, BAD), run(2, BAD, 1), run(2, BAD, 2), run(3, BAD)])
    assert summary.consecutive_failures == 2
    assert summary.last is not None
    assert summary.last.scheduled_for == T0 + timedelta(minutes=3)


def test_a_retry_that_succeeds_heals_its_slot() -> None:
    summary = fold(fold(RunSummary(), [run(1, BAD), run(2, BAD)]), [run(2, OK, 1)])
    assert summary.consecutive_failures == 0


def test_an_old_slot_that_succeeds_does_not_hide_newer_failures() -> None:
    """A backfill run of yesterday is no news about today."""
    summary = fold(fold(RunSummary(), [run(5, BAD), run(6, BAD)]), [run(1, OK)])
    assert summary.consecutive_failures == 2


@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=5), min_size=1, max_size=10),
    st.randoms(),
    st.integers(1, 9),
)
def test_retries_in_any_order_leave_the_count_right(slots: list[list[bool]], rng: random.Random, size: int) -> None:
    """Ten slots of up to five attempts each, in whatever order they end: what counts is which slots failed for good."""
    attempts = [[*states[: states.index(True) + 1]] if True in states else states for states in slots]
    first = [run(slot, OK if states[0] else BAD) for slot, states in enumerate(attempts)]
    more = [
        run(slot, OK if good else BAD, number)
        for slot, states in enumerate(attempts)
        for number, good in enumerate(states)
        if number
    ]
    rng.shuffle(more)
    summary = fold(RunSummary(), first)
    for start in range(0, len(more), size):
        summary = fold(summary, more[start : start + size])
        assert fold(summary, more[: start + size]) is summary
    expected = next((n for n, states in enumerate(reversed(attempts)) if True in states), len(attempts))
    assert summary.consecutive_failures == expected


def test_an_unfinished_run_is_not_counted() -> None:
    assert fold(RunSummary(), [run(1, RunState.STARTED)]).recent == ()


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=9, unique_by=lambda item: item[0]), st.randoms())
def test_reported_again_nothing_changes(slots: list[tuple[int, bool]], rng: random.Random) -> None:
    runs = [run(slot, OK if good else BAD) for slot, good in slots]
    once = fold(RunSummary(), runs)
    rng.shuffle(runs)
    assert fold(once, runs) is once


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(1, 7))
def test_in_batches_as_at_once(states: list[bool], size: int) -> None:
    """Sweeps cut the stream of runs anywhere; the count is that of the last failures in a row."""
    runs = [run(slot, OK if good else BAD) for slot, good in enumerate(states)]
    summary = RunSummary()
    for start in range(0, len(runs), size):
        summary = fold(summary, runs[start : start + size])
    expected = next((n for n, good in enumerate(reversed(states)) if good), len(states))
    assert summary.consecutive_failures == expected


def test_a_restart_reads_back_what_status_says_and_counts_nothing_twice() -> None:
    """Status keeps five runs of twelve failures; the runs before them, reported again, are not counted again."""
    runs = [run(slot, BAD) for slot in range(12)]
    summary = fold(RunSummary(), runs)
    status = {
        "taskID": "t",
        "consecutiveFailures": summary.consecutive_failures,
        "history": [to_status(item) for item in summary.recent[:5]],
    }
    again = fold(from_status(status), runs)
    assert again.consecutive_failures == 12
    assert [to_status(item) for item in again.recent[:5]] == status["history"]


def test_the_error_text_is_filled_in_later() -> None:
    summary = with_errors(fold(RunSummary(), [run(1, BAD)]), {"001-0": "boom"})
    assert summary.last is not None
    assert to_status(summary.last)["error"] == "boom"
