"""What comes on the agenda by schedule, when the next window closes, and how far the watermark may go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.agenda.due import due, next_window, watermark
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.edges import parents_of
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = plan_of({"hour": StageOf(cadence("1h")), "day": StageOf(cadence("1d"), ("hour",))})


def stops(after: datetime, now: datetime, **plan: object) -> list[tuple[str, datetime]]:
    """What is due."""
    return [(stage, window.stop) for stage, window in due(replace(PLAN, **plan), after, now).places]  # type: ignore[arg-type]


def test_windows_come_once_oldest_first_and_parents_before_children() -> None:
    midnight = datetime(2026, 3, 4, tzinfo=UTC)
    expected = [("hour", midnight - HOUR), ("hour", midnight), ("day", midnight), ("hour", midnight + HOUR)]
    assert stops(midnight - 2 * HOUR, midnight + HOUR) == expected
    assert stops(midnight + HOUR, midnight + HOUR) == []


def test_a_window_is_due_when_its_delay_is_over() -> None:
    assert stops(NOON - HOUR, NOON + timedelta(seconds=59), delay=60) == []
    assert stops(NOON - HOUR, NOON + timedelta(seconds=60), delay=60) == [("hour", NOON)]


def test_no_window_that_starts_before_the_pipeline_does_is_due() -> None:
    assert stops(NOON - 9 * HOUR, NOON, begin=NOON - timedelta(minutes=90)) == [("hour", NOON)]


def test_latest_only_has_one_window_of_each_stage_and_gives_up_silently() -> None:
    found = due(replace(PLAN, latest_only=True), NOON - 72 * HOUR, NOON)
    assert [(stage, window.stop) for stage, window in found.places] == [("day", NOON - 12 * HOUR), ("hour", NOON)]
    assert not found.given_up


def test_of_too_many_the_newest_run_and_the_rest_is_named() -> None:
    found = due(replace(PLAN, max_windows=2), NOON - 6 * HOUR, NOON)
    assert [window.stop for _, window in found.places] == [NOON - HOUR, NOON]
    assert dict(found.given_up)["hour"].stop == NOON - 2 * HOUR


def test_a_day_made_of_hours_that_were_given_up_is_given_up_with_them() -> None:
    """It would be written from the hours that are left, and look as if it were whole."""
    found = due(replace(PLAN, max_windows=40), NOON - 96 * HOUR, NOON)  # hours back to the day before yesterday, 20:00
    assert [window.stop for stage, window in found.places if stage == "day"] == [NOON - 12 * HOUR]
    assert dict(found.given_up)["day"].stop == NOON - 36 * HOUR


def test_windows_of_which_nobody_can_tell_whether_they_ran_are_given_up_with_what_is_made_of_them() -> None:
    """Hours that start before six in the morning: the day is made of them. One that succeeded is none of them."""
    midnight = datetime(2026, 3, 4, tzinfo=UTC)
    ran = {("hour", Window(midnight + 5 * HOUR, midnight + 6 * HOUR))}
    found = due(PLAN, midnight, NOON + 12 * HOUR, ran, {"hour": midnight + 6 * HOUR})
    assert [window.start.hour for _, window in found.places] == list(range(6, 24))
    assert {stage: window.stop for stage, window in found.given_up} == {
        "hour": midnight + 5 * HOUR,
        "day": midnight + 24 * HOUR,
    }
    assert found.forgotten == {"hour", "day"}
    assert found.stranded == (("day", Window(midnight, midnight + 24 * HOUR)),)
    latest = due(replace(PLAN, latest_only=True), midnight, midnight + 5 * HOUR, (), {"hour": midnight + 6 * HOUR})
    assert latest.places == ()
    assert due(replace(PLAN, max_windows=3), midnight, NOON, (), {"hour": midnight + HOUR}).forgotten == frozenset()


@settings(max_examples=60)
@given(
    limit=st.integers(1, 60), hours=st.integers(0, 200), offset=st.integers(0, 23), period=st.sampled_from(["1d", "3d"])
)
def test_nothing_is_due_without_all_that_it_is_made_of(limit: int, hours: int, offset: int, period: str) -> None:
    """Whatever was given up: what is due stands on windows that are due, too, or that closed before."""
    plan = plan_of({"hour": StageOf(cadence("1h")), "day": StageOf(cadence("1d", period=period), ("hour",))})
    now = NOON + offset * HOUR
    after = now - hours * HOUR
    places = set(due(replace(plan, max_windows=limit), after, now).places)
    for stage, window in places:
        if stage == "day":
            for parent in parents_of(plan.stages["day"].cadence, window, plan.stages["hour"].cadence):
                assert parent.stop <= after or ("hour", parent) in places


def test_the_next_window_is_the_first_to_close_and_none_from_before_the_begin() -> None:
    assert next_window(PLAN, NOON) == Window(NOON, NOON + HOUR)
    begin = NOON + 30 * HOUR
    assert next_window(replace(PLAN, begin=begin), NOON) == Window(begin, begin + HOUR)
    late = replace(PLAN, delay=7200)
    assert next_window(late, NOON) == Window(NOON - 2 * HOUR, NOON - HOUR)


@pytest.mark.parametrize(
    ("oldest", "before", "expected"),
    [
        (None, NOON - 9 * HOUR, NOON),
        (NOON - HOUR, NOON - 9 * HOUR, NOON - 2 * HOUR),
        (NOON - 20 * HOUR, NOON - 9 * HOUR, NOON - 9 * HOUR),
        (None, NOON + HOUR, NOON + HOUR),
    ],
)
def test_the_watermark_stops_short_of_what_is_not_settled_and_never_goes_back(
    oldest: datetime | None, before: datetime, expected: datetime
) -> None:
    assert watermark(PLAN, oldest, NOON + timedelta(minutes=5), before) == expected
