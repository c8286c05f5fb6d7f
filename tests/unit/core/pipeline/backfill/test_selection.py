"""Which windows a backfill runs: by range, by ledger, by what they are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.core.pipeline.backfill.selection import Refused, Selection, bounds, estimate, select
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.cadence import cadence
from tests.support.backfills import (
    FAILED,
    READY,
    SUCCESS,
    UID,
    Spec,
    all_records,
    at,
    pipeline,
    record,
    rollups,
    stage,
)

NOW = at("2026-03-01T12:00")
DAY = Spec(at("2026-02-03"), at("2026-02-04"))


def chosen(plan: PipelinePlan, spec: Spec, records: list[WindowRecord]) -> Selection:
    return select(plan, spec, bounds(plan, spec, NOW), records, UID)


def names(selection: Selection) -> list[str]:
    """``stage day/hour of its end``, in order."""
    return [f"{one.stage} {one.window.stop:%dT%H}" for one in selection.runs]


def by_stage(selection: Selection) -> dict[str, int]:
    return {name: sum(one.stage == name for one in selection.runs) for name in ("hour", "day", "month")}


def test_a_range_of_which_the_ledger_knows_nothing_runs_whole() -> None:
    """24 hours and their day, the day after its last hour; the month does not lie in the range."""
    selection = chosen(rollups(), DAY, [])
    assert names(selection) == [*(f"hour 03T{hour:02}" for hour in range(1, 24)), "hour 04T00", "day 04T00"]
    assert (selection.total, selection.skipped, selection.message) == (25, 0, "")


def test_newest_first_has_parents_before_children_of_the_same_end() -> None:
    """The day is made of its hours whatever the order is."""
    selection = chosen(rollups(), replace(DAY, order="NewestFirst"), [])
    assert names(selection)[:3] == ["hour 04T00", "day 04T00", "hour 03T23"]


@pytest.mark.parametrize(("reprocess", "count"), [("None", 0), ("Failed", 1), ("Completed", 23)])
def test_reprocess_says_what_is_done_with_windows_that_have_run(reprocess: str, count: int) -> None:
    """One hour failed, 22 succeeded, one is about to be run by the pipeline; their day has not run."""
    plan = rollups()
    records = [one for one in all_records(plan, "2026-02-03", "2026-02-03T23:00") if one.stage == "hour"]
    records[4] = replace(records[4], state=FAILED)
    spec = replace(DAY, reprocess=reprocess, stages=("hour",), include_descendants=False)
    selection = chosen(plan, spec, [*records, record(plan, "hour", "2026-02-04", READY)])
    assert len(selection.runs) == count + (reprocess == "Completed")
    assert selection.skipped == 24 - len(selection.runs)


def test_a_window_that_succeeded_runs_again_when_one_that_it_is_made_of_does() -> None:
    """The hour is missing, so the day that was made without it is made anew, and the month, too, which lies partly outside."""
    plan = rollups()
    records = all_records(plan, "2026-01-31T23:00", "2026-03-01T00:00")
    records = [one for one in records if not (one.stage == "hour" and one.window.stop == at("2026-02-03T05:00"))]
    selection = chosen(plan, DAY, records)
    assert names(selection) == ["hour 03T05", "day 04T00", "month 01T00"]
    assert [one.descendant for one in selection.runs] == [False, True, True]
    assert [one.revision for one in selection.runs] == [1, 2, 2]


def test_without_descendants_only_the_named_stages_run() -> None:
    """Even where what they made was made of something else."""
    plan = rollups()
    records = [one for one in all_records(plan, "2026-01-31T23:00", "2026-03-01T00:00") if one.stage != "hour"]
    assert by_stage(chosen(plan, replace(DAY, include_descendants=False), records)) == {
        "hour": 24,
        "day": 0,
        "month": 0,
    }


def test_a_window_partly_outside_that_never_ran_is_left() -> None:
    """Six hours of a day: the day is for the pipeline, or for a backfill of that day."""
    plan, some = rollups(), Spec(at("2026-02-03T06:00"), at("2026-02-03T12:00"))
    assert by_stage(chosen(plan, some, [])) == {"hour": 6, "day": 0, "month": 0}
    for state, count in ((SUCCESS, 1), (FAILED, 0), (READY, 0)):
        assert by_stage(chosen(plan, some, [record(plan, "day", "2026-02-04", state)]))["day"] == count


def test_a_named_stage_is_not_run_without_those_behind_it() -> None:
    """stages: [day] runs the day and not its hours, which have run by schedule."""
    plan = rollups()
    spec = replace(DAY, stages=("day",), reprocess="Completed")
    selection = chosen(plan, spec, all_records(plan, "2026-02-01", "2026-02-05"))
    assert names(selection) == ["day 04T00"]


def test_what_never_ran_blocks_what_is_made_of_it() -> None:
    """Before the pipeline's begin nobody ran the hours: the day would be made of nothing."""
    spec = replace(DAY, stages=("day",))
    selection = chosen(rollups(begin="2026-02-10"), spec, [])
    assert not selection.runs
    assert [one.message for one in selection.blocked] == [
        "is made of 2026-02-03T00:00:00Z/2026-02-03T01:00:00Z of stage hour, which has never run: name stage hour, too"
    ]
    assert chosen(rollups(begin="2026-02-01"), spec, []).blocked == ()


def test_what_failed_blocks_what_is_made_of_it_unless_it_runs_again() -> None:
    """reprocess: None leaves the failed hour alone, so its day cannot run."""
    plan = rollups()
    records = [record(plan, "hour", "2026-02-03T05:00", FAILED)]
    selection = chosen(plan, DAY, records)
    assert by_stage(selection) == {"hour": 23, "day": 0, "month": 0}
    assert selection.total == 24
    assert "has failed: name stage hour and reprocess: Failed" in selection.blocked[0].message
    again = chosen(plan, replace(DAY, reprocess="Failed"), records)
    assert by_stage(again) == {"hour": 24, "day": 1, "month": 0}


