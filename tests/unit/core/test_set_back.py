"""A clock that is set back is noticed, one that is slow or goes ahead is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from influxops.core.set_back import SetBack

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_only_a_jump_back_is_told_and_once() -> None:
    clock = SetBack()
    assert clock.by(NOON, 100.0) is None
    assert clock.by(after(10), 110.0) is None
    assert clock.by(after(19), 120.0) is None, "a second in ten is slow, not set back"
    assert clock.by(after(3629), 130.0) is None, "an hour ahead"
    assert clock.by(after(39), 140.0) == timedelta(hours=1)
    assert clock.by(after(49), 150.0) is None
