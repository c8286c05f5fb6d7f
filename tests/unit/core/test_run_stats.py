"""Cost and punctuality of a task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.observed import Run, RunState
from influxops.core.run_stats import RunStats, stats_of
from influxops.core.schedule import of_texts

SLOT = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURLY = of_texts("1h", "", "10m")


def run(
    hour: int, took: float | None, wait: float = 600, state: RunState = RunState.SUCCESS, *, forced: bool = False
) -> Run:
    slot = SLOT + timedelta(hours=hour)
    started = slot + timedelta(seconds=wait)
    finished = None if took is None else started + timedelta(seconds=took)
    return Run(f"{hour}", "t", state, slot, started, finished, requested_at=started if forced else None)


def test_no_runs_say_nothing() -> None:
    """Neither do those that are not over."""
    assert stats_of([], HOURLY) == RunStats()
    assert stats_of([run(0, None, state=RunState.STARTED)], HOURLY) == RunStats()
    assert RunStats().failed_share is None


def test_the_sums() -> None:
    """Given in any order; the last run is the one that started last."""
    runs = [run(2, 30, 606), run(0, 10, 602), run(1, 20, 604, RunState.FAILED)]
    stats = stats_of(runs, HOURLY)
    assert (stats.runs, stats.failed, stats.total) == (3, 1, 60)
    assert (stats.mean, stats.last, stats.longest) == (20, 30, 30)
    assert stats.failed_share == pytest.approx(1 / 3)
    assert stats.busy == pytest.approx(20 / 3600)
    assert (stats.late, stats.latest) == (4, 6)


def test_runs_by_hand_are_not_late() -> None:
    """They start when somebody asks, long after their slot."""
    stats = stats_of([run(0, 1, 601), run(-20, 1, 72_000, forced=True)], HOURLY)
    assert (stats.runs, stats.late, stats.latest) == (2, 1, 1)
    assert stats_of([run(0, 1, forced=True)], HOURLY).late is None


def test_without_a_schedule_nobody_can_tell() -> None:
    """How busy or late a task is; what it cost can be told."""
    stats = stats_of([run(0, 5)], None)
    assert (stats.mean, stats.busy, stats.late) == (5, None, None)


def test_cron_has_its_shortest_gap() -> None:
    """A task that runs at 3 and at 4 has an hour."""
    assert stats_of([run(0, 36)], of_texts("", "0 3,4 * * *", "")).busy == pytest.approx(0.01)
