"""catchUp.maxWindows: what is given up, by a start and while the pipeline runs, takes with it what would be made of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.catch_up import keep_newest
from influxops.core.pipeline.agenda.due import due
from influxops.core.pipeline.agenda.recalled import Recalled
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.restored import restored

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(days=10)


def plan(limit: int) -> PipelinePlan:
    """Days made of hours."""
    stages = {"hours": StageOf(), "days": StageOf(cadence("1d"), after=("hours",))}
    return replace(plan_of(stages, BEGIN), max_windows=limit)


def kept(found: Agenda, stage: str) -> list[datetime]:
    """Ends of a stage's windows on the agenda."""
    return sorted(window.stop for name, window in found.entries if name == stage)


def test_a_window_made_of_one_that_is_given_up_is_given_up_too() -> None:
    """Of ten days 50 hours are left: two whole days; the third would be made of two hours."""
    found = due(plan(50), BEGIN, NOW)
    assert [window.stop for stage, window in found.places if stage == "days"] == [NOW - 24 * HOUR, NOW]
    assert {stage: window.stop for stage, window in found.given_up} == {
        "hours": NOW - 50 * HOUR,
        "days": NOW - 48 * HOUR,
    }


def test_nothing_is_given_up_that_fits() -> None:
    found = due(plan(240), BEGIN, NOW)
    assert (len(found.places), found.given_up) == (250, ())
    agenda = restored(plan(240), BEGIN, Recalled(plan(240)), NOW)
    assert keep_newest(agenda, NOW, BEGIN).newest == ()
    assert len(agenda) == 250


def test_the_agenda_is_kept_short_while_nothing_runs() -> None:
    """As hour after hour comes on, the oldest go, and a day with the first of its hours; what runs stays."""
    agenda = restored(plan(50), BEGIN, Recalled(plan(50)), NOW)
    running = agenda.take(NOW, lambda _: True)
    assert running is not None
    for number in range(1, 4):
        window = cadence("1h").stopping_at(NOW + number * HOUR)
        assert window is not None
        agenda.add("hours", window, NOW)
        found = keep_newest(agenda, NOW, BEGIN)
    assert {stage: window.stop for stage, window in found.newest} == {"hours": NOW - 47 * HOUR, "days": NOW - 24 * HOUR}
    assert kept(agenda, "hours") == [running.window.stop, *(NOW + number * HOUR for number in range(-46, 4))]
    assert kept(agenda, "days") == [NOW]
    assert agenda.take(NOW, lambda stage: stage == "days") is None, "its hours have not run"


def test_what_has_failed_is_named_for_the_ledger() -> None:
    """A restart would take it up again otherwise."""
    agenda = Agenda(plan(1))
    for number in (1, 2):
        window = cadence("1h").stopping_at(BEGIN + number * HOUR)
        assert window is not None
        agenda.add("hours", window, NOW)
        entry = agenda.take(NOW, lambda _: True)
        assert entry is not None
        agenda.failed(entry, NOW, "broken", None)
    found = keep_newest(agenda, NOW, BEGIN)
    assert [(entry.window.stop, entry.state) for entry in found.marked] == [(BEGIN + HOUR, WindowState.FAILED)]
    assert kept(agenda, "hours") == [BEGIN + 2 * HOUR]


def test_what_the_watermark_has_passed_is_not_given_up() -> None:
    """A window that a backfill has left empty, of long ago, is not the oldest of too many: it must run, and its day has run."""
    agenda = Agenda(plan(1))
    for number in (1, 30):
        window = cadence("1h").stopping_at(BEGIN + number * HOUR)
        assert window is not None
        agenda.add("hours", window, NOW, cause=Cause.REPAIR, revision=2)
    found = keep_newest(agenda, NOW, BEGIN + HOUR)
    assert (found.newest, len(agenda)) == ((), 2)
    found = keep_newest(agenda, NOW, BEGIN)
    assert [entry.window.stop for entry in found.marked] == [BEGIN + HOUR], "the ledger has a mark of it"
