"""With which watermark a pipeline begins: the ledger forgets, a begin is mistyped, a clock is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord
from influxops.engine.pipeline.course import MARK_EVERY, Course
from influxops.engine.pipeline.loading import load
from tests.support.pipeline_plans import StageOf, plan_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
NOON = NOW.replace(minute=0)
BEGIN = NOON - timedelta(days=5)
PLAN = plan_of({"a": StageOf()}, begin=BEGIN)


class Ledger:
    """Link, port and writer in one: a ledger without records."""

    def __init__(self, watermark: datetime | None) -> None:
        self.stands = watermark
        self.org_id = "o"
        self.marks: list[tuple[datetime, datetime]] = []
        """(watermark, when), as written."""

    async def run(self, name: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        """As a link does."""
        return await request(self)

    async def ledger_watermark(self, *_: object) -> datetime | None:
        """The newest."""
        return self.stands

    async def ledger_records(self, *_: object) -> list[WindowRecord]:
        """None."""
        return []

    def watermark(self, stop: datetime, now: datetime) -> None:
        """Write one."""
        self.marks.append((stop, now))


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


async def test_a_watermark_of_a_clock_that_was_ahead_skips_nothing_that_comes() -> None:
    ledger = Ledger(NOW + timedelta(days=90))
    course = await begun(ledger)
    assert course.watermark == NOW
    assert ledger.marks == [(NOW, NOW)]
    course.add_due(NOON + HOUR)
    assert [window.stop for _, window in course.agenda.entries] == [NOON + HOUR]


async def test_a_watermark_that_stands_is_written_now_and_then() -> None:
    """A window that fails holds it for days, and the ledger must not forget it meanwhile."""
    ledger = Ledger(NOON - HOUR)
    course = await begun(ledger)
    for minutes in range(0, 185, 5):
        course.advance(NOW + timedelta(minutes=minutes))
    assert {mark for mark, _ in ledger.marks} == {NOON - HOUR}
    times = [when for _, when in ledger.marks]
    assert times == [NOW + n * MARK_EVERY for n in (1, 2, 3)]
