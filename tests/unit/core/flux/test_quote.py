"""Values become Flux text that means exactly them. The round trip through a real server is in tests/contract."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.flux.quote import quote_duration, quote_string, quote_time


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("", '""'),
        ("plain", '"plain"'),
        ('a"b', r'"a\"b"'),
        ("a\\b", r'"a\\b"'),
        ("${x}", r'"\x24{x}"'),
        ("$\\", r'"\x24\\"'),
        ("\\${x}", r'"\\\x24{x}"'),
        ("a\nb\r\tc", r'"a\nb\r\tc"'),
        ("\x00\x1f\x7f", r'"\x00\x1f\x7f"'),
        ("größe 温度 🌡", '"größe 温度 🌡"'),
    ],
)
def test_strings_are_escaped(text: str, literal: str) -> None:
    """Every character that Flux gives a meaning is escaped, and no other."""
    assert quote_string(text) == literal


@given(st.text(st.characters(codec="utf-8")))
def test_a_literal_never_ends_early_nor_interpolates(text: str) -> None:
    """Between the outer quotes there is no bare quote, no bare ``${`` and no line end."""
    inner = quote_string(text)[1:-1]
    bare = re.sub(r"\\(x[0-9a-f]{2}|.)", "", inner)
    assert '"' not in bare
    assert "\\" not in bare
    assert "$" not in inner
    assert "\n" not in inner
    assert "\r" not in inner


def test_a_lone_surrogate_is_refused() -> None:
    """No Flux literal means a lone surrogate, so it is an error and not silently another text."""
    with pytest.raises(ValueError, match="surrogates"):
        quote_string("a\ud800")


def test_times_are_rendered_in_utc_to_the_microsecond() -> None:
    """Another zone is converted; a fraction is written only when there is one."""
    zone = timezone(timedelta(hours=2))
    assert quote_time(datetime(2024, 2, 29, 12, 0, 0, 120, zone)) == "2024-02-29T10:00:00.000120Z"
    assert quote_time(datetime(1999, 1, 1, tzinfo=UTC)) == "1999-01-01T00:00:00Z"


@pytest.mark.parametrize("year", [1, 1676, 2263, 9999])
def test_times_that_influxdb_cannot_store_are_refused(year: int) -> None:
    """Flux times are 64-bit nanoseconds; anything else would wrap around silently."""
    with pytest.raises(ValueError, match="outside"):
        quote_time(datetime(year, 1, 1, tzinfo=UTC))


def test_a_time_without_a_zone_is_refused() -> None:
    """A naive time means nothing certain."""
    with pytest.raises(ValueError, match="time zone"):
        quote_time(datetime(2024, 1, 1))  # noqa: DTZ001


def test_durations_are_whole_seconds() -> None:
    """Seconds are exact in Flux, unlike days and months."""
    assert [quote_duration(seconds) for seconds in (0, 90, -5)] == ["0s", "90s", "-5s"]
