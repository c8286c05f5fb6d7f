"""With which watermark a pipeline begins: the ledger forgets, a begin is mistyped, a clock is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline.course import MARK_EVERY, MARKS
from influxops.engine.pipeline.loading import load
from tests.support.loading import BEGIN, HOUR, NOON, NOW, PLAN, Ledger, begun, hour
from tests.support.pipeline_plans import StageOf, plan_of


async def test_a_new_pipeline_begins_at_its_begin() -> None:
    ledger = Ledger(None)
    course = await begun(ledger)
    assert (course.watermark, len(course.agenda)) == (BEGIN, 5 * 24)
    assert ledger.marks == [(BEGIN, NOW)]


async def test_what_the_ledger_has_forgotten_is_settled() -> None:
    """It has kept neither records nor watermark while the operator was away, but the status tells how far it was."""
    ledger = Ledger(None)
    course = await begun(ledger, told=NOON - 3 * HOUR)
    assert (course.watermark, len(course.agenda)) == (NOON - 3 * HOUR, 3)
    assert ledger.marks == [(NOON - 3 * HOUR, NOW)]


async def test_the_ledger_goes_before_the_status() -> None:
    """A status that was restored from a backup is older; a start writes nothing that stands there."""
    ledger = Ledger(NOON - HOUR)
    course = await begun(ledger, told=NOON - 9 * HOUR)
    assert (course.watermark, len(course.agenda)) == (NOON - HOUR, 1)
    assert ledger.marks == []


@pytest.mark.parametrize("told", [None, datetime(2027, 1, 1, tzinfo=UTC)])
async def test_a_begin_that_was_mistyped_leaves_nothing_behind(told: datetime | None) -> None:
    """2027 for 2026, corrected a while later: nothing of it is in the ledger, and what the status tells is not believed."""
    ledger = Ledger(None)
    wrong = replace(PLAN, begin=datetime(2027, 1, 1, tzinfo=UTC))
    course = await begun(ledger, wrong)
    assert (course.watermark, len(course.agenda), ledger.marks) == (wrong.begin, 0, [])
    course = await begun(ledger, PLAN, told)
    assert (course.watermark, len(course.agenda)) == (BEGIN, 5 * 24)


async def test_a_begin_that_is_mistyped_for_a_while_forgets_nothing_of_what_was() -> None:
    """2027 for 2026: nothing is run and nothing is given up until it is corrected, and what had failed is still known."""
    failed = hour(1, WindowState.FAILED)
    ledger = Ledger(NOON - 2 * HOUR, [failed])
    course = await begun(ledger, replace(PLAN, begin=datetime(2027, 1, 1, tzinfo=UTC)))
    assert (course.watermark, len(course.agenda)) == (datetime(2027, 1, 1, tzinfo=UTC), 0)
    assert (ledger.written, ledger.marks) == ([], [])
    course = await begun(ledger)
    assert [window.stop for _, window in course.agenda.entries] == [NOON - HOUR, NOON]


async def test_a_watermark_of_a_clock_that_was_ahead_skips_nothing_that_comes() -> None:
    """One of a time to come tells nothing of what has closed by now: the one before it counts."""
    ledger = Ledger(NOON - 3 * HOUR)
    ledger.stands.append((Mark(NOW + timedelta(days=90)), NOW + timedelta(days=90)))
    course = await begun(ledger)
    assert [window.stop for _, window in course.agenda.entries] == [NOON - 2 * HOUR, NOON - HOUR, NOON]
    course.add_due(NOON + HOUR)
    assert [window.stop for _, window in course.agenda.entries][3:] == [NOON + HOUR]


async def test_a_watermark_of_a_clock_that_was_ahead_counts_for_nothing_when_its_time_has_come() -> None:
    """It was three hours ahead, and a window failed after it was set back: at each start later on it is still known to have failed."""
    late = NOW + 3 * HOUR
    ledger = Ledger(NOON - 2 * HOUR, [hour(1, WindowState.FAILED)])
    ledger.stands.append((Mark(NOON + 3 * HOUR), late))
    await begun(ledger)
    assert ledger.written_marks == [(Mark(NOON - 2 * HOUR, BEGIN, 1), NOW)], (
        "at once, before it could be taken for the newest"
    )
    ledger.stands += ledger.written_marks
    loaded = await load(ledger, PLAN, ledger, late + HOUR, None)  # type: ignore[arg-type]
    assert (loaded.course.watermark, loaded.course.era) == (NOON - 2 * HOUR, 1)
    assert ("a", hour(1).window) in loaded.course.agenda
    loaded.course.advance(late + HOUR)
    assert len(ledger.written_marks) == 1, "a start writes nothing that stands there"


async def test_a_watermark_of_a_clock_that_was_ahead_by_a_little_has_settled_all() -> None:
    ledger = Ledger(None)
    ledger.stands = [(Mark(NOW + timedelta(seconds=4)), NOW + timedelta(seconds=4))]
    course = await begun(ledger)
    assert (course.watermark, len(course.agenda)) == (NOW, 0)
    assert ledger.marks == [(NOW, NOW)]


async def test_windows_that_a_clock_that_was_ahead_has_run_too_early_run_again() -> None:
    """It was three hours ahead since ten, and all until three has succeeded, over no points. Of what comes by and by nothing is believed,
    not even that it has failed; a window that was complete by then has run.
    """
    late = NOW + 3 * HOUR
    records = [
        hour(2, finished_at=NOON - HOUR),
        hour(1, finished_at=late),
        hour(0, finished_at=late, revision=3),
        hour(-1, finished_at=late),
        hour(-2, WindowState.FAILED, finished_at=late),
    ]
    ledger = Ledger(NOON - 2 * HOUR, records)
    ledger.stands.append((Mark(NOON + 2 * HOUR), late))
    course = await begun(ledger)
    found = [(entry.window.stop, entry.revision, entry.cause) for entry in course.agenda.entries.values()]
    assert found == [(NOON - HOUR, 2, Cause.LATE_DATA), (NOON, 4, Cause.LATE_DATA)]
    assert [(one.window.stop, one.state, one.cause) for one in ledger.written] == [
        (NOON - HOUR, WindowState.READY, Cause.LATE_DATA),
        (NOON, WindowState.READY, Cause.LATE_DATA),
        (NOON + HOUR, WindowState.READY, Cause.LATE_DATA),
        (NOON + 2 * HOUR, WindowState.READY, Cause.SCHEDULE),
    ], "nothing is given up, and all of them are remembered"
    course.add_due(NOON + 2 * HOUR)
    assert [window.stop for _, window in course.agenda.entries][2:] == [NOON + HOUR, NOON + 2 * HOUR]


async def test_what_a_clock_that_was_ahead_has_run_too_early_runs_again_at_any_later_start() -> None:
    """The pipeline was suspended, or the window waited behind one that had failed, until the wrong clock's time had come."""
    late = NOW + 3 * HOUR
    ledger = Ledger(NOON - HOUR, [hour(n, finished_at=late) for n in (0, -1)])
    await begun(ledger)
    again = Ledger(NOON - HOUR, ledger.written)
    loaded = await load(again, PLAN, again, late + HOUR, None)  # type: ignore[arg-type]
    found = [(entry.window.stop, entry.revision, entry.cause) for entry in loaded.course.agenda.entries.values()]
    assert found[:2] == [(NOON, 2, Cause.LATE_DATA), (NOON + HOUR, 2, Cause.LATE_DATA)]
    assert again.written == []


