"""What a look for late data has run again, and what it must not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import cadence
from influxops.engine.pipeline.late_look import Found, LateLook
from tests.support.pipeline_plans import StageOf, plan_of

DAY = 86_400
NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)
DAILY, MONTHLY = cadence("1d"), cadence("1mo")
LATE, JANUARY = DAILY.latest(datetime(2026, 1, 31, tzinfo=UTC)), MONTHLY.latest(datetime(2026, 2, 1, tzinfo=UTC))
PLAN = replace(
    plan_of(
        {
            "daily": StageOf(DAILY, source=Source("raw"), target=Target("days", "m")),
            "monthly": StageOf(MONTHLY, ("daily",), source=Source("days"), target=Target("months", "m")),
            "report": StageOf(MONTHLY, ("monthly",), source=Source("months")),
        }
    ),
    allowed=7 * DAY,
)


class Link:
    """One late point in the 30th of January, and buckets that keep their points so many days."""

    def __init__(self, **days: int) -> None:
        self.org_id = "o"
        self.snapshot = SimpleNamespace(
            buckets={name: SimpleNamespace(retention=number * DAY) for name, number in days.items()}
        )

    async def run(self, name: str, request: Callable[[Any], Awaitable[Any]]) -> Any:
        """As a link does."""
        return await request(self)

    async def ledger_records(self, *_: object) -> list[WindowRecord]:
        """All have run."""
        done = WindowState.SUCCESS
        return [
            WindowRecord("daily", LATE, done, source_count=10),
            WindowRecord("monthly", JANUARY, done),
            WindowRecord("report", JANUARY, done),
        ]

    async def count_by_time(self, *_: object, timeout: float) -> dict[datetime, int]:
        """One more than when it ran."""
        return {LATE.start: 11}


async def look(**days: int) -> Found:
    """Look once."""
    return await LateLook().look(Link(**days), PLAN, NOW, {})  # type: ignore[arg-type]


async def test_all_that_is_made_of_it_runs_again() -> None:
    found = await look(raw=0, days=90, months=0)
    assert [(one.stage, one.window) for one in found.reruns] == [
        ("daily", LATE),
        ("monthly", JANUARY),
        ("report", JANUARY),
    ]
    assert found.partial == ()


async def test_a_window_whose_own_source_has_begun_to_expire_keeps_what_it_had() -> None:
    """The first days of January are gone: a month of what is left would be wrong for good; what is made of the month stays, too."""
    found = await look(raw=0, days=32, months=0)
    assert [(one.stage, one.window) for one in found.reruns] == [("daily", LATE)]
    assert found.partial == (("monthly", JANUARY),)
