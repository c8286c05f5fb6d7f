"""With which watermark a pipeline begins: the ledger forgets, a begin is mistyped, a clock is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from influxops.core.pipeline.ledger import Mark, Marks, marks_before
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline.course import MARK_EVERY, MARKS, Course
from influxops.engine.pipeline.loading import load
from tests.support.pipeline_plans import StageOf, plan_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = NOW.replace(minute=0)
BEGIN = NOON - timedelta(days=5)
PLAN = plan_of({"a": StageOf()}, begin=BEGIN)


class Ledger:
    """Link, port and writer in one: a ledger with these records, in a bucket that keeps them for ``kept`` seconds."""

    def __init__(
        self, watermark: datetime | None, records: Sequence[WindowRecord] = (), kept: int = 0, raw: int = 0
    ) -> None:
        self.stands = [] if watermark is None else [(Mark(watermark), NOW - HOUR)]
        """Marks, and when they were written."""
        self.records = records
        buckets = {name: SimpleNamespace(retention=seconds) for name, seconds in (("ledger", kept), ("raw", raw))}
        self.snapshot = SimpleNamespace(buckets=buckets)
        self.reads: list[tuple[datetime, datetime]] = []
        self.written: list[WindowRecord] = []
        self.org_id = "o"
        self.written_marks: list[tuple[Mark, datetime]] = []
        """And when."""
        self.takes = True
        """Whether what is written is kept."""

    async def run(self, name: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        """As a link does."""
        return await request(self)

    async def ledger_watermark(self, _: str, __: str, ___: str, before: datetime) -> Marks:
        """Of those that were written before."""
        return marks_before(self.stands, before)

    async def ledger_records(self, _: str, __: str, ___: str, start: datetime, stop: datetime) -> list[WindowRecord]:
        """Of windows that begin within."""
        self.reads.append((start, stop))
        return [one for one in self.records if start <= one.window.start < stop]

    async def ledger_left(self, _: str, __: str, ___: str, before: datetime) -> list[datetime]:
        """Of records that are no SUCCESS and begin before."""
        return sorted(
            {
                one.window.start
                for one in self.records
                if one.state is not WindowState.SUCCESS and one.window.start < before
            }
        )

    def put(self, record: WindowRecord) -> None:
        """Write one."""
        self.written.append(record)

    def watermark(self, mark: Mark, now: datetime) -> int:
        """Write one."""
        self.written_marks.append((mark, now))
        return len(self.written_marks)

    @property
    def marks(self) -> list[tuple[datetime, datetime]]:
        """(watermark, when), as written."""
        return [(mark.stop, when) for mark, when in self.written_marks]

    def has(self, _: int) -> bool:
        """It writes at once, or not at all."""
        return self.takes


def hour(number: int, state: WindowState = WindowState.SUCCESS, **more: Any) -> WindowRecord:
    """The record of the hour that ends so many hours before noon."""
    stop = NOON - number * HOUR
    return replace(WindowRecord("a", Window(stop - HOUR, stop), state), **more)


async def begun(ledger: Ledger, plan: PipelinePlan = PLAN, told: datetime | None = None) -> Course:
    """As the loop begins, with its first turn."""
    course = (await load(ledger, plan, ledger, NOW, told)).course  # type: ignore[arg-type]
    course.advance(NOW)
    return course


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


DAILY = plan_of({"a": StageOf(), "day": StageOf(cadence("1d"), ("a",))}, begin=BEGIN)
BETWEEN = plan_of({"a": StageOf(), "x": StageOf(after=("a",)), "day": StageOf(cadence("1d"), ("x",))}, begin=BEGIN)
DAYS = [WindowRecord("day", cadence("1d").latest(NOON), WindowState.SUCCESS)]


async def test_a_stage_that_is_put_between_two_others_makes_up_for_what_has_begun() -> None:
    """Today is made of hours that the new stage would have run since midnight. A start in the middle of that goes on with the rest."""
    ledger = Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS])
    course = await begun(ledger, BETWEEN)
    entries = list(course.agenda.entries.values())
    assert [(entry.stage, entry.window.stop) for entry in entries] == [
        ("x", NOON - n * HOUR) for n in range(11, -1, -1)
    ]
    assert [(one.stage, one.window, one.state) for one in ledger.written] == [
        ("x", entry.window, WindowState.READY) for entry in entries
    ]
    assert course.watermark == NOON
    done = [replace(one, state=WindowState.SUCCESS) for one in ledger.written[:5]]
    later = Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS, *done, *ledger.written[5:]])
    course = await begun(later, BETWEEN)
    assert [window.stop for _, window in course.agenda.entries] == [NOON - n * HOUR for n in range(6, -1, -1)]
    assert (await begun(Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS]), DAILY)).agenda.entries == {}


LONG = WindowRecord("a", Window(NOON - 12 * HOUR, NOON - 5 * HOUR), WindowState.SUCCESS)
TODAY = WindowRecord("day", cadence("1d").latest(NOON + 12 * HOUR), WindowState.SUCCESS)


def between(stage: str, *numbers: int, **more: Any) -> list[WindowRecord]:
    """Records of the hours that end so many before noon."""
    return [replace(hour(n, **more), stage=stage) for n in numbers]


async def made_up(records: Sequence[WindowRecord], plan: PipelinePlan = BETWEEN) -> list[int]:
    """How many hours before noon the windows of x end that a start has run, whose ledger has these, and a and the days of late."""
    ledger = Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS, *records])
    course = await begun(ledger, plan)
    assert {stage for stage, _ in course.agenda.entries} <= {"x"}
    return [round((NOON - window.stop) / HOUR) for _, window in course.agenda.entries]


async def test_a_stage_that_was_away_for_a_while_makes_up_for_what_it_has_missed() -> None:
    """It was taken out of the spec at nine, or yesterday, and is back at noon; and nothing runs again."""
    assert await made_up(between("x", *range(3, 40))) == [2, 1, 0]
    assert await made_up(between("x", *range(20, 40))) == [*range(11, -1, -1)]
    assert await made_up(between("x", *range(40))) == []


async def test_what_was_made_up_for_in_part_when_the_operator_died_is_made_up_for() -> None:
    """Only the first records had been written."""
    marks = between("x", 11, 10, state=WindowState.READY, cause=Cause.REPAIR)
    assert await made_up(marks) == [*range(11, -1, -1)]


@pytest.mark.parametrize(
    "records",
    [
        between("x", *range(5)),
        [*between("x", *range(5)), *between("x", 11, backfill="b")],
        [*between("x", *range(20, 40)), *between("x", 0, state=WindowState.FAILED, cause=Cause.GIVEN_UP)],
        [*between("x", *range(5), *range(12, 40)), replace(LONG, stage="x")],
        [*between("x", *range(3, 40)), replace(TODAY, state=WindowState.FAILED, cause=Cause.GIVEN_UP)],
        [*between("x", *range(2, 40)), *between("x", 1, 0, state=WindowState.FAILED, backfill="b")],
    ],
    ids=["older-than-known", "backfill", "given-up", "another-grid", "stranded", "not-succeeded"],
)
async def test_what_is_settled_without_a_record_is_not_made_up_for(records: list[WindowRecord]) -> None:
    assert await made_up(records) == []


async def test_a_window_that_begins_too_early_needs_nothing_and_the_one_after_it_does() -> None:
    """Windows of eight hours at every hour, and the pipeline began five hours ago."""
    stages = {"a": StageOf(), "x": StageOf(after=("a",)), "c": StageOf(cadence("1h", "8h"), ("x",))}
    ledger = Ledger(NOON, [hour(n) for n in range(5)])
    course = await begun(ledger, plan_of(stages, begin=NOON - 5 * HOUR))
    assert [(stage, window.stop) for stage, window in course.agenda.entries] == [
        ("x", NOON - n * HOUR) for n in range(4, -1, -1)
    ]


async def test_a_stage_that_would_have_too_much_to_make_up_for_strands_what_has_begun() -> None:
    """It is told, and today is not made of a part."""
    ledger = Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS])
    loaded = await load(ledger, replace(BETWEEN, max_windows=5), ledger, NOW, None)  # type: ignore[arg-type]
    assert [(stage, window.stop) for stage, window in loaded.given_up] == [("x", NOON)]
    today = cadence("1d").following(cadence("1d").latest(NOON))
    assert [(one.stage, one.window, one.cause) for one in ledger.written] == [("day", today, Cause.GIVEN_UP)]
    assert ("day", today) in loaded.course.stranded


@pytest.mark.parametrize(("raw", "runs"), [(6, False), (48, True)])
async def test_a_stage_whose_source_has_begun_to_expire_makes_up_for_nothing(raw: int, runs: bool) -> None:
    """It would be made of a part; so would the stage behind it that is new, too, and today."""
    stages = {
        "a": StageOf(),
        "x": StageOf(after=("a",), source=Source("raw", "m", "v")),
        "y": StageOf(after=("x",)),
        "day": StageOf(cadence("1d"), ("y",)),
    }
    ledger = Ledger(NOON, [*(hour(n) for n in range(40)), *DAYS], raw=raw * 3600)
    loaded = await load(ledger, plan_of(stages, begin=BEGIN), ledger, NOW, None)  # type: ignore[arg-type]
    today = cadence("1d").following(cadence("1d").latest(NOON))
    assert len(loaded.course.agenda) == (24 if runs else 0)
    assert [(stage, window.stop) for stage, window in loaded.expired] == ([] if runs else [("x", NOON), ("y", NOON)])
    assert (("day", today) in loaded.course.stranded) is not runs
    assert loaded.given_up == ()


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