async def test_a_run_that_ended_before_its_window_is_run_again() -> None:
    """It was begun by a clock that was ahead, and the clock was set right before it ended: its record tells of no time to come."""
    ledger = Ledger(NOON, [*(hour(n, finished_at=NOON - n * HOUR) for n in range(40)), hour(-1, finished_at=NOW)])
    await begun(ledger)
    again = Ledger(NOON, ledger.written)
    loaded = await load(again, PLAN, again, NOW + HOUR, None)  # type: ignore[arg-type]
    assert [window.stop for _, window in loaded.course.agenda.entries] == [NOON + HOUR]


async def test_a_start_with_a_clock_that_is_behind_has_nothing_run_over_a_source_that_has_begun_to_expire() -> None:
    """What had run is taken for run too early, and is to run again: but it has what a run made of all of its source."""
    records = [hour(n, finished_at=NOON - n * HOUR) for n in range(40)]
    ledger = Ledger(None, records, raw=4 * 3600)
    ledger.stands = [(Mark(NOON - n * HOUR, BEGIN), NOON - n * HOUR) for n in range(40)]
    back = NOW - 5 * HOUR
    course = (await load(ledger, PLAN, ledger, back, None)).course  # type: ignore[arg-type]
    course.advance(back)
    kept = {record.window: record for record in [*records, *ledger.written]}
    again = Ledger(None, list(kept.values()), raw=4 * 3600)
    again.stands = [*ledger.stands, *ledger.written_marks]
    entries = (await begun(again)).agenda.entries.values()
    assert {entry.window.stop for entry in entries} == {NOON - n * HOUR for n in range(5)}
    assert {entry.points for entry in entries} == {Points.KEPT}


