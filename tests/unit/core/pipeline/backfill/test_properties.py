"""Laws of selections, against a slow choice written from the words of the reference, and over crashes at any place."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.backfill.selection import Refused, bounds, select
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.edges import parents_of
from influxops.core.pipeline.windows.window import Window
from tests.support.backfills import FAILED, READY, SUCCESS, UID, Spec, at, pipeline, ran, stage

NOW = at("2026-04-05T09:30")
ZERO = at("2026-03-27")
Place = tuple[str, Window]


def diamond(zone: str, begin: datetime, delay: int) -> PipelinePlan:
    """Six hours; halves of a day and two days each day of them; days of all."""
    six, half = cadence("6h"), cadence("12h")
    days, sliding = cadence("1d", zone=zone), cadence("1d", "2d", zone=zone)
    chain = [stage("six", six), stage("half", half, "six"), stage("slide", sliding, "six")]
    return pipeline(
        *chain,
        stage("day", days, "half" if zone == "UTC" else "slide", "slide"),
        begin=f"{begin:%Y-%m-%dT%H:%M}",
        delay=delay,
    )


moments = st.integers(0, 9 * 24).map(lambda hours: ZERO + timedelta(hours=hours))
specs = st.builds(
    Spec,
    start=moments,
    stop=moments,
    stages=st.sets(st.sampled_from(["six", "half", "slide", "day"]), max_size=2).map(lambda some: tuple(sorted(some))),
    include_descendants=st.booleans(),
    reprocess=st.sampled_from(["None", "Failed", "Completed"]),
    order=st.sampled_from(["OldestFirst", "NewestFirst"]),
)
plans = st.builds(diamond, st.just("UTC"), moments, st.sampled_from([0, 3600]))


@st.composite
def ledgers(draw: st.DrawFn, plan: PipelinePlan) -> list[WindowRecord]:
    """Records of some windows."""
    windows = [
        (name, one) for name, s in plan.stages.items() for one in s.cadence.between(ZERO - timedelta(days=3), NOW)
    ]
    states = draw(
        st.lists(st.sampled_from([None, SUCCESS, SUCCESS, FAILED, READY]), min_size=len(windows), max_size=len(windows))
    )
    return [WindowRecord(name, w, state, 1) for (name, w), state in zip(windows, states, strict=True) if state]


def slow(plan: PipelinePlan, spec: Spec, records: list[WindowRecord]) -> tuple[set[Place], set[Place], int]:
    """Runs, blocked windows and the number of skipped ones, by listing everything."""
    known = {(one.stage, one.window): one for one in records}
    runs: set[Place] = set()
    blocked: set[Place] = set()
    skipped = 0
    for name in plan.graph.order:
        for window in plan.stages[name].cadence.between(ZERO - timedelta(days=9), NOW - timedelta(seconds=plan.delay)):
            place, record = (name, window), known.get((name, window))
            inside = spec.start <= window.start and window.stop <= spec.stop
            named = inside and (not spec.stages or name in spec.stages)
            before = [
                (parent, one)
                for parent in plan.graph.parents[name]
                for one in parents_of(plan.stages[name].cadence, window, plan.stages[parent].cadence)
            ]
            state = record and record.state
            wanted = named and (
                state is None or spec.reprocess == "Completed" or (spec.reprocess, state) == ("Failed", FAILED)
            )
            follows = spec.include_descendants and any(one in runs for one in before) and (inside or state is SUCCESS)
            if not wanted and not follows:
                skipped += named
                continue
            missing = [
                one
                for one in before
                if one not in runs
                and (
                    one in blocked
                    or (one in known and known[one].state is FAILED)
                    or (one not in known and one[1].start < plan.begin)
                )
            ]
            (blocked if inside and missing else runs).add(place)
    return runs, blocked, skipped


@settings(max_examples=200)
@given(data=st.data(), plan=plans, spec=specs)
def test_the_choice_is_that_of_the_words(data: st.DataObject, plan: PipelinePlan, spec: Spec) -> None:
    """Of any ledger; records are read from where the bounds say only."""
    assume(spec.start < spec.stop)
    records = data.draw(ledgers(plan))
    try:
        within = bounds(plan, spec, NOW)
    except Refused:
        return
    read = [one for one in records if within.read_from <= one.window.start < within.read_to]
    selection = select(plan, spec, within, read, UID)
    runs, blocked, skipped = slow(plan, spec, records)
    assert {(one.stage, one.window) for one in selection.runs} == runs
    assert {(one.stage, one.window) for one in selection.blocked} == blocked
    assert selection.skipped == skipped
    assert len(selection.runs) == len(runs)


@settings(max_examples=40)
@given(data=st.data(), plan=plans, spec=specs)
def test_a_crash_at_any_place_goes_on_where_it_stopped(data: st.DataObject, plan: PipelinePlan, spec: Spec) -> None:
    """Run as the order allows, with failures, starting anew now and then: each window runs once, and the total stays."""
    assume(spec.start < spec.stop)
    records = data.draw(ledgers(plan))
    try:
        within = bounds(plan, spec, NOW)
    except Refused:
        return
    selection = select(plan, spec, within, records, UID)
    asked, total = {(one.stage, one.window) for one in selection.runs}, selection.total
    seen: set[Place] = set()
    for _ in count():
        ready = [one for one in selection.runs if not _waits(plan, one.stage, one.window, asked - seen)]
        if not ready:
            break
        for one in ready[: data.draw(st.integers(1, 8))]:
            assert (one.stage, one.window) not in seen
            seen.add((one.stage, one.window))
            ran(
                records,
                one.stage,
                one.window,
                data.draw(st.sampled_from([SUCCESS, SUCCESS, SUCCESS, FAILED])),
                one.revision,
            )
        selection = select(plan, spec, within, records, UID)
        assert selection.total == total
        assert {(one.stage, one.window) for one in selection.runs} <= asked - seen
    assert not selection.runs
    assert len(selection.done) == len(seen)


def _waits(plan: PipelinePlan, name: str, window: Window, open_: set[Place]) -> bool:
    own = plan.stages[name].cadence
    return any(
        (parent, one) in open_
        for parent in plan.graph.parents[name]
        for one in parents_of(own, window, plan.stages[parent].cadence)
    )


@given(
    every=st.sampled_from(["7m", "1h", "1d", "1w", "1mo"]),
    factor=st.integers(1, 3),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"]),
    start=moments,
    length=st.integers(1, 100 * 86400),
)
def test_windows_of_the_range_are_counted_right(
    every: str, factor: int, zone: str, start: datetime, length: int
) -> None:
    """As many as there are when they are listed, for calendars, sliding windows and any range."""
    period = {"7m": "7m", "1h": "60m", "1d": "24h", "1w": "168h", "1mo": "1mo"}[every]
    number, unit = (int(period[:-2]), "mo") if period.endswith("mo") else (int(period[:-1]), period[-1])
    grid = cadence(every, f"{number * factor}{unit}", zone=zone)
    plan, stop = pipeline(stage("one", grid)), start + timedelta(seconds=length)
    listed = [w for w in grid.between(start - timedelta(days=1), stop) if start <= w.start and w.stop <= stop]
    within = bounds(plan, Spec(start, stop), stop + timedelta(days=1))
    assert within.count == len(listed)
    assert [w for span in within.spans for w in grid.between(span.after, span.last)] == listed
