"""How fast something grows: a straight line through its samples, and how far that line can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600.0
BLOCK = 120.0
"""Seconds of samples that are taken together: those close to each other tell nearly the same, and counted one by one they
would make the line look more certain than it is.
"""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth by the hour. The true one lies within ``error`` of it in about 19 of 20 cases."""

    per_hour: float
    error: float
    first: float
    """Mean of the first block."""
    last: float
    """Mean of the last block."""
    seconds: float
    """From the first block to the last."""

    @property
    def flat(self) -> bool:
        """Whether no growth is seen."""
        return self.per_hour - self.error <= 0.0


def fit(samples: Sequence[tuple[float, float]], block: float = BLOCK) -> Slope | None:
    """The least-squares line through the means of blocks of samples, given as (seconds, value); None with fewer than four."""
    means = _blocks(samples, block)
    count = len(means)
    if count < 4:
        return None
    middle = sum(at for at, _ in means) / count
    mean = sum(value for _, value in means) / count
    spread = sum((at - middle) ** 2 for at, _ in means)
    slope = sum((at - middle) * (value - mean) for at, value in means) / spread
    left = sum((value - mean - slope * (at - middle)) ** 2 for at, value in means)
    error = math.sqrt(left / (count - 2) / spread)
    return Slope(
        per_hour=slope * HOUR,
        error=_student(count - 2) * error * HOUR,
        first=means[0][1],
        last=means[-1][1],
        seconds=means[-1][0] - means[0][0],
    )


def course(samples: Sequence[tuple[float, float]], parts: int) -> list[float]:
    """The means of equal parts of the time, from the first sample to the last; a line through all of them does not show
    whether something still grows in the end.
    """
    if not samples:
        return []
    start, end = samples[0][0], samples[-1][0]
    length = (end - start) / parts or 1.0
    groups: dict[int, list[float]] = {}
    for at, value in samples:
        groups.setdefault(min(int((at - start) / length), parts - 1), []).append(value)
    return [sum(group) / len(group) for _, group in sorted(groups.items())]


def _blocks(samples: Sequence[tuple[float, float]], block: float) -> list[tuple[float, float]]:
    if not samples:
        return []
    start = samples[0][0]
    groups: dict[int, list[tuple[float, float]]] = {}
    for at, value in samples:
        groups.setdefault(int((at - start) // block), []).append((at, value))
    return [
        (sum(at for at, _ in group) / len(group), sum(value for _, value in group) / len(group))
        for _, group in sorted(groups.items())
    ]


def _student(freedom: int) -> float:
    """The two-sided 95 % point of Student's t, from its expansion about the normal one; within 1 % from 4 degrees on."""
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
