"""What runs again when windows have changed: exactly the windows that are made of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.agenda.invalid import invalidated
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause
from influxops.core.pipeline.windows.cadence import Cadence, cadence
from influxops.core.pipeline.windows.edges import edge_fault, parents_of
from influxops.core.pipeline.windows.window import Window
from tests.support.pipeline_plans import StageOf, plan_of

BEGIN = datetime(2026, 3, 20, tzinfo=UTC)
END = BEGIN + timedelta(days=20)  # Berlin changes its clock on 29 March
BERLIN = "Europe/Berlin"
CADENCES = [
    cadence("15m"),
    cadence("1h"),
    cadence("1h", "3h"),
    cadence("1h", "24h"),
    cadence("1d", zone=BERLIN),
    cadence("1d", "7d", zone=BERLIN),
    cadence("7d", zone=BERLIN),
    cadence("1mo", zone=BERLIN),
]


def hours(start: int, length: int = 1) -> Window:
    return Window(BEGIN + timedelta(hours=start), BEGIN + timedelta(hours=start + length))


def day(number: int) -> Window:
    return hours(24 * number, 24)


@st.composite
def pipelines(draw: st.DrawFn) -> PipelinePlan:
    """Up to five stages; each waits for some of the earlier ones that its cadence can wait for."""
    stages: dict[str, StageOf] = {}
    for number in range(draw(st.integers(1, 5))):
        own = draw(st.sampled_from(CADENCES))
        able = [name for name, stage in stages.items() if not edge_fault(own, stage.cadence, BEGIN)]
        after = draw(st.lists(st.sampled_from(able), unique=True)) if able else []
        stages[f"s{number}"] = StageOf(own, tuple(after))
    return plan_of(stages, BEGIN)


def windows_of(plan: PipelinePlan, name: str, stop: datetime) -> list[Window]:
    return [w for w in plan.stages[name].cadence.between(BEGIN, stop) if w.start >= BEGIN]


def closure(plan: PipelinePlan, changed: set[tuple[str, Window]], until: datetime) -> set[tuple[str, Window]]:
    """The slow truth: ask every window that ran whether a window that it needs is among those, until nothing is added."""
    found = set(changed)
    while True:
        more = {
            (name, window)
            for name in plan.graph.order
            for window in windows_of(plan, name, until)
            for parent in plan.graph.parents[name]
            for needed in parents_of(plan.stages[name].cadence, window, plan.stages[parent].cadence)
            if (parent, needed) in found
        }
        if more <= found:
            return found
        found |= more


@settings(max_examples=60)
@given(pipelines(), st.data())
def test_the_set_is_the_closure_over_the_edges(plan: PipelinePlan, data: st.DataObject) -> None:
    """Nothing is missing, nothing is too much, each comes once, and parents come before children."""
    until = BEGIN + timedelta(hours=data.draw(st.integers(1, 20 * 24)))
    ran = [(name, window) for name in plan.graph.order for window in windows_of(plan, name, until)]
    changed = data.draw(st.lists(st.sampled_from(ran), max_size=4)) if ran else []
    found = invalidated(plan, changed, until)
    places = {(name, window): number for number, (name, window, _) in enumerate(found)}
    assert len(places) == len(found)
    assert places.keys() == closure(plan, set(changed), until)
    assert {(name, window) for name, window, cause in found if cause is Cause.LATE_DATA} == set(changed)
    for name, window, _ in found:
        for parent in plan.graph.parents[name]:
            for needed in parents_of(plan.stages[name].cadence, window, plan.stages[parent].cadence):
                assert places.get((parent, needed), -1) < places[name, window]


def chain(*cadences: Cadence, begin: datetime = BEGIN) -> PipelinePlan:
    """Stages a, b, c …, each waiting for the one before."""
    names = "abcdef"
    return plan_of(
        {names[n]: StageOf(own, tuple(names[n - 1 : n])) for n, own in enumerate(cadences)},
        begin,
    )


def test_a_changed_hour_runs_its_hour_and_its_day() -> None:
    plan = chain(cadence("1h"), cadence("1d"))
    assert invalidated(plan, [("a", hours(5))], END) == [
        ("a", hours(5), Cause.LATE_DATA),
        ("b", day(0), Cause.UPSTREAM),
    ]


def test_a_day_that_is_not_closed_is_left_to_its_schedule() -> None:
    plan = chain(cadence("1h"), cadence("1d"))
    assert invalidated(plan, [("a", hours(5))], day(0).stop - timedelta(seconds=1)) == [
        ("a", hours(5), Cause.LATE_DATA)
    ]


def test_a_changed_window_touches_every_sliding_window_over_it() -> None:
    plan = chain(cadence("1h"), cadence("1h", "3h"))
    found = invalidated(plan, [("a", hours(10))], END)
    assert found[1:] == [("b", hours(start, 3), Cause.UPSTREAM) for start in (8, 9, 10)]


def test_of_two_changes_in_one_day_the_day_runs_once() -> None:
    plan = chain(cadence("1h"), cadence("1d"))
    found = invalidated(plan, [("a", hours(7)), ("a", hours(5)), ("a", hours(7))], END)
    assert [(name, window) for name, window, _ in found] == [("a", hours(5)), ("a", hours(7)), ("b", day(0))]


def test_a_window_that_changed_itself_stays_late_data_below_a_changed_parent() -> None:
    plan = chain(cadence("1h"), cadence("1h"))
    found = invalidated(plan, [("b", hours(1)), ("a", hours(1))], END)
    assert found == [("a", hours(1), Cause.LATE_DATA), ("b", hours(1), Cause.LATE_DATA)]


def test_a_window_that_starts_before_begin_runs_again_only_if_it_is_known_to_have_run() -> None:
    """The day is made of hours before ``begin`` that never ran."""
    plan = chain(cadence("1h"), cadence("1d"), begin=BEGIN + timedelta(hours=4))
    change = [("a", hours(5))]
    assert len(invalidated(plan, change, END)) == 1
    assert invalidated(plan, change, END, known={("b", day(0))})[1:] == [("b", day(0), Cause.UPSTREAM)]


def test_an_unknown_stage_is_an_error() -> None:
    with pytest.raises(KeyError):
        invalidated(chain(cadence("1h")), [("nope", hours(0))], END)


def test_three_late_windows_run_again_with_what_is_made_of_them_only() -> None:
    """The goal of the design: late points in a few windows never run the rest again."""
    plan = chain(cadence("15m"), cadence("1h"), cadence("1d"))
    quarter = timedelta(minutes=15)
    changed = [("a", Window(BEGIN + n * quarter, BEGIN + (n + 1) * quarter)) for n in (0, 1, 200)]
    found = invalidated(plan, changed, END)
    assert [name for name, _, _ in found] == ["a"] * 3 + ["b"] * 2 + ["c"] * 2
