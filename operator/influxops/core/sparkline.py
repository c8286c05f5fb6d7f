"""Numbers as a line of blocks, to be seen at a glance."""

from __future__ import annotations

import math
from collections.abc import Iterable

from influxops.core.observed import Run, RunState

BLOCKS = "▁▂▃▄▅▆▇█"
FAILED = "✗"
"""Stands for a run that failed or was canceled, whose duration says little."""
UNFINISHED = "·"
"""Stands for a run that is not over."""


def blocks(values: Iterable[float | None]) -> str:
    """One block a value, from nothing to the largest one; None is a dot. Negative values count as 0."""
    given = list(values)
    top = max((value for value in given if value is not None), default=0.0)
    return "".join(UNFINISHED if value is None else BLOCKS[_step(value, top)] for value in given)


def sparkline(runs: Iterable[Run]) -> str:
    """The durations of runs in the order given; what failed is marked, and does not count for the scale."""
    shown = list(runs)
    line = blocks(seconds_of(run) if run.state is RunState.SUCCESS else None for run in shown)
    bad = {RunState.FAILED, RunState.CANCELED}
    return "".join(FAILED if run.state in bad else block for run, block in zip(shown, line, strict=True))


def seconds_of(run: Run) -> float | None:
    """How long a run took, in seconds; None while it is not over. Never negative, though clocks may be set back."""
    if run.started_at is None or run.finished_at is None:
        return None
    return max(0.0, (run.finished_at - run.started_at).total_seconds())


def _step(value: float, top: float) -> int:
    """The block of a value between nothing (the lowest) and ``top`` (the highest)."""
    if top <= 0:
        return 0
    return max(0, min(len(BLOCKS), math.ceil(value / top * len(BLOCKS))) - 1)
