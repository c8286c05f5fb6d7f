"""The status of a backfill: phases, counts, rate, lists with an end, and no change where nothing has changed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.api.influxbackfill import InfluxBackfillStatus
from influxops.core.pipeline.backfill.selection import Blocked, Refused, Selection, bounds, estimate, select
from influxops.core.pipeline.backfill.status import Progress, View, backfill_status, looked_at_again, terminal
from influxops.core.pipeline.record import WindowRecord, WindowState
from tests.support.backfills import FAILED, SUCCESS, UID, Spec, at, record, rollups

NOW = at("2026-03-01T12:00")
PLAN = rollups()
DAY = Spec(at("2026-02-03"), at("2026-02-04"))


def selected(spec: Spec = DAY, *records: WindowRecord) -> Selection:
    return select(PLAN, spec, bounds(PLAN, spec, NOW), records, UID)


def end(progress: Progress, selection: Selection, number: int, state: WindowState = SUCCESS, second: float = 0) -> None:
    """One of the runs has ended, so many seconds after NOW."""
    one = selection.runs[number]
    made = WindowRecord(one.stage, one.window, state, backfill=UID, error="division by zero" if state is FAILED else "")
    progress.ended(made, NOW + timedelta(seconds=second))


def status(progress: Progress | None, view: View = View(), previous: dict[str, Any] | None = None) -> dict[str, Any]:
    """Which the CRD's model takes."""
    made = backfill_status(previous or {}, progress, view, 3, NOW)
    InfluxBackfillStatus.model_validate(made)
    return made


def condition(made: dict[str, Any], name: str = "Ready") -> tuple[str, str] | None:
    return next(((one["status"], one["reason"]) for one in made["conditions"] if one["type"] == name), None)


def test_running_tells_progress_rate_and_end() -> None:
    """Five ends in two seconds are two a second; twenty more take ten."""
    selection = selected()
    progress = Progress(selection)
    for number in range(5):
        end(progress, selection, number, second=number / 2)
    made = status(progress)
    assert (made["phase"], made["progress"], made["total"], made["rate"]) == ("Running", "5/25", 25, "2/s")
    assert made["eta"] == "2026-03-01T12:00:13Z"
    assert condition(made) == ("False", "Running")
    assert condition(made, "Reconciling") == ("True", "Running")
    assert not terminal(made)


def test_rate_is_of_the_last_minute() -> None:
    """An end of an hour ago does not slow it down."""
    selection = selected()
    progress = Progress(selection)
    end(progress, selection, 0)
    for number in range(1, 4):
        end(progress, selection, number, second=3600 + number)
    assert progress.rate == 1.0


def test_success_is_told_once_all_windows_have_succeeded() -> None:
    """Ready is True, which kubectl wait waits for; rate and eta are gone."""
    selection = selected()
    progress = Progress(selection)
    for number in range(25):
        assert not progress.complete
        end(progress, selection, number, second=number)
    assert status(progress)["phase"] == "Running", "the ledger has not been asked"
    made = status(progress, View(over=True, finished_at=NOW))
    assert (made["phase"], made["progress"], made["succeeded"]) == ("Succeeded", "25/25", 25)
    assert condition(made) == ("True", "Succeeded")
    assert (made["startedAt"], made["finishedAt"]) == ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z")
    assert "rate" not in made
    assert "eta" not in made
    assert terminal(made)


def test_failure_tells_windows_that_failed_and_what_could_not_run_behind_them() -> None:
    """One hour failed, and its day never became ready."""
    selection = selected()
    progress = Progress(selection)
    for number in range(24):
        end(progress, selection, number, FAILED if number == 4 else SUCCESS)
    day = selection.runs[24]
    stuck = Blocked("day", day.window, "waits for an hour")
    made = status(progress, View(over=True, stuck=(stuck,)))
    assert (made["phase"], made["failed"], made["progress"]) == ("Failed", 1, "24/25")
    assert [(one["stage"], one["message"]) for one in made["failures"]] == [
        ("hour", "division by zero"),
        ("day", "waits for an hour"),
    ]
    assert condition(made, "Stalled") == ("True", "Failed")
    assert made["conditions"][0]["message"].startswith("1 of 25 windows failed and 1 window could not run")
    assert terminal(made)


def test_a_window_that_fails_and_then_succeeds_counts_once() -> None:
    """A later revision repairs it."""
    selection = selected()
    progress = Progress(selection)
    end(progress, selection, 0, FAILED)
    end(progress, selection, 0, SUCCESS)
    assert (progress.succeeded, progress.failed, progress.left) == (1, 0, 24)


