"""Late data: one step for all windows, counts that add up, and windows whose source changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline.agenda.late import (
    Change,
    aligned,
    changed,
    comparable,
    counts_of,
    grid_step,
    watched_stages,
)
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400


def at(seconds: int) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def window(start: int, stop: int) -> Window:
    return Window(at(start), at(stop))


WINDOWS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(1, 300), st.sampled_from([1, 7, 60, 900, 3600])).map(
        lambda it: window(it[0] * it[2], (it[0] + it[1]) * it[2])
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize(
    ("every", "zone", "days", "step"),
    [
        ("1d", "UTC", 30, DAY),
        ("1d", "Europe/Berlin", 400, 3600),
        ("1d", "Asia/Kolkata", 30, 1800),
        ("1d", "Asia/Kathmandu", 30, 900),
        ("15m", "UTC", 2, 900),
        ("1h", "UTC", 2, 3600),
        ("1mo", "UTC", 400, DAY),
        ("90m", "UTC", 3, 5400),
        ("7d", "UTC", 100, DAY),
    ],
)
def test_the_step_of_a_cadence(every: str, zone: str, days: int, step: int) -> None:
    """Known cadences give the step that one would write by hand."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    assert grid_step(cadence(every, zone=zone).between(since, since + timedelta(days=days))) == step


@given(WINDOWS, st.integers(1, 2 * DAY))
def test_the_step_divides_every_bound_and_none_greater_does(windows: list[Window], limit: int) -> None:
    """Held against trying every number of seconds from the limit down."""
    bounds = [round((bound - EPOCH).total_seconds()) for w in windows for bound in (w.start, w.stop)]
    found = grid_step(windows, limit)
    assert found == next(step for step in range(limit, 0, -1) if all(bound % step == 0 for bound in bounds))


def test_the_step_of_no_windows_is_the_limit() -> None:
    assert grid_step([], 600) == 600


def test_the_step_of_a_window_with_a_huge_odd_length_is_found_at_once() -> None:
    """A prime length far above the limit leaves one second."""
    assert grid_step([window(0, 2_147_483_647)], 3600) == 1


@given(st.integers(-20_000 * DAY, 50_000 * DAY).map(at), st.integers(1, 10 * DAY))
def test_aligned_is_the_last_point_of_the_grid(moment: datetime, step: int) -> None:
    found = aligned(moment, step)
    assert found <= moment < found + timedelta(seconds=step)
    assert (found - EPOCH) % timedelta(seconds=step) == timedelta(0)


@given(WINDOWS, st.dictionaries(st.integers(0, 5000 * 3600), st.integers(1, 9), max_size=40))
def test_counts_of_windows_are_those_of_their_points(windows: list[Window], points: dict[int, int]) -> None:
    """Held against counting the points of each window one by one; windows may overlap."""
    step = grid_step(windows)
    by_step: dict[datetime, int] = {}
    for moment, number in points.items():
        start = aligned(at(moment), step)
        by_step[start] = by_step.get(start, 0) + number
    assert counts_of(windows, by_step, step) == {
        w: sum(number for moment, number in points.items() if w.contains(at(moment))) for w in windows
    }


@pytest.mark.parametrize("bad", [window(10, 60), window(0, 61)])
def test_a_window_off_the_grid_is_refused(bad: Window) -> None:
    """Its count could not be told from those of the steps."""
    with pytest.raises(ValueError, match="not on the grid of 60 s"):
        counts_of([bad], {}, 60)


def record(number: int, count: int | None, state: WindowState = WindowState.SUCCESS) -> WindowRecord:
    return WindowRecord("stage", window(number * 60, number * 60 + 60), state, source_count=count)


def test_smaller_and_greater_counts_are_changes() -> None:
    records = [record(0, 5), record(1, 5), record(2, 5), record(3, 0)]
    counts = {record(n, 0).window: count for n, count in enumerate([5, 6, 4, 1])}
    assert changed(records, counts) == [Change(records[1], 5, 6), Change(records[2], 5, 4), Change(records[3], 0, 1)]


@pytest.mark.parametrize(
    "left_out",
    [
        record(0, None),
        *(record(0, 5, state) for state in WindowState if state is not WindowState.SUCCESS),
        record(9, 5),
    ],
)
def test_what_cannot_be_compared_is_no_change(left_out: WindowRecord) -> None:
    """Not counted then, not done, or not counted now."""
    assert changed([left_out], {record(0, 0).window: 7}) == []


def test_only_counts_of_the_same_source_are_compared() -> None:
    """Those of an older record, which does not say what it counted, are taken for the same."""
    source, others = (
        Source("b", "m", "f"),
        [Source("b", "m"), Source("b", "", "f"), Source("c", "m", "f"), Source("b", "f", "m")],
    )
    assert comparable(replace(record(0, 5), source=source.digest), source)
    assert comparable(record(0, 5), source)
    assert not any(comparable(replace(record(0, 5), source=other.digest), source) for other in others)
    assert not comparable(replace(record(0, None), source=source.digest), source)


def test_windows_whose_source_has_begun_to_expire_are_told_apart() -> None:
    """The bound itself still stands."""
    records = [record(0, 5), record(1, 5), record(2, 5)]
    found = changed(records, dict.fromkeys([r.window for r in records], 3), expires_before=at(60))
    assert [change.expired for change in found] == [True, False, False]


def test_an_expired_window_with_the_same_count_is_no_change() -> None:
    assert changed([record(0, 5)], {record(0, 5).window: 5}, expires_before=at(600)) == []


def test_only_sources_from_outside_are_watched() -> None:
    """A stage that reads what one far before it writes is left to that one; a bucket without measurement is all of it."""
    raw, hours, days = Target("raw"), Target("roll", "h"), Target("roll", "d")
    plan = plan_of(
        {
            "root": StageOf(source=Source("raw", "env"), target=hours),
            "blind": StageOf(after=("root",), target=Target("other")),
            "far": StageOf(after=("blind",), source=Source("roll", "h"), target=days),
            "whole": StageOf(after=("root",), source=Source("roll"), target=Target("x")),
            "beside": StageOf(after=("root",), source=Source("roll", "calibration"), target=Target("y")),
            "apart": StageOf(source=Source("roll", "d"), target=Target("z")),
            "again": StageOf(after=("root",), source=Source(raw.bucket, "env"), target=Target("w")),
        }
    )
    assert set(watched_stages(plan)) == {"root", "beside", "apart", "again"}


def test_watched_stages_come_parents_first() -> None:
    plan = plan_of(
        {
            "late": StageOf(after=("early",), source=Source("raw"), target=Target("b")),
            "early": StageOf(source=Source("raw"), target=Target("a")),
        }
    )
    assert watched_stages(plan) == ["early", "late"]


def test_a_step_serves_a_year_of_local_days_across_both_changes_of_the_clock() -> None:
    """Days of 23 and 25 hours are counted whole."""
    since = datetime(2026, 1, 1, tzinfo=UTC)
    days = list(islice(cadence("1d", zone="Europe/Berlin").between(since, since + timedelta(days=366)), 365))
    hourly = {since - timedelta(days=2) + timedelta(hours=n): 1 for n in range(24 * 380)}
    counts = counts_of(days, hourly, grid_step(days))
    assert sorted(set(counts.values())) == [23, 24, 25]
