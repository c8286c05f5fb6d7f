"""Durations as InfluxDB writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.durations import (
    DurationError,
    format_retention,
    format_seconds,
    parse_duration,
    parse_retention,
    shorter_retention,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("15m", 900), ("1h30m", 5400), ("1d", 86400), ("1w", 604800), ("1w2d3h4m5s", 788645), ("-5m", -300)],
)
def test_seconds_of_fixed_lengths(text: str, seconds: int) -> None:
    """Weeks to seconds have a fixed length; the text stays as it was written."""
    assert parse_duration(text).seconds == seconds
    assert str(parse_duration(text)) == text


@pytest.mark.parametrize(("text", "seconds"), [("1500ms", 1), ("-1500ms", -1), ("999us", 0), ("1µs", 0), ("5ns", 0)])
def test_parts_of_a_second_are_cut_and_told(text: str, seconds: int) -> None:
    """Seconds are rounded towards zero, and ``whole`` tells that something was lost."""
    duration = parse_duration(text)
    assert duration.seconds == seconds
    assert not duration.whole


@pytest.mark.parametrize(("text", "months"), [("1mo", 1), ("1y", 12), ("1y6mo", 18), ("1mo2d", 1)])
def test_calendar_lengths_have_no_seconds(text: str, months: int) -> None:
    """A month is no number of seconds; to ask for it is an error, not a guess."""
    duration = parse_duration(text)
    assert duration.calendar
    assert duration.months == months
    with pytest.raises(DurationError, match="no fixed length"):
        _ = duration.seconds


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "1 h", "1H", "one", "1h ", "--1h", "1h\n", "٣h", "infinite"])
def test_other_text_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(DurationError, match="write a number and a unit"):
        parse_duration(text)


def test_equal_lengths_are_equal() -> None:
    """Whatever the spelling; but a month equals no number of days."""
    assert parse_duration("60m") == parse_duration("1h")
    assert len({parse_duration("7d"), parse_duration("1w")}) == 1
    assert parse_duration("1mo") != parse_duration("30d")


def test_infinite_is_no_seconds() -> None:
    """As InfluxDB stores it."""
    assert parse_retention("infinite").seconds == 0
    assert format_retention(0) == "infinite"
    assert format_retention(30 * 86400) == "30d"


@pytest.mark.parametrize(
    ("seconds", "units", "text"),
    [
        (0, "wdhms", "0s"),
        (90000, "hms", "25h"),
        (90061, "wdhms", "1d1h1m1s"),
        (-90, "hms", "-1m30s"),
        (604800, "dhms", "7d"),
    ],
)
def test_the_shortest_spelling_in_the_units(seconds: int, units: str, text: str) -> None:
    """An offset has no days, a retention no weeks."""
    assert format_seconds(seconds, units) == text


@given(st.integers(-(10**10), 10**10), st.sampled_from(["wdhms", "dhms", "hms", "s"]))
def test_what_is_written_is_read_back(seconds: int, units: str) -> None:
    """No unit loses anything."""
    assert parse_duration(format_seconds(seconds, units)).seconds == seconds


@pytest.mark.parametrize(
    ("new", "old", "shorter"), [(1, 2, True), (2, 1, False), (1, 1, False), (1, 0, True), (0, 1, False), (0, 0, False)]
)
def test_for_ever_is_longer_than_all(new: int, old: int, shorter: bool) -> None:
    """Zero seconds keep for ever."""
    assert shorter_retention(new, old) is shorter
