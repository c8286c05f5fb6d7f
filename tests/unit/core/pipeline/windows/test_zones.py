"""From what a clock shows to instants, where the clock skips or repeats."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.pipeline.windows.zones import instant, near_zones, skipped_days, standard_offset, zone_of


@pytest.mark.parametrize(
    ("zone", "wall", "expected"),
    [
        ("Europe/Berlin", "2026-06-01T12:00:00", "2026-06-01T10:00:00"),
        ("Europe/Berlin", "2026-03-29T02:30:00", "2026-03-29T01:00:00"),  # skipped: from 02:00 to 03:00
        ("Europe/Berlin", "2026-03-29T02:00:00", "2026-03-29T01:00:00"),
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00"),  # twice: the first of them
        ("Pacific/Apia", "2011-12-30T06:00:00", "2011-12-30T10:00:00"),  # a whole day skipped
        ("Africa/Cairo", "2023-04-28T00:30:00", "2023-04-27T22:00:00"),
        ("America/St_Johns", "2006-10-29T00:00:30", "2006-10-29T02:30:30"),  # at 00:01 back to 23:01
    ],
)
def test_first_instant_of_a_wall_time(zone: str, wall: str, expected: str) -> None:
    """What is skipped is the moment of the change; what occurs twice is its first occurrence."""
    assert instant(datetime.fromisoformat(wall), zone_of(zone)) == datetime.fromisoformat(f"{expected}Z")


def test_a_day_from_a_time_that_is_skipped() -> None:
    """Days from 02:30 in Berlin: on 2026-03-29 the stop is 03:00, and the next day is the longer for it."""
    days = cadence("1d", zone="Europe/Berlin", origin="2026-01-01T01:30:00Z")
    first = datetime.fromisoformat("2026-03-28T12:00Z")
    assert [(w.stop - w.start) / timedelta(hours=1) for w in days.between(first, first + timedelta(days=3))] == [
        23.5,
        23.5,
        24,
    ]


def test_skipped_days() -> None:
    """The date line moved over these."""
    assert skipped_days("Pacific/Apia") == (date(2011, 12, 30),)
    assert len(skipped_days("Pacific/Kwajalein")) == 1
    assert skipped_days("Europe/Berlin") == skipped_days("UTC") == ()


def test_standard_offsets() -> None:
    """Outside summer time, on both halves of the earth."""
    offsets = {
        name: standard_offset(name) / timedelta(hours=1)
        for name in ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")
    }
    assert offsets == {"Europe/Berlin": 1, "Australia/Lord_Howe": 10.5, "Asia/Kathmandu": 5.75}


def test_near_names() -> None:
    """By the whole name or by the city, whatever the case."""
    assert near_zones("berlin") == ["Europe/Berlin"]
    assert near_zones("europe/london")[0] == "Europe/London"
    assert near_zones("xyzzy") == []