async def test_late_data_of_windows_that_are_complete_no_more_is_not_forgotten() -> None:
    """watermark.delay was raised to three hours: what the watermark has passed had closed by the former one."""
    late = hour(0, WindowState.READY, revision=2, cause=Cause.LATE_DATA)
    ledger = Ledger(NOON, [late])
    course = await begun(ledger, replace(PLAN, delay=3 * 3600))
    assert list(course.agenda.entries) == [("a", late.window)]


async def test_a_watermark_that_stands_is_written_now_and_then() -> None:
    """A window that fails holds it for days, and the ledger must not forget it meanwhile."""
    ledger = Ledger(NOON - HOUR)
    course = await begun(ledger)
    for minutes in range(0, 185, 5):
        course.advance(NOW + timedelta(minutes=minutes))
    assert {mark for mark, _ in ledger.marks} == {NOON - HOUR}
    times = [when for _, when in ledger.marks]
    assert times == [NOW + n * MARK_EVERY for n in (1, 2, 3)]


async def test_a_pipeline_without_begin_that_is_made_anew_goes_on_where_it_was() -> None:
    """`kubectl replace --force`, or a cluster built again from Git: the object is younger than what the ledger tells of. A day that had begun
    is made of all its hours; one that was under way when the pipeline was first created has never been the pipeline's to run.
    """
    day = StageOf(cadence("1d"), ("a",))
    first = NOON - 36 * HOUR
    plan = plan_of({"a": StageOf(), "day": day}, begin=NOW - timedelta(minutes=5))
    records = [hour(n) for n in range(2, 36)]
    records += [hour(1, WindowState.FAILED), replace(hour(40), backfill="b")]
    ledger = Ledger(NOON - 2 * HOUR, records)
    course = await begun(ledger, replace(plan, begin_given=False))
    assert [(stage, window.stop) for stage, window in course.agenda.entries] == [("a", NOON - HOUR), ("a", NOON)]
    assert (course.plan.begin, ledger.written) == (first, [])
    midnight = NOON + 12 * HOUR
    course.add_due(midnight)
    assert ("day", cadence("1d").latest(midnight)) in course.agenda.entries
    young = await begun(Ledger(NOON - 2 * HOUR, records[:4]), replace(plan, begin_given=False))
    young.add_due(midnight)
    assert ("day", cadence("1d").latest(midnight)) not in young.agenda.entries, (
        "its first hours were before the first object"
    )
    said = await begun(Ledger(NOON - 2 * HOUR, records), plan)
    assert len(said.agenda) == 0, "the spec says where it begins"


