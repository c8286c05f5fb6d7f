"""A crash at any point: what the ledger holds by then is enough to run all that is left, and nothing is skipped."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.circuit import Circuit
from influxops.core.pipeline.agenda.due import next_window
from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.agenda.inserted import inserted
from influxops.core.pipeline.agenda.invalid import invalidated
from influxops.core.pipeline.agenda.restore import dropped, horizon
from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.edges import parents_of
from influxops.engine.pipeline.course import Course, again
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.restored import recall, restored

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
SHAPES = [
    {"a": StageOf(), "b": StageOf(after=("a",)), "day": StageOf(cadence("1d"), ("b",))},
    {"a": StageOf(), "b": StageOf(), "week": StageOf(cadence("1d", period="7d"), ("a", "b"))},
    {
        "six": StageOf(cadence("6h", period="12h")),
        "day": StageOf(cadence("1d"), ("six",)),
        "end": StageOf(cadence("1d"), ("day",)),
    },
]


def test_late_data_in_a_window_that_a_backfill_waits_for_outlives_both() -> None:
    """The backfill is deleted and the process ends before the window has run: the mark in the ledger has it run all the same."""
    plan = replace(plan_of({"a": StageOf()}, begin=BEGIN), allowed=86_400)
    now = BEGIN + 12 * HOUR
    window = plan.stages["a"].cadence.latest(BEGIN + 3 * HOUR)
    agenda = Agenda(plan)
    agenda.add("a", window, now, cause=Cause.BACKFILL, revision=2, backfill="b")
    mark = again(agenda.add("a", window, now, cause=Cause.LATE_DATA, revision=2))
    agenda.drop_backfill("b", now)
    assert ("a", window) in agenda
    assert ("a", window) in restored(plan, now, recall(plan, [mark]), now)


@dataclass
class Ledger:
    """What was written, line by line; a crash keeps the first lines only. Stands in for the writer, too."""

    lines: list[WindowRecord | datetime] = field(default_factory=list)

    def put(self, record: WindowRecord) -> None:
        """Write a record."""
        self.lines.append(record)

    def watermark(self, mark: Mark, now: datetime) -> int:
        """Write a watermark."""
        marks = [one for one in self.lines if isinstance(one, datetime)]
        assert not marks or marks[-1] <= mark.stop, "it goes back"
        self.lines.append(mark.stop)
        return len(self.lines)

    def has(self, mark: int) -> bool:
        """Whether it is written."""
        return len(self.lines) >= mark

    def records(self) -> dict[Place, WindowRecord]:
        """The last of each window, as InfluxDB keeps it."""
        return {(one.stage, one.window): one for one in self.lines if isinstance(one, WindowRecord)}

    def course(self, plan: PipelinePlan, now: datetime) -> Course:
        """Begin with what stands here, as ``engine.pipeline.loading`` does."""
        mark = next((one for one in reversed(self.lines) if isinstance(one, datetime)), plan.begin)
        start = horizon(plan, mark, now)
        records = [
            one for one in self.records().values() if one.window.start >= start or one.state is not WindowState.SUCCESS
        ]
        circuits = {name: Circuit(99, 1) for name in plan.stages}
        recalled = recall(plan, records)
        assert inserted(plan, mark, recalled, start) == {}, "nothing is missing in ordinary life"
        agenda = restored(plan, mark, recalled, now)
        return Course(plan, plan, agenda, self, circuits, mark, max(mark, now), next_window(plan, now))  # type: ignore[arg-type]


def step(plan: PipelinePlan, course: Course, now: datetime, dice: random.Random, chance: float) -> None:
    """Start one window and end it, or end without a verdict."""
    entry = course.agenda.take(now, lambda _: True)
    if entry is None:
        return
    for parent in plan.graph.parents[entry.stage]:
        own, other = plan.stages[entry.stage].cadence, plan.stages[parent].cadence
        for window in parents_of(own, entry.window, other):
            assert (parent, window) not in course.agenda
    record = WindowRecord(entry.stage, entry.window, WindowState.SUCCESS, entry.revision, entry.attempt, entry.cause)
    match dice.random():
        case roll if roll < chance / 2:
            course.agenda.failed(entry, now, "no", None)
            course.writer.put(replace(record, state=WindowState.FAILED, error="no"))
        case roll if roll < chance:
            course.agenda.abandoned(entry, now)
        case _:
            course.agenda.succeeded(entry, now)
            course.writer.put(record)


def late(plan: PipelinePlan, course: Course, ledger: Ledger, now: datetime, dice: random.Random) -> None:
    """Late data in one window that has succeeded: it and what is made of it run again, as ``engine.pipeline.aside`` has it."""
    known = ledger.records()
    done = sorted(place for place, one in known.items() if one.state is WindowState.SUCCESS)
    if not done:
        return
    marks = [
        again(course.agenda.add(stage, window, now, cause=cause, revision=known[stage, window].revision + 1))
        for stage, window, cause in invalidated(plan, [dice.choice(done)], now, known=known)
        if (stage, window) in known
    ]
    for mark in reversed(marks):
        ledger.put(mark)


def honest(plan: PipelinePlan, course: Course, ledger: Ledger, now: datetime) -> None:
    """At or below the watermark everything closed has succeeded, or is to run again and on the agenda."""
    records = ledger.records()
    for name, stage in plan.stages.items():
        for window in stage.cadence.between(plan.begin, course.watermark):
            if window.start >= plan.begin and (name, window) not in course.agenda:
                assert records[name, window].state is WindowState.SUCCESS, (
                    "the watermark passed a window that never ran"
                )
    assert course.watermark <= now


@settings(max_examples=40)
@given(
    shape=st.sampled_from(SHAPES),
    seed=st.integers(0, 10**9),
    steps=st.integers(0, 150),
    kept=st.floats(0, 1),
    newest=st.booleans(),
)
def test_after_a_crash_at_any_line_of_the_ledger_everything_runs_and_late_windows_run_again(
    shape: dict[str, StageOf], seed: int, steps: int, kept: float, newest: bool
) -> None:
    dice = random.Random(seed)
    plan = replace(plan_of(shape, begin=BEGIN), newest_first=newest, allowed=30 * 86400)
    ledger, now = Ledger(), BEGIN + 20 * HOUR
    ledger.watermark(Mark(plan.begin), now)
    course = ledger.course(plan, now)
    for _ in range(steps):
        now += timedelta(minutes=dice.choice([0, 0, 0, 20, 300]))
        course.add_due(now)
        step(plan, course, now, dice, 0.2)
        if dice.random() < 0.08:
            late(plan, course, ledger, now, dice)
        if dice.random() < 0.1:
            course.revive(now, lambda _: True)
        course.advance(now)
        honest(plan, course, ledger, now)
    del ledger.lines[1 + round(kept * (len(ledger.lines) - 1)) :]
    before = len(ledger.lines)
    unsettled = {place: one.revision for place, one in ledger.records().items() if one.state is not WindowState.SUCCESS}
    now += dice.choice([0, 1, 50]) * HOUR
    course = ledger.course(plan, now)
    course.revive(now, lambda _: True)
    for _ in range(3000):
        course.advance(now)
        if not len(course.agenda):
            break
        step(plan, course, now, dice, 0.0)
    honest(plan, course, ledger, now)
    assert not len(course.agenda), "no end"
    records = ledger.records()
    for name, stage in plan.stages.items():
        for window in stage.cadence.between(plan.begin, now):
            if window.start >= plan.begin:
                assert records[name, window].state is WindowState.SUCCESS, "a window was skipped"
    ran = {(one.stage, one.window) for one in ledger.lines[before:] if isinstance(one, WindowRecord)}
    assert unsettled.keys() <= ran, "what had failed or was to run again did not"
    assert course.watermark == max(stage.cadence.latest(now).stop for stage in plan.stages.values())


def test_a_failed_window_stays_failed_until_its_script_changes() -> None:
    plan = plan_of({"a": StageOf()}, begin=BEGIN)
    now = BEGIN + HOUR
    window = plan.stages["a"].cadence.latest(now)
    record = WindowRecord("a", window, WindowState.FAILED, revision=3, attempt=2, error="no", script="")
    entry = restored(plan, BEGIN, recall(plan, [record]), now).entries["a", window]
    assert (entry.state, entry.attempt, entry.revision, entry.error) == (WindowState.FAILED, 2, 3, "no")
    changed = replace(record, script="another")
    entry = restored(plan, BEGIN, recall(plan, [changed]), now).entries["a", window]
    assert (entry.state, entry.cause, entry.revision) == (WindowState.READY, Cause.REPAIR, 4)


def test_what_a_backfill_or_a_gap_left_below_the_watermark_is_not_the_schedules() -> None:
    plan = plan_of({"a": StageOf()}, begin=BEGIN)
    now = BEGIN + 9 * HOUR
    window = plan.stages["a"].cadence.latest(BEGIN + 2 * HOUR)
    for cause in (Cause.BACKFILL, Cause.GIVEN_UP, Cause.SCHEDULE):
        record = WindowRecord("a", window, WindowState.FAILED, cause=cause)
        assert ("a", window) not in restored(plan, BEGIN + 8 * HOUR, recall(plan, [record]), now)


def replacing(*failed: WindowRecord) -> tuple[PipelinePlan, Agenda]:
    """Hours and days of them, where the hours replace what is there; the watermark has passed half of the first day."""
    plan = plan_of({"a": StageOf(), "day": StageOf(cadence("1d"), ("a",))}, begin=BEGIN)
    plan = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], replace=True)})
    return plan, restored(plan, BEGIN + 12 * HOUR, recall(plan, failed), BEGIN + 12 * HOUR)


def test_what_is_made_of_a_window_that_a_backfill_has_left_empty_waits_for_it() -> None:
    """With Replace its points are deleted and its run has failed."""
    window = cadence("1h").latest(BEGIN + 5 * HOUR)
    failed = WindowRecord("a", window, WindowState.FAILED, 2, 1, cause=Cause.BACKFILL, backfill="b", error="no")
    failed = replace(failed, points=Points.EMPTIED)
    _, agenda = replacing(failed)
    entry = agenda.entries["a", window]
    assert (entry.state, entry.lane, entry.error) == (WindowState.FAILED, "", "no")
    agenda.add("day", cadence("1d").latest(BEGIN + 24 * HOUR), BEGIN + 24 * HOUR)
    assert agenda.take(BEGIN + 24 * HOUR, lambda _: True) is None
    plain = plan_of({"a": StageOf()}, begin=BEGIN)
    assert ("a", window) in restored(plain, BEGIN + 12 * HOUR, recall(plain, [failed]), BEGIN + 12 * HOUR), (
        "whatever the stage says now"
    )
    kept = replace(failed, points=Points.UNKNOWN)
    assert not len(replacing(kept)[1]), (
        "one of a backfill that has left the points as they were is the backfill's matter"
    )
    assert entry.emptied


def test_a_window_whose_run_a_backfill_had_begun_may_be_run_to_its_end_by_it_or_without_it() -> None:
    """Its mark says whose it was: it is the pipeline's own, unless the backfill is there and takes it up."""
    window = cadence("1h").latest(BEGIN + 5 * HOUR)
    _, agenda = replacing(
        WindowRecord("a", window, WindowState.READY, 1, cause=Cause.REPAIR, backfill="b", points=Points.EMPTIED)
    )
    entry = agenda.entries["a", window]
    assert (entry.state, entry.lane, entry.backfill, entry.emptied) == (WindowState.READY, "", "b", True)


