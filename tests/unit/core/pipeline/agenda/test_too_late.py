"""Changes of windows that are too old to run: seen by spans, told, never missed or made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline.agenda.late import counts_of, grid_step
from influxops.core.pipeline.agenda.too_late import Span, TooLate, spans, too_late
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def window(start: int, stop: int) -> Window:
    return Window(SINCE + start * HOUR, SINCE + stop * HOUR)


def record(start: int, stop: int, count: int | None = 1, state: WindowState = WindowState.SUCCESS) -> WindowRecord:
    return WindowRecord("stage", window(start, stop), state, source_count=count)


def test_the_hours_of_a_day_are_one_span() -> None:
    found = spans([record(n, n + 1, n) for n in reversed(range(48))])
    assert found == [Span(window(0, 24), sum(range(24)), 24), Span(window(24, 48), sum(range(24, 48)), 24)]


def test_a_span_is_cut_where_a_window_is_missing_failed_or_was_not_counted() -> None:
    """Its sum would lack that window's points."""
    records = [record(n, n + 1) for n in range(8) if n != 1]
    records[2] = record(3, 4, state=WindowState.FAILED)
    records[4] = record(5, 6, None)
    assert [span.window for span in spans(records)] == [window(*ends) for ends in ((0, 1), (2, 3), (4, 5), (6, 8))]


def test_of_sliding_windows_each_moment_is_in_one_span() -> None:
    found = spans([record(n, n + 3, 7) for n in range(24)], 24 * 3600)
    assert found == [Span(window(0, 24), 56, 8)]


@given(
    st.sampled_from([cadence("15m"), cadence("1h", "5h"), cadence("1d", zone="Europe/Berlin"), cadence("90m", "2h")]),
    st.lists(st.integers(0, 40 * 86_400), max_size=60),
    st.lists(st.integers(0, 40 * 86_400), max_size=3),
    st.sampled_from([3600, 86_400, 7 * 86_400]),
)
def test_what_came_after_the_run_is_seen_and_nothing_else(cad, early, late, length) -> None:  # type: ignore[no-untyped-def]
    """Points counted at the run and points that came later; a span is told exactly when one came into it."""
    moments = [SINCE + timedelta(seconds=n) for n in early]
    came = [SINCE + timedelta(seconds=n) for n in late]
    windows = list(cad.between(SINCE, SINCE + timedelta(days=40)))
    records = [
        WindowRecord("s", w, WindowState.SUCCESS, source_count=sum(map(w.contains, moments))) for w in windows[:400]
    ]
    found = spans(records, length)
    step = grid_step([span.window for span in found])
    by_step: dict[datetime, int] = {}
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    for moment in moments + came:
        start = moment - (moment - epoch) % timedelta(seconds=step)
        by_step[start] = by_step.get(start, 0) + 1
    told = too_late(found, counts_of([span.window for span in found], by_step, step))
    assert told == [TooLate(span, span.was + more) for span in found if (more := sum(map(span.window.contains, came)))]
    assert all(a.window.stop <= b.window.start for a, b in pairwise(found))


@pytest.mark.parametrize(("now", "before", "told"), [(4, 0, True), (4, 1, False), (6, 1, True), (5, 0, False)])
def test_points_lost_by_age_are_not_told(now: int, before: int, told: bool) -> None:
    """``before``: hours from the start of the span to the moment before which points may be gone."""
    span = Span(window(0, 1), 5, 1)
    assert bool(too_late([span], {span.window: now}, SINCE + before * HOUR)) is told


def test_a_span_that_was_not_counted_is_left_out() -> None:
    assert too_late([Span(window(0, 1), 5, 1)], {}) == []
