"""Windows of tasks: counted without listing, found from both sides. What the server does is in tests/contract."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.flux.render import Prelude
from influxops.core.pipeline.windows.task_cadence import COUNTED, SlotCadence, TaskCadenceFault, task_cadence
from influxops.core.pipeline.windows.window import Window
from influxops.core.schedule import Schedule, of_texts

SCHEDULES = {
    "1h": ("1h", ""),
    "7m": ("7m", ""),
    "5d": ("5d", ""),
    "36h": ("36h", ""),
    "cron": ("", "7 */6 * * *"),
    "weekdays": ("", "30 3 * * 1-5"),
    "months": ("", "0 4 1 * *"),
}
PRELUDES = [
    None,
    Prelude("1h", "1h"),
    Prelude("1h", "5m", "10m"),
    Prelude("1d", "1d"),
    Prelude("1w", "1w"),
    Prelude("1mo", "1mo"),
    Prelude("1mo", "1d", "1mo"),
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def of(schedule: str, prelude: Prelude | None = None) -> SlotCadence:
    found = of_texts(*SCHEDULES[schedule], "")
    assert found is not None
    return task_cadence(found, prelude)


cadences = st.builds(of, st.sampled_from(sorted(SCHEDULES)), st.sampled_from(PRELUDES))
moments = st.integers(0, 400 * 86400).map(lambda seconds: at("2025-12-01") + timedelta(seconds=seconds))


@given(grid=cadences, start=moments, length=st.integers(0, 40 * 86400))
def test_windows_follow_each_other_and_are_counted(grid: SlotCadence, start: datetime, length: int) -> None:
    """between, count_between, following and stopping_at tell the same; each has a slot at its end or later."""
    stop = start + timedelta(seconds=length)
    listed = list(grid.between(start, stop))
    assert grid.count_between(start, stop) == len(listed)
    assert all(start < one.stop <= stop for one in listed)
    for before, one in zip([None, *listed], listed, strict=False):
        assert grid.stopping_at(one.stop) == one
        assert grid.following(before or Window(start, start)) == one
        assert grid.slot_of(one) >= one.stop
        latest = grid.latest(grid.slot_of(one))
        assert latest == one


@given(grid=cadences, moment=moments)
def test_every_slot_has_its_window(grid: SlotCadence, moment: datetime) -> None:
    """The window of the last slot before a moment: its slot is not after that moment, and the next one's is."""
    window = grid.latest(moment)
    assert window is not None
    assert grid.slot_of(window) <= moment
    behind = grid.following(window)
    assert behind is not None
    assert grid.slot_of(behind) > moment


def test_a_script_without_v_has_windows_from_slot_to_slot() -> None:
    """Friday to Monday is one window."""
    windows = list(of("weekdays").between(at("2026-11-20"), at("2026-11-24")))
    assert [f"{one.start:%a %H:%M} {one.stop:%a %H:%M}" for one in windows] == [
        "Thu 03:30 Fri 03:30",
        "Fri 03:30 Mon 03:30",
    ]


def test_slots_of_one_window_are_one() -> None:
    """Every seven minutes over whole hours: each hour is run once, for the first slot behind its end."""
    grid = of("7m", Prelude("1h", "1h"))
    windows = list(grid.between(at("2026-11-20T00:00"), at("2026-11-20T03:00")))
    assert [one.stop.hour for one in windows] == [1, 2, 3]
    assert all(grid.slot_of(one) - one.stop < timedelta(minutes=7) for one in windows)


def test_a_window_whose_slot_is_not_due_is_not_closed() -> None:
    """Its hour ends at 6:00, and its slot is at 6:07."""
    grid = of("cron", Prelude("6h", "1h"))
    assert grid.latest(at("2026-11-20T06:06:59")) == Window(at("2026-11-19T18:00"), at("2026-11-20T00:00"))
    assert grid.latest(at("2026-11-20T06:07")) == Window(at("2026-11-20T00:00"), at("2026-11-20T06:00"))


def test_a_moment_that_is_no_end_has_no_window() -> None:
    """stopping_at and slot_of tell it in their ways."""
    grid = of("1h", Prelude("1h", "1h"))
    assert grid.stopping_at(at("2026-11-20T06:30")) is None
    with pytest.raises(ValueError, match="no slot of the schedule covers"):
        grid.slot_of(Window(at("2026-11-20T05:30"), at("2026-11-20T06:30")))


def test_very_many_windows_of_cron_are_reckoned() -> None:
    """Ten years of minutes are not counted one by one."""
    schedule = of_texts("", "* * * * *", "")
    assert schedule is not None
    found = task_cadence(schedule, None).count_between(at("2016-01-01"), at("2026-01-01"))
    assert found > COUNTED
    assert abs(found - 5_260_320) < 100


@pytest.mark.parametrize(
    ("prelude", "said"),
    [
        (Prelude("500ms", "1h"), "spec.window.period is 500ms"),
        (Prelude("1h", "1mo1d"), "spec.window.align is 1mo1d"),
        (Prelude("1h", "1h", "soon"), "spec.window.lookback: 'soon' is not a duration"),
    ],
)
def test_lengths_that_cannot_be_counted_are_refused(prelude: Prelude, said: str) -> None:
    """With the field."""
    with pytest.raises(TaskCadenceFault, match=said):
        of("1h", prelude)


def test_a_schedule_that_is_none() -> None:
    """A task that never runs has no windows."""
    with pytest.raises(TaskCadenceFault, match="write every or cron"):
        task_cadence(Schedule(None, None), None)