def test_what_only_a_backfill_wants_is_not_taken_up_by_the_pipeline() -> None:
    """Its window had failed and a circuit that closed had it run again; the window has kept its points."""
    window = cadence("1h").latest(BEGIN + 5 * HOUR)
    for state in (WindowState.READY, WindowState.FAILED):
        record = WindowRecord("a", window, state, 3, cause=Cause.REPAIR, backfill="b")
        assert not len(replacing(record)[1])


def test_what_late_data_had_run_again_is_known_to_have_points_when_its_script_is_corrected() -> None:
    window = cadence("1h").latest(BEGIN + 5 * HOUR)
    record = WindowRecord(
        "a", window, WindowState.FAILED, 2, 1, cause=Cause.LATE_DATA, script="another", points=Points.KEPT
    )
    for one in (record, replace(record, state=WindowState.READY, points=Points.UNKNOWN)):
        entry = replacing(one)[1].entries["a", window]
        assert (entry.state, entry.points) == (WindowState.READY, Points.KEPT)


def test_what_is_given_up_at_a_start_is_marked_so_and_what_is_owed_is_not_given_up() -> None:
    """Two windows wait at most; of five above the watermark one has failed long ago, and late data came for another."""
    plan = replace(plan_of({"a": StageOf()}, begin=BEGIN), max_windows=2)
    grid, now = cadence("1h"), BEGIN + 5 * HOUR
    failed = WindowRecord("a", grid.latest(BEGIN + HOUR), WindowState.FAILED, 2, cause=Cause.REPAIR)
    late = WindowRecord("a", grid.latest(BEGIN + 2 * HOUR), WindowState.READY, 2, cause=Cause.LATE_DATA)
    recalled = recall(plan, [failed, late])
    agenda = restored(plan, BEGIN, recalled, now)
    assert sorted(window.stop.hour for _, window in agenda.entries) == [2, 4, 5]
    assert dropped(BEGIN, recalled, agenda) == [failed]
    assert dropped(BEGIN + HOUR, recalled, agenda) == []


