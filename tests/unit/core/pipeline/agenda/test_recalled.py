"""What a start keeps of the records of a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from influxops.core.pipeline.agenda.recalled import Done, near, parts
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.restored import recall

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = plan_of({"hour": StageOf(cadence("1h")), "day": StageOf(cadence("1d"), ("hour",))})


def hour(number: int) -> Window:
    """The hour that begins so many hours after noon."""
    return Window(NOON + number * HOUR, NOON + (number + 1) * HOUR)


def test_windows_are_told_apart_by_stage_start_and_length() -> None:
    """A grid that was changed has windows with the same start, or the same stop, and another length."""
    done = Done()
    done.add(("hour", hour(0)))
    assert ("hour", hour(0)) in done
    for stage, window in (
        ("day", hour(0)),
        ("hour", hour(1)),
        ("hour", Window(NOON, NOON + 2 * HOUR)),
        ("hour", Window(NOON - HOUR, NOON + HOUR)),
    ):
        assert (stage, window) not in done
    assert "hour" not in done


def test_what_records_come_to() -> None:
    """Any order; a stage that is gone counts for nothing but what is stranded."""
    records = [
        WindowRecord("hour", hour(2), WindowState.SUCCESS, revision=7),
        WindowRecord("hour", hour(0), WindowState.SUCCESS),
        WindowRecord("hour", hour(1), WindowState.FAILED),
        WindowRecord("hour", hour(3), WindowState.FAILED, cause=Cause.GIVEN_UP),
        WindowRecord("gone", hour(9), WindowState.SUCCESS),
    ]
    found = recall(PLAN, records)
    assert [("hour", hour(n)) in found.done for n in range(4)] == [True, False, True, False]
    assert found.left == {("hour", one.window): one for one in records[2:4]}
    assert found.stranded == {("hour", hour(3))}
    assert found.last == {"hour": records[0]}
    assert found.records == 5


@pytest.mark.parametrize(("hours", "number"), [(0, 0), (1, 1), (90, 1), (96, 2), (1000, 11)])
def test_a_long_time_is_read_in_parts_that_adjoin(hours: int, number: int) -> None:
    """Of about a hundred windows each."""
    stop = NOON + hours * HOUR
    found = list(parts(PLAN, NOON, stop, 100))
    assert len(found) == number
    if found:
        assert (found[0][0], found[-1][1]) == (NOON, stop)
        assert all(one[1] == other[0] for one, other in pairwise(found))
        assert all((end - start) / HOUR <= 97 for start, end in found)


def test_moments_that_are_near_each_other_are_read_together() -> None:
    moments = [NOON + n * HOUR for n in (5, 0, 1, 30, 54)]
    assert list(near(moments, timedelta(days=1))) == [(NOON, NOON + 5 * HOUR), (NOON + 30 * HOUR, NOON + 54 * HOUR)]
    assert list(near([], HOUR)) == []
