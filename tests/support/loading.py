"""A start of a pipeline without servers: a ledger in memory, and what the loop begins with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from influxops.core.pipeline.ledger import Mark, Marks, marks_before
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.engine.pipeline.course import Course
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