@pytest.mark.parametrize("stands", [NOON - HOUR, NOON])
async def test_a_pipeline_without_begin_goes_on_with_its_begin_whatever_a_backfill_has_run_since(
    stands: datetime,
) -> None:
    """All of the hours that it knows of were run again by a backfill of the last days, and the object was made anew. The day that is under
    way had begun before; that is so at each later start, too, when the watermark has passed the object's creation.
    """
    plan = plan_of({"a": StageOf(), "day": StageOf(cadence("1d"), ("a",))}, begin=NOON - timedelta(minutes=5))
    plan = replace(plan, begin_given=False)
    ledger = Ledger(None, [hour(n, backfill="b", revision=2) for n in range(20)])
    ledger.stands = [(Mark(stands, NOON - 20 * HOUR), NOW - HOUR)]
    course = await begun(ledger, plan)
    assert course.plan.begin == NOON - 20 * HOUR
    course.advance(NOW + MARK_EVERY)
    assert ledger.written_marks[-1][0] == Mark(NOON, NOON - 20 * HOUR)
    midnight = NOON + 12 * HOUR
    course.add_due(midnight)
    assert ("day", cadence("1d").latest(midnight)) in course.agenda.entries


async def test_what_is_left_out_at_a_start_is_told() -> None:
    """begin was moved to after windows that had failed."""
    ledger = Ledger(NOON - 4 * HOUR, [hour(n, WindowState.FAILED) for n in (3, 2)])
    loaded = await load(ledger, replace(PLAN, begin=NOON - HOUR), ledger, NOW, None)  # type: ignore[arg-type]
    assert [(stage, window.stop) for stage, window in loaded.dropped] == [("a", NOON - 2 * HOUR)]


async def test_in_an_outage_of_weeks_watermarks_are_not_kept_one_by_one() -> None:
    """Windows are given up meanwhile, for more wait than catchUp.maxWindows; when the ledger takes them, the newest is written."""
    ledger = Ledger(None)
    course = await begun(ledger, replace(PLAN, max_windows=2))
    ledger.takes = False
    for number in range(1, 500):
        course.add_due(NOON + number * HOUR)
        course.advance(NOON + number * HOUR)
    assert course.watermark == NOON + 497 * HOUR
    assert len(ledger.marks) <= MARKS
    ledger.takes = True
    course.advance(NOON + 499 * HOUR)
    assert ledger.marks[-1] == (NOON + 497 * HOUR, NOON + 499 * HOUR)
    course.advance(NOON + 499 * HOUR)
    assert course.kept == course.watermark


def reading(plan: PipelinePlan = PLAN, most: int = 1000) -> PipelinePlan:
    """The plan, whose stage reads bucket raw."""
    stage = replace(plan.stages["a"], source=Source("raw", "m", "v"))
    return replace(plan, stages={"a": stage}, max_windows=most)


async def test_windows_that_succeeded_longer_ago_than_the_ledger_keeps_do_not_run_again() -> None:
    """One failed four days ago and holds the watermark. The ledger keeps two days, and the source a day: those in between have run, as
    far as anybody knows, and what they read is gone.
    """
    kept = [hour(number) for number in range(48)]
    ledger = Ledger(NOON - 96 * HOUR, kept, kept=48 * 3600, raw=24 * 3600)
    loaded = await load(ledger, reading(), ledger, NOW, None)  # type: ignore[arg-type]
    assert not len(loaded.course.agenda)
    assert [(stage, window.stop) for stage, window in loaded.forgotten] == [("a", NOON - 48 * HOUR)]
    assert (loaded.given_up, ledger.written) == ((), [])
    loaded.course.advance(NOW)
    assert loaded.course.watermark == NOON


@pytest.mark.parametrize(("kept", "raw", "windows"), [(48, 72, 24), (48, 0, 48)])
async def test_windows_that_can_be_made_again_run(kept: int, raw: int, windows: int) -> None:
    """Of four days the last two have run. The source is whole for ``raw`` hours, less half an hour, and the ledger's records for ``kept``."""
    records = [hour(number) for number in range(48)]
    ledger = Ledger(NOON - 96 * HOUR, records, kept=kept * 3600, raw=raw * 3600)
    loaded = await load(ledger, reading(), ledger, NOW, None)  # type: ignore[arg-type]
    assert windows - 1 <= len(loaded.course.agenda) <= windows


