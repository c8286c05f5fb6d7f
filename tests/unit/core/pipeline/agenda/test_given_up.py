"""Which windows are due, and which are given up with what would be made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.agenda.due import due
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord, WindowState, given_up
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.restored import recall, restored

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def plan(most: int) -> PipelinePlan:
    """Hours, days of them, months of these."""
    stages = {
        "hours": StageOf(),
        "days": StageOf(cadence("1d"), ("hours",)),
        "months": StageOf(cadence("1mo"), ("days",)),
    }
    return replace(plan_of(stages, BEGIN), max_windows=most)


def hours(first: int, end: int) -> set[tuple[str, Window]]:
    """Hours of the pipeline by number."""
    return {("hours", Window(BEGIN + n * HOUR, BEGIN + (n + 1) * HOUR)) for n in range(first, end)}


def day(number: int) -> tuple[str, Window]:
    """A day of the pipeline by number."""
    return "days", Window(BEGIN + number * DAY, BEGIN + (number + 1) * DAY)


MONTH = ("months", Window(BEGIN, datetime(2026, 12, 1, tzinfo=UTC)))


def test_all_that_has_closed_is_due_when_it_is_not_too_much() -> None:
    """Fifty hours: all of them and both days; nothing is given up."""
    found = due(plan(50), BEGIN, BEGIN + 50 * HOUR)
    assert set(found.places) == hours(0, 50) | {day(0), day(1)}
    assert (found.given_up, found.stranded) == ((), ())


def test_what_is_made_of_a_window_that_is_given_up_is_so_too() -> None:
    """Hours up to the 30th are given up: so are the first day, and the second, which would be made of a part, and the month,
    which has not even closed; the third day runs.
    """
    found = due(plan(44), BEGIN, BEGIN + 74 * HOUR)
    assert set(found.places) == hours(30, 74) | {day(2)}
    assert found.given_up == (("hours", Window(BEGIN + 29 * HOUR, BEGIN + 30 * HOUR)), day(1), MONTH)
    assert set(found.stranded) == {day(1), MONTH}


def test_a_child_that_begins_where_the_last_one_given_up_ends_runs() -> None:
    """Hours up to midnight are given up: the day after runs."""
    found = due(plan(24), BEGIN, BEGIN + 48 * HOUR)
    assert set(found.places) == hours(24, 48) | {day(1)}
    assert set(found.stranded) == {MONTH}


def test_what_has_succeeded_does_not_count_as_waiting() -> None:
    """An old window has failed and holds the watermark back; a thousand later ones have succeeded: it is not given up."""
    place = next(iter(hours(0, 1)))
    records = [WindowRecord(*one, WindowState.SUCCESS) for one in hours(1, 40)]
    records.append(WindowRecord(*place, WindowState.FAILED, script=""))
    found = due(plan(20), BEGIN, BEGIN + 50 * HOUR, hours(1, 40))
    assert (set(found.places), found.given_up) == ({place, *hours(40, 50), day(0), day(1)}, ())
    agenda = restored(plan(20), BEGIN, recall(plan(20), records), BEGIN + 50 * HOUR)
    assert agenda.entries[place].state is WindowState.FAILED
    assert agenda.entries[day(0)].state is WindowState.PENDING


def test_the_mark_of_what_is_stranded_outlives_a_restart() -> None:
    """After the watermark has passed the hours that were given up, only the ledger knows that the day must not run."""
    mark = BEGIN + 47 * HOUR
    records = [given_up(*day(1), now=mark), *(WindowRecord(*one, WindowState.SUCCESS) for one in hours(30, 47))]
    agenda = restored(plan(44), mark, recall(plan(44), records), BEGIN + 48 * HOUR)
    assert set(agenda.entries) == hours(47, 48)
    assert recall(plan(44), records).stranded == {day(1)}