def test_a_window_of_a_former_grid_does_not_come_back() -> None:
    """The spec had hours when this one failed, and has days now: a stage of days is not to run an hour."""
    plan = plan_of({"a": StageOf(cadence("1d"))}, begin=BEGIN)
    now = BEGIN + 72 * HOUR
    window = cadence("1h").latest(BEGIN + 5 * HOUR)
    for state in (WindowState.READY, WindowState.FAILED):
        record = WindowRecord("a", window, state, 2, cause=Cause.LATE_DATA)
        assert ("a", window) not in restored(plan, BEGIN + 48 * HOUR, recall(plan, [record]), now)


def test_what_is_to_run_again_at_or_below_the_watermark_does_and_the_rest_is_settled() -> None:
    plan = plan_of({"a": StageOf()}, begin=BEGIN)
    grid, mark = plan.stages["a"].cadence, BEGIN + 5 * HOUR
    for back in (0, 2):
        record = WindowRecord("a", grid.latest(mark - back * HOUR), WindowState.READY, 2, cause=Cause.LATE_DATA)
        assert list(restored(plan, mark, recall(plan, [record]), mark).entries) == [("a", record.window)]
    assert not len(restored(plan, mark, recall(plan, []), mark))


def test_records_of_a_stage_that_the_plan_no_longer_has_are_ignored() -> None:
    plan = plan_of({"a": StageOf()}, begin=BEGIN)
    now = BEGIN + HOUR
    record = WindowRecord("gone", plan.stages["a"].cadence.latest(now), WindowState.READY)
    assert list(restored(plan, BEGIN, recall(plan, [record]), now).entries) == [
        ("a", plan.stages["a"].cadence.latest(now))
    ]
