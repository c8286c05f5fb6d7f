"""Which slot a user means, and whether it wants another run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from influxops.core.observed import UNFINISHED, Run, RunState
from influxops.core.schedule import Schedule

NOW = "now"


def parse_at(text: str, now: datetime) -> datetime:
    """The time that a user wrote: RFC 3339, or ``now``; whole seconds, as slots are. Raises ValueError with the remedy."""
    if text.strip().lower() == NOW:
        return now.replace(microsecond=0)
    example = "write RFC 3339 with a zone, for example 2026-11-21T12:00:00Z, or now"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text!r} is no time: {example}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no zone: {example}")
    if moment.microsecond:
        raise ValueError(f"{text!r} has a fraction of a second, and slots are whole seconds: {example}")
    return moment.astimezone(UTC)


def neighbours(schedule: Schedule, moment: datetime) -> tuple[datetime | None, datetime | None]:
    """The slot at or before a moment, and the one after it; None where none is in reach."""
    return schedule.slot_at_or_before(moment), schedule.slot_after(moment)


def settled_by(runs: Iterable[Run]) -> Run | None:
    """The run that makes another one of its slot needless: one under way, else one that succeeded; None when none does.

    ``runs`` are those of one slot.
    """
    known = list(runs)
    under_way = [run for run in known if run.state in UNFINISHED]
    return next(iter([*under_way, *(run for run in known if run.state is RunState.SUCCESS)]), None)


def started_last(runs: Iterable[Run]) -> Run | None:
    """The run that began last, or else was asked for last; None of none."""

    def began(run: Run) -> tuple[bool, datetime, str]:
        return run.started_at is not None, run.started_at or run.requested_at or run.scheduled_for, run.id

    return max(runs, key=began, default=None)


def since(runs: Iterable[Run], now: datetime, seconds: int) -> list[Run]:
    """The runs whose slot is at most so many seconds old."""
    return [run for run in runs if run.scheduled_for >= now - timedelta(seconds=seconds)]