def test_after_a_restart_what_failed_in_it_blocks_and_the_total_is_the_same() -> None:
    """The hour's attempts are spent: the day is blocked by it, and the month behind the day as well."""
    plan = rollups()
    whole = Spec(at("2026-02-01"), at("2026-03-01"))
    first = chosen(plan, whole, [])
    failed = replace(record(plan, "hour", "2026-02-03T05:00", FAILED), backfill=UID)
    selection = chosen(plan, whole, [failed])
    assert {one.stage for one in selection.blocked} == {"day", "month"}
    assert selection.done == (failed,)
    assert selection.total == first.total


def test_what_was_blocked_before_a_run_failed_stays_so() -> None:
    """The day cannot run for an hour that failed by schedule; that one of the backfill fails, too, asks for nothing more."""
    plan = rollups()
    ledger = [
        record(plan, "hour", "2026-02-03T20:00", FAILED),
        record(plan, "day", "2026-02-04"),
        record(plan, "month", "2026-03-01"),
    ]
    first = chosen(plan, DAY, ledger)
    assert [one.stage for one in first.blocked] == ["day"]
    selection = chosen(plan, DAY, [*ledger, replace(record(plan, "hour", "2026-02-03T05:00", FAILED), backfill=UID)])
    assert selection.blocked == first.blocked
    assert selection.total == first.total == 24


def test_a_window_that_is_not_closed_is_left_to_the_schedule() -> None:
    """At noon, with a delay of ten minutes, eleven hours are closed."""
    plan = rollups(delay=600)
    selection = chosen(plan, Spec(at("2026-03-01"), at("2026-03-03")), [])
    assert by_stage(selection) == {"hour": 11, "day": 0, "month": 0}
    assert selection.message == "39 windows of the range were not closed yet and are left to the schedule"


def test_nothing_to_run_says_why() -> None:
    """All have run; or the range holds no whole window."""
    plan = rollups()
    done = chosen(plan, DAY, all_records(plan, "2026-02-03", "2026-02-04"))
    assert done.total == 0
    assert done.message.startswith("all 25 windows of the range have run before")
    short = chosen(plan, Spec(at("2026-02-03T01:10"), at("2026-02-03T01:50")), [])
    assert short.message == (
        "no whole window lies in 2026-02-03T01:10:00Z/2026-02-03T01:50:00Z, so there is nothing to run; a window of stage "
        "hour is 2026-02-03T01:00:00Z/2026-02-03T02:00:00Z"
    )


@pytest.mark.parametrize(
    ("start", "stop", "stages", "reason", "said"),
    [
        ("1969-12-31", "2026-01-01", ("month",), "OutOfRange", "write 1970-01-01T00:00:00Z or later"),
        ("2026-01-01", "2263-01-01", ("month",), "OutOfRange", "write 2262-04-11T00:00:00Z or earlier"),
        ("2026-01-01", "2026-02-01", ("week",), "UnknownStage", "the pipeline's stages are hour, day, month"),
        ("2000-01-01", "2020-01-01", (), "TooManyWindows", "about 182,865 windows of 3 stages"),
        ("2026-03-01T12:00", "2027-01-01", (), "NotClosed", "can run from 2026-03-01T13:00:00Z on"),
        ("2026-03-01T12:00", "2027-01-01", ("month",), "NotClosed", "can run from 2026-05-01T00:00:00Z on"),
    ],
)
def test_what_cannot_be_run_is_refused(start: str, stop: str, stages: tuple[str, ...], reason: str, said: str) -> None:
    """Before the ledger is read, with what to write."""
    with pytest.raises(Refused, match=said) as refused:
        bounds(rollups(), Spec(at(start), at(stop), stages), NOW)
    assert refused.value.reason == reason


def test_descendants_count_for_the_limit() -> None:
    """100 years of days fit; with hours behind them they would not, and they are counted before they are listed."""
    plan = pipeline(stage("a", cadence("1m")), stage("b", cadence("1m"), "a"))
    six_weeks = Spec(at("2026-01-01"), at("2026-02-12"), ("a",))
    with pytest.raises(Refused, match="about 120,960 windows"):
        bounds(plan, six_weeks, NOW)
    assert bounds(plan, replace(six_weeks, include_descendants=False), NOW).count == 60_480


def test_sliding_windows_that_begin_in_the_range_only() -> None:
    """A week each day: of nine days, three windows lie wholly in the range."""
    plan = pipeline(stage("week", cadence("1d", "7d")))
    spec = Spec(at("2026-02-01"), at("2026-02-10"))
    selection = select(plan, spec, bounds(plan, spec, NOW), [], UID)
    assert [one.window.stop for one in selection.runs] == [at("2026-02-08"), at("2026-02-09"), at("2026-02-10")]


def test_an_estimate_is_the_mean_of_each_stage() -> None:
    """24 hours of 2 s and a day of 12 s, four at a time, take 15 s."""
    plan = rollups()
    selection = chosen(plan, DAY, [])
    known = [
        record(plan, "hour", "2026-02-01T01:00", duration=1.0, rows=10),
        record(plan, "hour", "2026-02-01T02:00", duration=3.0, rows=20),
        record(plan, "day", "2026-02-01", duration=12.0, rows=7),
    ]
    found = estimate(selection, known, DAY)
    assert (found.windows, found.seconds, found.rows) == (25, 15.0, 367)
    unknown = estimate(selection, known[:2], DAY)
    assert (unknown.seconds, unknown.rows) == (None, None)
