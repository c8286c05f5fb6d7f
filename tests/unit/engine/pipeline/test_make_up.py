"""Stages that are new in a pipeline, or were away: what they make up for at a start, so that nothing is made of a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline.loading import load
from tests.support.loading import BEGIN, HOUR, NOON, NOW, Ledger, begun, hour
from tests.support.pipeline_plans import StageOf, plan_of

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
