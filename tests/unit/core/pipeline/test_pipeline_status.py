"""The status of a pipeline: what went wrong in words, and no flapping."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.core.outcome import Done, Outcome, Reason, Stalled
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.circuit import Circuit
from influxops.core.pipeline.pipeline_status import (
    MAX_EXCEPTIONS,
    PipelineFacts,
    exceptions,
    overdue,
    pipeline_status,
    stage_facts,
)
from influxops.core.pipeline.record import Cause, WindowState
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLAN = plan_of({"a": StageOf(), "b": StageOf(after=("a",))})
READY = Done(Reason.SYNCED, "2 stages run")


def hour(number: int) -> Window:
    """The hour that begins so many hours after NOW."""
    return Window(NOW + number * HOUR, NOW + (number + 1) * HOUR)


def circuits() -> dict[str, Circuit]:
    """Closed ones."""
    return {name: Circuit(3, 60) for name in PLAN.stages}


def failed_agenda(count: int = 1) -> Agenda:
    """So many hours of both stages; the first of stage a has failed."""
    agenda = Agenda(PLAN)
    for number in range(count):
        agenda.add("a", hour(number), NOW)
        agenda.add("b", hour(number), NOW)
    entry = agenda.take(NOW, lambda _: True)
    assert entry is not None
    agenda.failed(entry, NOW, "no such field", None)
    return agenda


def facts(agenda: Agenda) -> PipelineFacts:
    """What a loop would tell."""
    found = circuits()
    return PipelineFacts(
        watermark=NOW,
        counts=agenda.counts(),
        stages=stage_facts(agenda, found, {}),
        exceptions=exceptions(agenda, found),
    )


def types(status: dict[str, Any]) -> set[str]:
    """Of the conditions."""
    return {one["type"] for one in status["conditions"]}


def status_of(
    facts: PipelineFacts, outcome: Outcome = READY, previous: dict[str, Any] | None = None, at: datetime = NOW
) -> dict[str, Any]:
    """The status."""
    return pipeline_status(previous or {}, outcome, facts, 1, at)


def test_a_failed_window_and_the_one_behind_it_are_named_with_the_cause() -> None:
    shown = exceptions(failed_agenda(), circuits())
    assert [(one["stage"], one["state"], one["reason"]) for one in shown] == [
        ("a", "FAILED", "RunFailed"),
        ("b", "PENDING", "UpstreamFailed"),
    ]
    assert "stage a" in shown[1]["message"]
    assert shown[0]["message"] == "no such field"


def test_a_window_behind_those_of_a_suspended_backfill_says_for_whom_it_waits() -> None:
    """It has not failed, and it will not run before somebody resumes or deletes the backfill."""
    agenda = Agenda(PLAN)
    agenda.add("a", hour(0), NOW, cause=Cause.BACKFILL, backfill="u1")
    agenda.add("b", hour(0), NOW)
    agenda.add("b", hour(5), NOW)
    assert exceptions(agenda, circuits()) == ()
    (shown,) = exceptions(agenda, circuits(), suspended={"u1": "february"})
    assert (shown["stage"], shown["state"], shown["reason"]) == ("b", "PENDING", "BackfillSuspended")
    assert "InfluxBackfill february" in shown["message"]
    assert "resume or delete it" in shown["message"]


def test_no_more_than_people_read_are_shown_and_failures_come_first() -> None:
    agenda = failed_agenda(200)
    for number in range(-100, 0):
        agenda.add("a", hour(number), NOW, cause=Cause.LATE_DATA)
    shown = exceptions(agenda, circuits())
    assert len(shown) == MAX_EXCEPTIONS
    assert [one["state"] for one in shown].count("FAILED") == 1


def test_nothing_but_the_clock_has_moved_so_nothing_is_written() -> None:
    first = status_of(facts(failed_agenda()))
    assert types(first) == {"Ready", "Failing"}
    assert status_of(facts(failed_agenda()), previous=first, at=NOW + HOUR) == first


def test_a_restart_does_not_let_conditions_flap_before_the_ledger_has_been_read() -> None:
    before = status_of(facts(failed_agenda()))
    restarted = status_of(PipelineFacts(), previous=before, at=NOW + HOUR)
    assert restarted == before
    mended = status_of(facts(Agenda(PLAN)), previous=restarted, at=NOW + HOUR)
    assert types(mended) == {"Ready"}


def test_a_fault_in_the_spec_and_a_failed_window_are_both_told() -> None:
    before = status_of(facts(failed_agenda()))
    told = status_of(PipelineFacts(), Stalled(Reason.INVALID_SPEC, "no stages"), before)
    assert types(told) == {"Ready", "Stalled", "Failing"}
    assert told["windows"] == before["windows"]


def test_a_ledger_that_cannot_be_read_is_told_before_anything_is_known() -> None:
    assert "LedgerBehind" in types(status_of(PipelineFacts(ledger_trouble="forbidden")))


def test_a_circuit_that_is_tried_again_is_told_with_a_time_of_this_age() -> None:
    agenda, found = failed_agenda(), circuits()
    for _ in range(3):
        found["a"].failed(NOW)
    found["a"].started()
    found["a"].abandoned(NOW + HOUR)
    told = status_of(PipelineFacts(stages=stage_facts(agenda, found, {})))
    message = next(one["message"] for one in told["conditions"] if one["type"] == "CircuitOpen")
    assert "2026-01-01T01:00:00Z" in message


def test_only_the_schedules_own_windows_can_miss_the_deadline() -> None:
    agenda = Agenda(replace(PLAN, deadline=3600))
    agenda.add("a", hour(-5), NOW, cause=Cause.LATE_DATA)
    agenda.add("a", hour(-4), NOW, backfill="u1")
    assert overdue(agenda, NOW) is None
    agenda.add("a", hour(-3), NOW)
    agenda.add("a", hour(-2), NOW)
    assert overdue(agenda, NOW) == hour(-3)
    assert overdue(Agenda(PLAN), NOW) is None


def test_windows_of_a_backfill_are_not_counted_as_a_stages_own() -> None:
    agenda = Agenda(PLAN)
    agenda.add("a", hour(0), NOW, backfill="u1")
    agenda.add("a", hour(1), NOW)
    assert [(one.name, one.waiting) for one in stage_facts(agenda, circuits(), {})] == [("a", 1), ("b", 0)]
    assert agenda.counts()[WindowState.READY] == 1
