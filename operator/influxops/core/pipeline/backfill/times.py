"""The ends of a backfill's range as a user writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from influxops.core.durations import DurationError, parse_duration
from influxops.core.pipeline.windows.month_steps import add_months
from influxops.core.pipeline.windows.zones import instant, zone_of

_WRITE = "write RFC 3339 such as 2026-11-01T00:00:00Z, a day such as 2026-11-01, a time ago such as -30d, or now"


def parse_end(text: str, zone: str, now: datetime) -> datetime:
    """A moment of UTC in whole seconds: RFC 3339; a day (its first instant) or a time without a zone, by the clock of ``zone``;
    ``-30d``, so long before ``now``; or ``now``. Raises ValueError with the remedy.
    """
    text = text.strip()
    if text.lower() == "now":
        return now.replace(microsecond=0)
    if text.startswith("-"):
        return _ago(text, now)
    try:
        if len(text) == len("2026-11-01"):
            return instant(datetime.combine(date.fromisoformat(text), time()), zone_of(zone))
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time: {_WRITE}") from None
    if moment.microsecond:
        raise ValueError(f"{text!r} has a fraction of a second, and windows are whole seconds: {_WRITE}")
    return instant(moment, zone_of(zone)) if moment.tzinfo is None else moment.astimezone(UTC)


def _ago(text: str, now: datetime) -> datetime:
    try:
        length = parse_duration(text)
        whole = now.astimezone(UTC).replace(microsecond=0)
        return add_months(whole, length.months) + timedelta(seconds=length.nanoseconds // 1_000_000_000)
    except (DurationError, OverflowError, ValueError):
        raise ValueError(f"{text!r} is no time ago: {_WRITE}") from None


def understood(moment: datetime, zone: str) -> str:
    """``2026-10-31T23:00:00Z (2026-11-01 00:00 Europe/Berlin)``; UTC alone where that is the zone."""
    shown = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return shown if zone == "UTC" else f"{shown} ({moment.astimezone(zone_of(zone)):%Y-%m-%d %H:%M} {zone})"
