"""Pipelines against known answers: every value that five stages write is worked out in Python from the raw points."""

from __future__ import annotations

import pytest

from tests.support import course, past, sensors
from tests.support.expect import eventually
from tests.support.lab import PIPELINE, Lab
from tests.support.sensors import HOUR

LATE_POINTS, LATE_HOURS = 1000, 40
Date = tuple[int, int, int]


def proven(lab: Lab, first: Date, last: Date, hours: int, seconds: float) -> None:
    """Run the days [first, last) of Berlin, hold every value against its answer, and do so again after late points."""
    start, stop = (sensors.midnight(course.ZONE, *date) for date in (first, last))
    assert (stop - start) // HOUR == hours  # the clock has changed on one of these days
    raw = course.fill(lab, start, stop)
    lab.connect()
    zone, lateness = {"every": "1h", "timezone": course.ZONE}, {"allowed": "3650d", "checkEvery": "1h"}
    lab.create(PIPELINE, "env", past.past(start, stop, course.stages(), window=zone, lateness=lateness))
    past.settled(lab, "env", stop, seconds)
    windows = course.windows(start, stop)
    before = {(stage, one): 1 for stage, starts in windows.items() for one in starts}
    past.in_ledger(lab, before)
    course.right(lab, raw)

    old = [start + number * (hours - 24) // LATE_HOURS * HOUR for number in range(LATE_HOURS)]
    late = sensors.late(old, raw, LATE_POINTS)
    course.write(lab, late)
    lab.patch(PIPELINE, "env", lateness={"checkEvery": "2h"})  # another plan looks at once
    lab.until(PIPELINE, "env", "has run the late windows", lambda one: one["status"]["lateWindows"] == LATE_HOURS)
    past.settled(lab, "env", stop, seconds)
    days = {sensors.day_of(course.ZONE)(hour) for hour in old}
    again = {stage: set(old) if stage in course.STAGES[:3] else days for stage in course.STAGES}
    assert days < set(windows["daily"])  # others are left alone
    expected = {(stage, one): 1 + (one in again[stage]) for stage, one in before}
    past.in_ledger(lab, expected)
    course.right(lab, raw | late)


def test_four_days_with_one_of_25_hours(lab: Lab) -> None:
    """Five stages over four days of Berlin, 2026-10-25 among them: each value is right, also after 1,000 late points."""
    proven(lab, (2026, 10, 23), (2026, 10, 27), 97, 60)


@pytest.mark.prove
def test_points_that_come_while_windows_run(lab: Lab) -> None:
    """Points go on coming into old hours while these run, and run again: once they have ceased, every value becomes right."""
    start, stop = (sensors.midnight(course.ZONE, 2026, 10, day) for day in (25, 27))
    raw = course.fill(lab, start, stop)
    lab.connect()
    zone, lateness = {"every": "1h", "timezone": course.ZONE}, {"allowed": "3650d", "checkEvery": "5s"}
    lab.create(PIPELINE, "env", past.past(start, stop, course.stages(), window=zone, lateness=lateness))
    late = sensors.late(range(start, stop, HOUR), raw, 900)
    parts, runs = 6, 0
    for part in range(parts):
        course.write(lab, dict(list(late.items())[part::parts]))
        runs = lab.in_influx(
            "more has run", lambda: sum(past.revisions(lab).values()), lambda now, before=runs: now > before
        )
    expected = course.answers(raw | late)
    eventually(
        "every value is right",
        lambda: {bucket: past.points(lab, bucket) for bucket in expected},
        lambda found: found == expected,
        seconds=120,
    )
    past.settled(lab, "env", stop)
    assert max(past.revisions(lab).values()) > 1


@pytest.mark.prove
@pytest.mark.timeout(1500)
def test_thirty_days_with_one_of_25_hours(lab: Lab) -> None:
    """The same over thirty days."""
    proven(lab, (2026, 10, 10), (2026, 11, 9), 721, 600)


@pytest.mark.prove
def test_four_days_with_one_of_23_hours(lab: Lab) -> None:
    """The same over the change of the clock in spring."""
    proven(lab, (2026, 3, 27), (2026, 3, 31), 95, 60)