async def test_a_mark_that_is_older_than_what_is_read_has_its_window_run() -> None:
    """A backfill of an old range was deleted in the middle of a run, or late data came in and nobody was there for long."""
    ready = hour(90, WindowState.READY, revision=2, cause=Cause.REPAIR)
    ledger = Ledger(NOON, [ready, hour(89, WindowState.FAILED), hour(88)])
    course = (await load(ledger, PLAN, ledger, NOW, None)).course  # type: ignore[arg-type]
    assert list(course.agenda.entries) == [("a", ready.window)]
    assert course.agenda.entries["a", ready.window].revision == 2


async def test_what_is_given_up_at_a_start_does_not_come_back_at_the_next() -> None:
    """It had failed, and more than spec.catchUp.maxWindows newer ones wait."""
    failed = hour(4, WindowState.FAILED, revision=2, cause=Cause.REPAIR)
    ledger = Ledger(NOON - 5 * HOUR, [failed])
    await load(ledger, replace(PLAN, max_windows=2), ledger, NOW, None)  # type: ignore[arg-type]
    assert ledger.written == [replace(failed, cause=Cause.GIVEN_UP)]


async def test_a_catch_up_that_is_under_way_goes_on_after_a_start() -> None:
    """Newest first: the oldest have not run, and the watermark stands at the begin. Nothing is lost of the ledger."""
    ledger = Ledger(BEGIN, [hour(number) for number in range(48)], raw=96 * 3600)
    loaded = await load(ledger, reading(), ledger, NOW, None)  # type: ignore[arg-type]
    assert (len(loaded.course.agenda), loaded.forgotten) == (5 * 24 - 48, ())


@pytest.mark.parametrize("kept", [96, 0])
async def test_keeping_records_for_longer_brings_none_back(kept: int) -> None:
    """The ledger's bucket was told to keep more, as its event advises: of what it has forgotten it still knows nothing."""
    ledger = Ledger(NOON - 96 * HOUR, [hour(number) for number in range(48)], kept=kept * 3600, raw=24 * 3600)
    loaded = await load(ledger, reading(), ledger, NOW, None)  # type: ignore[arg-type]
    assert not len(loaded.course.agenda)
    assert [window.stop for _, window in loaded.forgotten] == [NOON - 48 * HOUR]


async def test_what_has_failed_long_ago_holds_back_what_is_made_of_it() -> None:
    """A late window failed and its day was to run again; days later the day must not run without it."""
    plan = plan_of({"a": StageOf(), "day": StageOf(cadence("1d"), ("a",))}, begin=BEGIN)
    day = cadence("1d").latest(NOON - 72 * HOUR)
    late = replace(hour(0), window=Window(day.start, day.start + HOUR), state=WindowState.FAILED, revision=2)
    records = [
        replace(late, cause=Cause.LATE_DATA),
        WindowRecord("day", day, WindowState.READY, 2, cause=Cause.UPSTREAM),
        *(hour(n) for n in range(40)),
    ]
    ledger = Ledger(NOON, records)
    course = (await load(ledger, plan, ledger, NOW, None)).course  # type: ignore[arg-type]
    assert {place: entry.state for place, entry in course.agenda.entries.items()} == {
        ("a", late.window): WindowState.FAILED,
        ("day", day): WindowState.PENDING,
    }
    course.add_due(NOON + HOUR)
    course.advance(NOW)
    assert course.watermark == NOON, "it is held by nothing"


async def test_a_new_pipeline_is_told_nothing_of_what_never_ran() -> None:
    """Its begin is older than what its ledger keeps, and than its source."""
    ledger = Ledger(None, kept=48 * 3600, raw=24 * 3600)
    loaded = await load(ledger, reading(), ledger, NOW, None)  # type: ignore[arg-type]
    assert (loaded.forgotten, len(loaded.course.agenda)) == ((), 5 * 24)


async def test_a_long_ledger_is_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a window that has failed long ago there may be more records than memory has room for."""
    monkeypatch.setattr("influxops.core.pipeline.agenda.recalled.AT_ONCE", 30)
    ledger = Ledger(NOON - 96 * HOUR, [hour(number) for number in range(95)])
    loaded = await load(ledger, PLAN, ledger, NOW, None)  # type: ignore[arg-type]
    assert (len(loaded.course.agenda), loaded.records) == (1, 95)
    assert len(ledger.reads) == 5