def test_after_a_restart_the_counts_go_on() -> None:
    """What the ledger tells of this backfill is counted, and when it began is known."""
    done = replace(record(PLAN, "hour", "2026-02-03T01:00"), backfill=UID, duration=2.0, finished_at=NOW)
    made = status(Progress(selected(DAY, done)))
    assert (made["progress"], made["succeeded"], made["startedAt"]) == ("1/25", 1, "2026-03-01T11:59:58Z")


@pytest.mark.parametrize(
    ("view", "phase", "ready"),
    [
        (View(waits="the pipeline is not there"), "Pending", ("Unknown", "DependencyNotReady")),
        (View(refused=Refused("SourceExpired", "too old")), "Refused", ("False", "SourceExpired")),
        (View(suspended=True), "Suspended", ("False", "Suspended")),
    ],
)
def test_phases_before_anything_runs(view: View, phase: str, ready: tuple[str, str]) -> None:
    """With their reason, and with the counts that were told before, should there be any."""
    selection = selected()
    made = status(Progress(selection) if view.suspended else None, view, {"total": 25, "progress": "7/25"})
    assert (made["phase"], condition(made), made["total"]) == (phase, ready, 25)


def test_nothing_to_run_has_succeeded() -> None:
    """And says why."""
    selection = selected(Spec(at("2026-02-03T01:10"), at("2026-02-03T01:20")))
    made = status(Progress(selection), View(selection=selection, over=True))
    assert made["phase"] == "Succeeded"
    assert "no whole window lies in" in made["conditions"][0]["message"]


def test_a_dry_run_lists_windows_and_estimates() -> None:
    """At most a hundred windows; nothing counts as started."""
    spec = Spec(at("2026-02-03"), at("2026-02-10"))
    selection = selected(spec)
    known = [record(PLAN, "hour", "2026-02-01T01:00", duration=2.0), record(PLAN, "day", "2026-02-01", duration=12.0)]
    made = status(None, View(dry_run=estimate(selection, known, spec), selection=selection))
    assert made["phase"] == "Succeeded"
    assert made["estimate"] == {"windows": 175, "duration": "1m45s"}
    assert len(made["windows"]) == 100
    assert made["windows"][0] == {
        "stage": "hour",
        "window": {"start": "2026-02-03T00:00:00Z", "stop": "2026-02-03T01:00:00Z"},
    }
    assert "startedAt" not in made


def test_lists_have_an_end() -> None:
    """Of hundreds of failures the oldest twenty; long messages are cut."""
    spec = Spec(at("2026-02-03"), at("2026-02-10"))
    selection = selected(spec)
    progress = Progress(selection)
    for one in reversed(selection.runs):
        progress.ended(WindowRecord(one.stage, one.window, FAILED, error="x" * 5000), NOW)
    made = status(progress)
    assert len(made["failures"]) == 20
    assert made["failures"][0]["window"]["start"] == "2026-02-03T00:00:00Z"
    assert len(made["failures"][0]["message"]) == 1024


@given(st.lists(st.tuples(st.integers(0, 24), st.sampled_from([SUCCESS, FAILED]), st.integers(0, 300)), max_size=60))
def test_the_same_again_is_the_same(ends: list[tuple[int, WindowState, int]]) -> None:
    """Whatever has happened: a status of later with nothing new is equal, so that it is not written; counts add up."""
    selection = selected()
    progress = Progress(selection)
    for number, state, second in sorted(ends, key=lambda one: one[2]):
        end(progress, selection, number, state, second)
    first = backfill_status({}, progress, View(), 1, NOW)
    InfluxBackfillStatus.model_validate(first)
    assert backfill_status(first, progress, View(), 1, NOW + timedelta(hours=9)) == first
    assert progress.succeeded + progress.failed + progress.left == 25


def test_a_visit_that_was_asked_for_is_echoed_before_and_after_the_end() -> None:
    """And one that is over speaks of the present spec again after a change of suspend, with all else as it was."""
    selection = selected()
    progress = Progress(selection)
    assert backfill_status({}, progress, View(), 1, NOW, "then")["lastHandledReconcileAt"] == "then"
    over = backfill_status({}, progress, View(over=True), 1, NOW)
    again = looked_at_again(over, 2, "now")
    assert again == {
        **over,
        "observedGeneration": 2,
        "conditions": [{**one, "observedGeneration": 2} for one in over["conditions"]],
        "lastHandledReconcileAt": "now",
    }
    assert looked_at_again(over, 1, "") == over
