"""Time zones: from what a wall clock shows to instants.

The rules come from the zone database of the system, or else from the package ``tzdata``.
"""

from __future__ import annotations

import difflib
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_UNFIT = ("posix/", "right/", "localtime", "posixrules", "Factory")
"""Names that a system's database may have and others lack, or that count leap seconds."""


class ZoneUnknownError(ValueError):
    """No zone has this name; the message has near ones."""


@cache
def zone_of(name: str) -> tzinfo:
    """The zone with this IANA name. Raises ZoneUnknownError."""
    if name == "UTC":
        return UTC
    try:
        if name and not name.startswith(_UNFIT):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    near = near_zones(name)
    hint = f"did you mean {' or '.join(near)}?" if near else "write UTC or an IANA name such as Europe/Berlin"
    raise ZoneUnknownError(f"{name!r} is no time zone: {hint}")


def near_zones(name: str) -> list[str]:
    """At most three zones whose name, or whose city, looks like this one."""
    spoken: dict[str, str] = {}
    for known in sorted(available_timezones()):
        if not known.startswith(_UNFIT):
            spoken.setdefault(known.lower(), known)
            spoken.setdefault(known.rpartition("/")[2].lower(), known)
    wanted = name.strip().lower().replace(" ", "_")
    near = difflib.get_close_matches(wanted, spoken, n=6, cutoff=0.75)
    return list(dict.fromkeys(spoken[word] for word in near))[:3]


@lru_cache(maxsize=4096)
def instant(wall: datetime, zone: tzinfo) -> datetime:
    """The first instant at which the zone's clock shows ``wall`` (naive) or later, in UTC.

    So a wall time that occurs twice is its first occurrence, and one that is skipped is the moment of the change. Where
    midnight is skipped, this is the first instant of the local day.
    """
    if zone is UTC:
        return wall.replace(tzinfo=UTC)
    found = wall.replace(tzinfo=zone).astimezone(UTC)
    if local(found, zone) == wall:
        return found
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while found - early > _SECOND:
        middle = early + ((found - early) // 2 // _SECOND) * _SECOND
        if local(middle, zone) >= wall:
            found = middle
        else:
            early = middle
    return found


def local(moment: datetime, zone: tzinfo) -> datetime:
    """What the zone's clock shows (naive, without the mark of a second occurrence)."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


@cache
def standard_offset(name: str) -> timedelta:
    """The zone's offset from UTC outside summer time, in 2024."""
    zone = zone_of(name)
    offsets = [datetime(2024, month, 1, 12, tzinfo=UTC).astimezone(zone).utcoffset() for month in (1, 7)]
    return min(offset for offset in offsets if offset is not None)


@cache
def skipped_days(name: str) -> tuple[date, ...]:
    """The local days from 1900 to 2100 that the zone never had, as it moved over the date line (2011-12-30 in Apia)."""
    zone = zone_of(name)
    found: list[date] = []
    for year in range(1900, 2100):
        first, last = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 2, tzinfo=UTC)
        if local(last, zone) - local(first, zone) - (last - first) < timedelta(hours=20):
            continue
        days = (local(first, zone).replace(hour=0, minute=0, second=0) + number * _DAY for number in range(-1, 369))
        found += [day.date() for day in days if instant(day, zone) == instant(day + _DAY, zone)]
    return tuple(sorted(set(found)))
