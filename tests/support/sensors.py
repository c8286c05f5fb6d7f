"""Generated sensor data with known answers, and the stages that roll it up; what is right is worked out here, not by Flux."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.pipeline.window import Window


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A temperature. ``time`` is UTC with whole seconds."""

    time: datetime
    sensor: str
    value: float

    def line(self, measurement: str = "env") -> str:
        """Line protocol, times in seconds."""
        return f"{measurement},sensor={self.sensor} temperature={self.value} {int(self.time.timestamp())}"


def generate(start: datetime, stop: datetime, step: timedelta, sensors: int) -> Iterator[Point]:
    """Regular points, each value another, some out of the sensor's range; the same on every call."""
    moment, number = start, 0
    while moment < stop:
        for sensor in range(sensors):
            number += 1
            value = round((number * 7919) % 400 / 10 + sensor / 100, 2)
            yield Point(moment, f"s{sensor}", 500.0 if number % 97 == 0 else value)
        moment += step


def valid(points: Iterable[Point]) -> list[Point]:
    """What the stage ``validate`` lets through."""
    return [point for point in points if -40 <= point.value <= 85]


def rollup(
    points: Iterable[Point], windows: Iterable[Window]
) -> dict[tuple[datetime, str], tuple[float, int, float, float]]:
    """By start of window and sensor: sum, count, min, max. Windows tumble and are in order."""
    found: dict[tuple[datetime, str], list[float]] = defaultdict(list)
    ordered = sorted(points)
    at = 0
    for window in windows:
        while at < len(ordered) and ordered[at].time < window.start:
            at += 1
        while at < len(ordered) and ordered[at].time < window.stop:
            found[window.start, ordered[at].sensor].append(ordered[at].value)
            at += 1
    return {key: (sum(values), len(values), min(values), max(values)) for key, values in found.items()}
