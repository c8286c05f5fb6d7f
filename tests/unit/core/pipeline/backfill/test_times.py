"""Ends of a range as users write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from influxops.core.pipeline.backfill.times import parse_end, understood

NOW = datetime.fromisoformat("2026-11-21T12:34:56.789+00:00")


@pytest.mark.parametrize(
    ("text", "zone", "meant"),
    [
        ("2026-11-01T00:00:00Z", "Europe/Berlin", "2026-11-01T00:00:00Z"),
        ("2026-11-01T00:00:00+05:30", "UTC", "2026-10-31T18:30:00Z"),
        ("2026-11-01", "UTC", "2026-11-01T00:00:00Z"),
        ("2026-11-01", "Europe/Berlin", "2026-10-31T23:00:00Z"),
        ("2026-07-01", "Europe/Berlin", "2026-06-30T22:00:00Z"),
        ("2026-09-06", "America/Santiago", "2026-09-06T04:00:00Z"),  # a day whose midnight the clock skips
        ("2026-11-01T06:00", "Europe/Berlin", "2026-11-01T05:00:00Z"),
        ("now", "UTC", "2026-11-21T12:34:56Z"),
        ("-30d", "UTC", "2026-10-22T12:34:56Z"),
        ("-1h30m", "UTC", "2026-11-21T11:04:56Z"),
        ("-9mo", "UTC", "2026-02-21T12:34:56Z"),
        (" -1y ", "UTC", "2025-11-21T12:34:56Z"),
    ],
)
def test_what_is_meant(text: str, zone: str, meant: str) -> None:
    """In UTC and whole seconds."""
    assert understood(parse_end(text, zone, NOW), "UTC") == meant


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-11-01T00:00:00.5Z", "-soon", "30d", "-999999y"])
def test_what_is_no_time(text: str) -> None:
    """Says what to write."""
    with pytest.raises(ValueError, match="write RFC 3339 such as"):
        parse_end(text, "UTC", NOW)


def test_how_a_time_is_said() -> None:
    """With what the clock of the zone shows."""
    moment = parse_end("2026-11-01", "Europe/Berlin", NOW)
    assert understood(moment, "Europe/Berlin") == "2026-10-31T23:00:00Z (2026-11-01 00:00 Europe/Berlin)"
