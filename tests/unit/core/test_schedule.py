"""Slots as the server computes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.cron import parse
from influxops.core.schedule import Schedule, of_text, of_texts


@given(st.integers(1, 10**7), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_slots_of_every_are_regular(every: int, moment: datetime) -> None:
    schedule = Schedule(every, None)
    before, after = schedule.slot_at_or_before(moment), schedule.slot_after(moment)
    assert before is not None
    assert after is not None
    assert before <= moment < after
    assert after - before == timedelta(seconds=every)


def test_the_offset_moves_the_start_and_not_the_slot() -> None:
    schedule = Schedule(3600, None, 600)
    assert schedule.next_run(datetime(2026, 1, 1, 10, 5, tzinfo=UTC)) == datetime(2026, 1, 1, 10, 10, tzinfo=UTC)
    assert schedule.overdue_slot(datetime(2026, 1, 1, 10, 5, tzinfo=UTC), 0) == datetime(2026, 1, 1, 9, tzinfo=UTC)


def test_a_daily_cron_every_shortest_gap() -> None:
    assert Schedule(None, parse("0 0,1 * * *")).shortest_gap() == 3600


@pytest.mark.parametrize("texts", [("", "", ""), ("1x", "", ""), ("", "nonsense", ""), ("1mo", "", "")])
def test_what_cannot_be_understood_is_none(texts: tuple[str, str, str]) -> None:
    assert of_texts(*texts) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1h", ("1h", "", "")),
        ("1h30m +10m", ("1h30m", "", "10m")),
        ("15s -5s", ("15s", "", "-5s")),
        ("0 3 * * *", ("", "0 3 * * *", "")),
        ("0 3 * * 1-5", ("", "0 3 * * 1-5", "")),
        ("0 3 * * * +1h", ("", "0 3 * * *", "1h")),
        ("@daily", ("", "@daily", "")),
        ("@daily +5m", ("", "@daily", "5m")),
    ],
)
def test_a_schedule_from_the_text_in_status(text: str, parts: tuple[str, str, str]) -> None:
    """Every, or cron, and an offset."""
    assert of_text(text) == of_texts(*parts)
    assert of_text(text) is not None


@pytest.mark.parametrize("text", ["", "soon", "1h +", "+5m"])
def test_a_text_that_is_no_schedule(text: str) -> None:
    """None, as of anything else that cannot be understood."""
    assert of_text(text) is None
