"""Generated sensor data with known answers: what each stage of a pipeline has to write is worked out here, not by Flux.

Values are eighths, so every sum is exact in whatever order it is added up, and answers are compared without a tolerance.
Times are whole seconds since 1970.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

HOUR, DAY, STEP = 3600, 86_400, 300
SENSORS = ("s0", "s1", "s2", "s3", "s4", "s5")
SITES = {"s0": "north", "s1": "north", "s2": "south", "s3": "south", "s4": "yard", "s5": "yard"}
OFFSETS = {"s0": 0.5, "s1": -0.25, "s2": 1.125, "s3": 0.0, "s4": -2.0, "s5": 0.0}
HOT, FEW = 84.0, 260.0
"""A day's maximum from which there is an alert, and a count of points under which there is one."""

Readings = dict[tuple[str, int], float]
"""Value by sensor and time."""
Stats = tuple[float, float, float, float]
"""Sum, count, min, max."""
Place = tuple[str, str, tuple[tuple[str, str], ...], int]
"""Measurement, field, tags in order, time."""


def midnight(zone: str, year: int, month: int, day: int) -> int:
    """When a local day begins."""
    return int(datetime(year, month, day, tzinfo=ZoneInfo(zone)).timestamp())


def raw(start: int, stop: int) -> tuple[Readings, Readings]:
    """What is written first, and what is written over a part of it later (duplicates): the later write stands."""
    first: Readings = {}
    number = 0
    for moment in range(start, stop, STEP):
        for sensor in SENSORS:
            number += 1
            at = moment + (STEP - 1 if sensor == "s2" else 0)
            if not _silent(sensor, (moment - start) // HOUR):
                first[sensor, at] = _value(number)
    again = list(first.items())[::50]
    return first, {place: value if number % 2 else 20.125 for number, (place, value) in enumerate(again)}


def _value(number: int) -> float:
    """Each another one; some out of the range of the sensor, some on its very ends."""
    if number % 97 == 0:
        return (500.0, -273.125, 85.125, 85.0, -40.0)[number // 97 % 5]
    return (number * 7919 % 801) / 8 - 15


def _silent(sensor: str, hour: int) -> bool:
    """Gaps: all for three hours, s1 by night, s3 for a day, s4 not there before the second day, s5 now and then."""
    return (
        30 <= hour < 33
        or (sensor == "s1" and hour % 72 in range(20, 27))
        or (sensor == "s3" and 24 <= hour < 50)
        or (sensor == "s4" and hour < 29)
        or (sensor == "s5" and hour % 7 == 3)
    )


def late(hours: Iterable[int], known: Readings, count: int) -> Readings:
    """So many further points in these hours (given by their starts), at times that none has yet; some out of range."""
    places = sorted(hours)
    found: Readings = {}
    for number in range(count):
        hour, place = places[number % len(places)], number // len(places)
        at = hour + 7 + place * 61
        found[SENSORS[place % 5], at] = 700.0 if number % 31 == 5 else (number * 613 % 400) / 8
    assert len(found) == count
    assert not found.keys() & known.keys()
    return found


def lines(readings: Readings) -> list[str]:
    """Line protocol with times in seconds; every tenth point has a field that no stage reads."""
    return [
        f"env,sensor={sensor} temperature={value}{',humidity=55i' if at % 10 == 0 else ''} {at}"
        for (sensor, at), value in readings.items()
    ]


def metadata(at: int) -> list[str]:
    """What is known of the sensors, as points."""
    return [f'sensor,sensor={name} site="{site}",offset={OFFSETS[name]} {at}' for name, site in SITES.items()]


def valid(readings: Readings) -> Readings:
    """What the stage ``validate`` lets through."""
    return {place: value for place, value in readings.items() if -40 <= value <= 85}


def enriched(readings: Readings) -> Readings:
    """With the offset of each sensor."""
    return {(sensor, at): value + OFFSETS[sensor] for (sensor, at), value in readings.items()}


def rolled(readings: Readings, begin_of: Callable[[int], int]) -> dict[tuple[str, int], Stats]:
    """By sensor and start of the window that a moment belongs to."""
    groups: dict[tuple[str, int], list[float]] = defaultdict(list)
    for (sensor, at), value in readings.items():
        groups[sensor, begin_of(at)].append(value)
    return {place: stats(values) for place, values in groups.items()}


def stats(values: list[float]) -> Stats:
    """Of one group."""
    return sum(values), float(len(values)), min(values), max(values)


def hour_of(at: int) -> int:
    """Start of the hour."""
    return at // HOUR * HOUR


def day_of(zone: str) -> Callable[[int], int]:
    """Start of the local day, from the calendar's date of a moment."""
    place = ZoneInfo(zone)

    def begin(at: int) -> int:
        date = datetime.fromtimestamp(at, place).date()
        return midnight(zone, date.year, date.month, date.day)

    return begin


def alerts(days: Mapping[tuple[str, int], Stats]) -> dict[tuple[str, str, int], float]:
    """By kind, sensor and day."""
    hot = {("hot", *place): one[3] for place, one in days.items() if one[3] >= HOT}
    return hot | {("gap", *place): one[1] for place, one in days.items() if one[1] < FEW}


# the same as points of buckets


def tags(sensor: str) -> tuple[tuple[str, str], ...]:
    """Of a point after ``enrich``."""
    return (("sensor", sensor), ("site", SITES[sensor]))


def as_points(readings: Readings, *, with_site: bool) -> dict[Place, float]:
    """What stands in a bucket of readings."""
    return {
        ("env", "temperature", tags(sensor) if with_site else (("sensor", sensor),), at): value
        for (sensor, at), value in readings.items()
    }


def as_rollup(rollup: Mapping[tuple[str, int], Stats]) -> dict[Place, float]:
    """What stands in a bucket of rollups."""
    return {
        ("env", f"temperature_{name}", tags(sensor), at): one[column]
        for (sensor, at), one in rollup.items()
        for column, name in enumerate(("sum", "count", "min", "max"))
    }


def as_alerts(found: Mapping[tuple[str, str, int], float]) -> dict[Place, float]:
    """What stands in the bucket of alerts."""
    return {("alert", kind, tags(sensor), day): value for (kind, sensor, day), value in found.items()}
