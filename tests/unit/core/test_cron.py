"""core.cron gives the answers of InfluxDB's own library; data/cron.json holds them (see data/cron_oracle)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.cron import CronError, parse

ROWS = json.loads((Path(__file__).parent / "data/cron.json").read_text(encoding="utf-8"))
NOVEMBER = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)


def test_every_answer_of_the_library_is_ours() -> None:
    """What is refused, what never comes, and each next slot, for 900 expressions, odd ones included."""
    wrong = []
    for expression, after, answer in ROWS:
        ours = _answer(expression, datetime.fromisoformat(after))
        theirs = {"panic": "never"}.get(answer, answer)
        if ours != theirs and not expression.startswith("@every "):
            wrong.append((expression, after, answer, ours))
    assert len(ROWS) >= 900
    assert wrong == []


def _answer(expression: str, after: datetime) -> str:
    try:
        slot = parse(expression).next_after(after)
    except CronError:
        return "refused"
    return "never" if slot is None else f"{slot:%Y-%m-%dT%H:%M:%SZ}"


def test_an_interval_is_refused_with_the_remedy() -> None:
    """``@every`` is the option every."""
    with pytest.raises(CronError, match="use every instead"):
        parse("@every 1h")


@pytest.mark.parametrize("expression", ["", "0 3 * *", "0 0 0 0 0 0 0 0", "@never", "60 * * * *", "* * * * mond", "x"])
def test_what_is_no_expression_is_refused_with_a_reason(expression: str) -> None:
    """The message begins with the word cron, so that it reads well behind a field's name."""
    with pytest.raises(CronError, match=r"^cron "):
        parse(expression)


@pytest.mark.parametrize("expression", ["0 3 1 6,12 1", "0 0 1 3,6,9,12 MON-FRI", "0 3 25 12 1"])
def test_expressions_that_take_influxd_down_are_known(expression: str) -> None:
    """Measured on influxd 2.7.12: it stores the first of these, panics, and never starts again."""
    assert parse(expression).breaks_server(2026, 2054) is not None


@pytest.mark.parametrize("expression", ["* * * * *", "0 0 1-7 * MON", "0 0 31 * *", "0 0 * 12 MON", "0 0 13 * FRI"])
def test_expressions_that_are_safe_are_not_blamed(expression: str) -> None:
    """The first Monday of each month is an expression that people use."""
    assert parse(expression).breaks_server(2026, 2054) is None


def test_every_panic_of_the_library_is_foreseen() -> None:
    """Each expression at which the library panicked is one that breaks_server blames."""
    blamed = [parse(expression).breaks_server(2024, 2054) for expression, _, answer in ROWS if answer == "panic"]
    assert blamed
    assert None not in blamed


def test_the_previous_slot_may_be_the_moment_itself() -> None:
    """At a slot, the slot; a second earlier, the one before."""
    hourly = parse("0 * * * *")
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert hourly.prev_at_or_before(noon) == noon
    assert hourly.prev_at_or_before(noon - timedelta(seconds=1)) == noon - timedelta(hours=1)


@pytest.mark.parametrize(
    ("expression", "previous"),
    [
        ("* * * * * *", NOVEMBER),
        ("@yearly", datetime(2026, 1, 1, tzinfo=UTC)),
        ("0 0 29 2 *", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0 0 31 2 *", None),
    ],
)
def test_the_previous_slot_is_found_however_far_back(expression: str, previous: datetime | None) -> None:
    """From seconds to years, and None where no slot ever was."""
    assert parse(expression).prev_at_or_before(NOVEMBER) == previous


def test_a_moment_in_another_zone_is_the_same_moment() -> None:
    """Cron is UTC, whatever the zone of the clock that asks."""
    berlin = NOVEMBER.astimezone(datetime.fromisoformat("2026-11-21T00:00:00+01:00").tzinfo)
    assert parse("0 3 * * *").next_after(berlin) == datetime(2026, 11, 22, 3, tzinfo=UTC)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
EXPRESSIONS = st.sampled_from(["* * * * *", "*/7 3 * * *", "0 0 1 * *", "0,30 */2 * * MON-FRI", "15 0 3 1,7 *"])


@given(expression=EXPRESSIONS, moment=MOMENTS)
def test_slots_go_on_in_order(expression: str, moment: datetime) -> None:
    """The next slot lies ahead, and it is the last slot at its own time."""
    cron = parse(expression)
    slot = cron.next_after(moment)
    assert slot is not None
    assert slot > moment
    assert cron.prev_at_or_before(slot) == slot
    before = cron.prev_at_or_before(moment)
    assert before is not None
    assert before <= moment
