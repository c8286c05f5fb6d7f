"""The agenda: nothing starts before what it is made of, everything starts in the end, and nothing is lost or counted twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.entry import Entry, Place
from influxops.core.pipeline.agenda.neighbours import Neighbours
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, Points, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.edges import parents_of
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of

NOW = datetime(2026, 3, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY, DAILY, SLIDING = cadence("1h"), cadence("1d"), cadence("1d", period="3d")
CHAIN = plan_of({"a": StageOf(HOURLY), "b": StageOf(HOURLY, ("a",)), "day": StageOf(DAILY, ("b",))})
GRIDS = [cadence("6h"), cadence("6h", period="12h"), DAILY, SLIDING]
"""Each may stand behind those before it."""
LANES = ["", "u1", "u2"]
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def hour(number: int) -> Window:
    """The hour that begins so many hours after NOW."""
    return Window(NOW + number * HOUR, NOW + (number + 1) * HOUR)


def every(stage: str) -> bool:
    """All circuits are closed."""
    return True


def start(agenda: Agenda, lane: str = "") -> Entry:
    """What starts next."""
    entry = agenda.take(NOW, every, lane)
    assert entry is not None
    return entry


def test_a_window_waits_for_all_that_it_is_made_of() -> None:
    agenda = Agenda(CHAIN)
    for number in range(24):
        agenda.add("b", hour(number), NOW)
    day = agenda.add("day", Window(NOW, NOW + 24 * HOUR), NOW)
    for _ in range(24):
        assert day.state is WindowState.PENDING
        agenda.succeeded(start(agenda), NOW)
    assert start(agenda) is day


def test_oldest_and_newest_first_and_parents_before_children() -> None:
    for newest_first, expected in ((False, [0, 1, 2]), (True, [2, 1, 0])):
        agenda = Agenda(CHAIN)
        for number in (1, 0, 2):
            agenda.add("a", hour(number), NOW, newest_first=newest_first)
        assert [start(agenda).window for _ in range(3)] == [hour(number) for number in expected]


def test_what_changed_while_it_ran_runs_once_more() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA, revision=2)
    assert agenda.succeeded(entry, NOW) is entry
    assert (entry.state, entry.revision, entry.attempt) == (WindowState.READY, 2, 0)
    assert start(agenda) is entry
    assert agenda.succeeded(entry, NOW) is None


def test_a_child_that_runs_when_its_parent_comes_back_runs_after_it() -> None:
    agenda = Agenda(CHAIN)
    child = agenda.add("b", hour(0), NOW)
    start(agenda)
    agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA)
    agenda.succeeded(child, NOW)
    assert child.state is WindowState.PENDING
    agenda.succeeded(start(agenda), NOW)
    assert start(agenda) is child


def test_a_retry_waits_for_its_time_and_for_its_turn() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.failed(entry, NOW, "no", NOW + HOUR)
    assert agenda.next_retry() == NOW + HOUR
    assert agenda.take(NOW, every) is None
    assert agenda.take(NOW + HOUR, every) is entry
    assert agenda.next_retry() is None
    assert entry.attempt == 2


def test_a_retry_waits_no_longer_for_a_clock_that_was_set_back() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.failed(entry, NOW, "no", NOW + HOUR)
    agenda.earlier(3 * HOUR)
    assert agenda.next_retry() == NOW - 2 * HOUR
    assert agenda.take(NOW - 2.5 * HOUR, every) is None
    assert agenda.take(NOW - 2 * HOUR, every) is entry


def test_a_retry_of_a_window_that_was_dropped_meanwhile_is_forgotten() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.failed(entry, NOW, "no", NOW + HOUR)
    agenda.drop(entry, NOW)
    assert agenda.take(NOW + HOUR, every) is None
    agenda.add("a", hour(0), NOW)
    assert agenda.take(NOW + HOUR, every) is not entry


def test_an_attempt_without_a_verdict_does_not_count() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.abandoned(entry, NOW)
    assert start(agenda).attempt == 1


def test_a_stage_that_is_left_alone_does_not_hold_up_the_others() -> None:
    agenda = Agenda(CHAIN)
    agenda.add("a", hour(0), NOW)
    agenda.add("b", hour(1), NOW)
    assert agenda.take(NOW, lambda stage: stage != "a") is agenda.entries["b", hour(1)]


def test_what_the_pipeline_wants_is_not_dropped_with_a_backfill_that_wants_it_too() -> None:
    """Late data was found in a window that a backfill is about to run; then the backfill is deleted."""
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW, cause=Cause.BACKFILL, backfill="u1")
    assert agenda.oldest_stop(LONG_AGO) is None
    agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA)
    assert agenda.oldest_stop(LONG_AGO) == hour(0).stop
    agenda.drop_backfill("u1", NOW)
    assert start(agenda) is entry


def test_adopting_a_window_that_runs_moves_its_run_to_the_own_lane() -> None:
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW, cause=Cause.BACKFILL, backfill="u1")
    start(agenda, "u1")
    agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA)
    assert (agenda.running("u1"), agenda.running("")) == (0, 1)
    agenda.succeeded(entry, NOW)
    assert start(agenda) is entry


def test_the_failed_window_behind_which_others_wait_is_found_from_both_ends() -> None:
    agenda = Agenda(CHAIN)
    failed = agenda.add("a", hour(0), NOW)
    child = agenda.add("b", hour(0), NOW)
    day = agenda.add("day", Window(NOW, NOW + 24 * HOUR), NOW)
    other = agenda.add("b", hour(30), NOW)
    agenda.failed(start(agenda), NOW, "no", None)
    assert agenda.failed_before(day.place) is failed
    assert agenda.failed_before(other.place) is None
    assert [(one.place, by) for one, by in agenda.behind_failed(9)] == [(child.place, failed), (day.place, failed)]
    assert len(agenda.behind_failed(1)) == 1


def test_a_stuck_pipeline_of_many_windows_is_told_fast() -> None:
    """One window failed and fifty thousand wait for others: looking who waits for it is no walk over all of them."""
    agenda = Agenda(CHAIN)
    for number in range(5000):
        agenda.add("a", hour(number), NOW)
        agenda.add("b", hour(number), NOW)
    agenda.failed(start(agenda), NOW, "no", None)
    looked = 0
    children = Neighbours.children

    def counted(self: Neighbours, place: Place) -> object:
        nonlocal looked
        looked += 1
        return children(self, place)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Neighbours, "children", counted)
        assert agenda.behind_failed(50)
    assert looked < 10


def test_a_verdict_given_twice_is_refused() -> None:
    """A run cannot end twice: the second verdict would let one run more than allowed start."""
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW)
    start(agenda)
    agenda.succeeded(entry, NOW)
    with pytest.raises(ValueError, match="does not run"):
        agenda.failed(entry, NOW, "late", None)
    assert agenda.running() == 0


@st.composite
def plans(draw: st.DrawFn) -> PipelinePlan:
    """Three to six stages, each behind some of those before it."""
    count = draw(st.integers(3, 6))
    ranks = sorted(draw(st.lists(st.integers(0, len(GRIDS) - 1), min_size=count, max_size=count)))
    stages: dict[str, StageOf] = {}
    for number, rank in enumerate(ranks):
        before = [f"s{other}" for other in range(number)]
        after = draw(st.lists(st.sampled_from(before), unique=True, max_size=3)) if before else []
        stages[f"s{number}"] = StageOf(GRIDS[rank], tuple(after))
    return plan_of(stages)


class AgendaMachine(RuleBasedStateMachine):
    """Anything in any order; beside it a list of what is to be on the agenda."""

    @initialize(plan=plans())
    def begin(self, plan: PipelinePlan) -> None:
        self.plan = plan
        self.agenda = Agenda(plan)
        self.now = NOW
        self.wanted: set[Place] = set()
        self.running: list[Entry] = []
        self.stale: set[Place] = set()
        """Those that run on a source that has changed."""

    def _window(self, data: st.DataObject) -> Place:
        stage = data.draw(st.sampled_from(self.plan.graph.order))
        windows = list(self.plan.stages[stage].cadence.between(NOW - 48 * HOUR, NOW))
        return stage, data.draw(st.sampled_from(windows))

    def _parents(self, place: Place) -> set[Place]:
        own = self.plan.stages[place[0]].cadence
        return {
            (parent, window)
            for parent in self.plan.graph.parents[place[0]]
            for window in parents_of(own, place[1], self.plan.stages[parent].cadence)
        }

    @rule(
        data=st.data(),
        lane=st.sampled_from(LANES),
        cause=st.sampled_from([Cause.SCHEDULE, Cause.LATE_DATA, Cause.UPSTREAM]),
    )
    def add(self, data: st.DataObject, lane: str, cause: Cause) -> None:
        place = self._window(data)
        if place in self.wanted:
            self.stale |= {one.place for one in self.running} & {place}
        else:
            self.stale |= {one.place for one in self.running if place in self._parents(one.place)}
        self.wanted.add(place)
        self.agenda.add(*place, self.now, cause=Cause.BACKFILL if lane else cause, backfill=lane)

    @rule(lane=st.sampled_from(LANES), open_=st.sampled_from(["", "s0", "s1"]))
    def take(self, lane: str, open_: str) -> None:
        entry = self.agenda.take(self.now, lambda stage: stage != open_, lane)
        if entry is None:
            startable = [
                one
                for one in self.agenda.entries.values()
                if one.lane == lane and one.state is WindowState.READY and one.not_before is None and one.stage != open_
            ]
            assert not startable, "something may start and is not taken"
            return
        assert entry.stage != open_
        assert entry.lane == lane
        assert not self._parents(entry.place) & self.wanted, "it is made of something that has not run"
        self.running.append(entry)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["succeeded", "succeeded", "retry", "failed", "abandoned"]))
    def end(self, data: st.DataObject, how: str) -> None:
        entry = data.draw(st.sampled_from(self.running))
        self.running.remove(entry)
        stale = entry.place in self.stale
        self.stale.discard(entry.place)
        match how:
            case "succeeded":
                assert (self.agenda.succeeded(entry, self.now) is entry) == stale
                self.wanted -= set() if stale else {entry.place}
            case "retry":
                self.agenda.failed(entry, self.now, "no", self.now + HOUR)
            case "failed":
                self.agenda.failed(entry, self.now, "no", None)
                assert (entry.state is WindowState.FAILED) != stale
            case _:
                self.agenda.abandoned(entry, self.now)
        if stale:
            assert entry.state in {WindowState.READY, WindowState.PENDING}

    @rule(lane=st.sampled_from(LANES[1:]))
    def drop_backfill(self, lane: str) -> None:
        gone = {one.place for one in self.agenda.entries.values() if one.lane == lane and one not in self.running}
        self.agenda.drop_backfill(lane, self.now)
        self.wanted -= gone

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        idle = [one for one in self.agenda.entries.values() if one.state is not WindowState.RUNNING]
        if idle:
            entry = data.draw(st.sampled_from(idle))
            self.agenda.drop(entry, self.now)
            self.wanted.remove(entry.place)

    @rule()
    def revive(self) -> None:
        self.agenda.revive(self.now, lambda _: True)

    @rule(minutes=st.integers(-30, 90))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "agenda"):
            return
        entries = self.agenda.entries
        assert set(entries) == self.wanted
        runs = Counter(one.lane for one in self.running)
        assert {lane: self.agenda.running(lane) for lane in LANES} == {lane: runs[lane] for lane in LANES}
        for place, entry in entries.items():
            behind = len(self._parents(place) & self.wanted)
            assert entry.blockers == behind
            assert (entry in self.running) == (entry.state is WindowState.RUNNING)
            if entry.state in {WindowState.READY, WindowState.PENDING}:
                assert (entry.state is WindowState.READY) == (behind == 0)
        own = [one.window.stop for one in entries.values() if not one.lane]
        assert self.agenda.oldest_stop(LONG_AGO) == min(own, default=None)
        retries = [one.not_before for one in entries.values() if one.not_before is not None]
        assert self.agenda.next_retry() == min(retries, default=None)

    def teardown(self) -> None:
        """Whatever happened, everything runs in the end."""
        if not hasattr(self, "agenda"):
            return
        for entry in self.running:
            self.agenda.abandoned(entry, self.now)
        for _ in range(10_000):
            if not self.agenda.entries:
                return
            self.now += 10 * HOUR
            self.agenda.revive(self.now, lambda _: True)
            started = [one for lane in LANES if (one := self.agenda.take(self.now, every, lane)) is not None]
            assert started, "nothing may start, and not everything has run"
            for entry in started:
                self.agenda.succeeded(entry, self.now)
        raise AssertionError("no end")


TestAgendaMachine = AgendaMachine.TestCase
TestAgendaMachine.settings = settings(max_examples=60, stateful_step_count=40)


def test_a_window_that_stays_failed_does_not_keep_the_ends_of_all_that_come_after_it() -> None:
    """It holds the watermark, and a year of minutes would be half a million of them."""
    agenda = Agenda(plan_of({"a": StageOf(HOURLY)}))
    agenda.failed(_taken(agenda, hour(0)), NOW, "no", None)
    for number in range(1, 1000):
        agenda.succeeded(_taken(agenda, hour(number)), NOW)
        assert agenda.oldest_stop(LONG_AGO) == hour(0).stop
    assert len(agenda._stops) < 100


def _taken(agenda: Agenda, window: Window) -> Entry:
    agenda.add("a", window, NOW)
    return start(agenda)


def emptied(*, replaces: bool) -> tuple[Agenda, Entry, Entry]:
    """Four windows of a backfill and what is made of them by schedule: one was abandoned, one waits for its next attempt, one has failed,
    and one has not begun. The second and the third of them.
    """
    plan = plan_of({"a": StageOf(HOURLY), "b": StageOf(HOURLY, ("a",))})
    plan = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], replace=replaces)})
    agenda = Agenda(plan)
    for number in range(4):
        agenda.add("a", hour(number), NOW, cause=Cause.BACKFILL, revision=2, backfill="u1")
        agenda.add("b", hour(number), NOW)
    agenda.abandoned(start(agenda, "u1"), NOW)
    tried = start(agenda, "u1")
    tried.points = Points.EMPTIED if replaces else Points.UNKNOWN
    agenda.failed(tried, NOW, "no", NOW + HOUR)
    failed = start(agenda, "u1")
    failed.points = Points.EMPTIED if replaces else Points.UNKNOWN
    agenda.failed(failed, NOW, "no", None)
    return agenda, tried, failed


def test_what_replace_may_have_deleted_for_a_backfill_is_run_to_its_end() -> None:
    """The backfill is deleted after an attempt that came to nothing: the pipeline runs the window."""
    agenda, tried, failed = emptied(replaces=True)
    assert agenda.drop_backfill("u1", NOW) == [tried, failed]
    assert (tried.lane, tried.backfill, tried.cause) == ("", "", Cause.REPAIR)
    assert (failed.lane, failed.backfill, failed.cause) == ("", "", Cause.BACKFILL)
    ran = [start(agenda), start(agenda)]
    assert {entry.stage for entry in ran} == {"b"}, "of the window that was let be, and of the one that was not begun"
    assert agenda.take(NOW, every) is None, (
        "one waits for its next attempt, and holds up what is made of it; so does the one that failed"
    )
    assert agenda.take(NOW + HOUR, every) is tried
    assert agenda.counts()[WindowState.FAILED] == 1
    assert agenda.oldest_stop(LONG_AGO) == min(entry.window.stop for entry in agenda.entries.values())
    assert agenda.revive(NOW, lambda _: True) == [failed], "as the user asks for"


def test_what_an_earlier_run_made_is_known_to_be_there() -> None:
    """Late data, or what it is made of, also when it has failed; and what has run while its source changed. What never ran has nothing."""
    for cause, points in (
        (Cause.LATE_DATA, Points.KEPT),
        (Cause.UPSTREAM, Points.KEPT),
        (Cause.SCHEDULE, Points.UNKNOWN),
    ):
        agenda = Agenda(CHAIN)
        agenda.add("a", hour(0), NOW, cause=cause, revision=2)
        agenda.failed(start(agenda), NOW, "no", None)
        assert [entry.points for entry in agenda.revive(NOW, lambda _: True)] == [points]
    entry = start(agenda)
    agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA)
    assert agenda.succeeded(entry, NOW) is entry
    assert entry.points is Points.KEPT


def test_what_the_pipeline_owes_stays_so_when_a_backfill_wants_it_too() -> None:
    """A late window has failed: when the backfill fails on it as well, it is still late data that was not taken in."""
    agenda = Agenda(CHAIN)
    entry = agenda.add("a", hour(0), NOW, cause=Cause.LATE_DATA, revision=2)
    agenda.failed(start(agenda), NOW, "no", None)
    agenda.add("a", hour(0), NOW, cause=Cause.BACKFILL, revision=3, backfill="u1")
    assert (entry.state, entry.lane, entry.cause) == (WindowState.READY, "", Cause.LATE_DATA)


def test_the_watermark_is_not_held_by_what_it_has_passed() -> None:
    """Late data ran a window again, which failed: the ledger remembers it at whatever age."""
    agenda = Agenda(CHAIN)
    for number in (0, 5):
        agenda.add("a", hour(number), NOW)
    assert agenda.oldest_stop(hour(0).stop) == hour(5).stop
    assert agenda.oldest_stop(hour(5).stop) is None


def test_without_replace_windows_of_a_deleted_backfill_are_let_be() -> None:
    agenda, *_ = emptied(replaces=False)
    assert agenda.drop_backfill("u1", NOW) == []
    assert {entry.stage for entry in agenda.entries.values()} == {"b"}
