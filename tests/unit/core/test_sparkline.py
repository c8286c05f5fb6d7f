"""A line of blocks says at a glance how long runs took."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.observed import Run, RunState
from influxops.core.sparkline import blocks, seconds_of, sparkline

SLOT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def run(seconds: float | None, state: RunState = RunState.SUCCESS) -> Run:
    return Run("r", "t", state, SLOT, SLOT, None if seconds is None else SLOT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([1, 1, 1], "███"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ([0.001, 8], "▁█"),
        ([None, 4, 8], "·▄█"),
        ([-1, 8], "▁█"),
    ],
)
def test_blocks_grow_with_the_values(values: list[float | None], line: str) -> None:
    """From nothing, not from the least one: equal durations look equal, and noise looks like noise."""
    assert blocks(values) == line


def test_failed_and_unfinished_runs_are_marked_and_do_not_count() -> None:
    """A run that failed after an hour must not flatten all others."""
    line = sparkline(
        [run(1), run(3600, RunState.FAILED), run(2), run(9, RunState.CANCELED), run(None, RunState.STARTED)]
    )
    assert line == "▄✗█✗·"


def test_a_duration_is_never_negative() -> None:
    """Clocks are set back."""
    assert seconds_of(run(-1)) == 0.0
    assert seconds_of(run(None)) is None
