"""The order of tasks and what is told of them."""

from __future__ import annotations

import pytest

from influxops.cli.top_rows import COLUMNS, Sort, Usage, item, ranked, row
from influxops.core.keys import Key, Kind
from influxops.core.run_stats import RunStats

CONNECTION = Key(Kind.CONNECTION, "ns", "main")
SLOW = RunStats(runs=2, failed=0, total=120, mean=60, last=50, longest=70, busy=0.5, late=1, latest=2)
OFTEN = RunStats(runs=100, failed=1, total=10, mean=0.1, last=0.2, longest=0.3, busy=0.005, late=30, latest=60)
BAD = RunStats(runs=4, failed=4, total=2, mean=0.5, last=90, longest=90, busy=0.0004, late=None, latest=None)


def usage(name: str, stats: RunStats) -> Usage:
    return Usage(Key(Kind.TASK, "ns", name), CONNECTION, f"id-{name}", "1h", stats)


TASKS = [usage("idle", RunStats()), usage("often", OFTEN), usage("slow", SLOW), usage("bad", BAD)]


@pytest.mark.parametrize(
    ("sort", "names"),
    [
        (Sort.BUSY, ["slow", "often", "bad", "idle"]),
        (Sort.TOTAL, ["slow", "often", "bad", "idle"]),
        (Sort.MEAN, ["slow", "bad", "often", "idle"]),
        (Sort.LAST, ["bad", "slow", "often", "idle"]),
        (Sort.MAX, ["bad", "slow", "often", "idle"]),
        (Sort.RUNS, ["often", "bad", "slow", "idle"]),
        (Sort.FAILED, ["bad", "often", "slow", "idle"]),
        (Sort.LATE, ["often", "slow", "bad", "idle"]),
        (Sort.NAME, ["bad", "idle", "often", "slow"]),
    ],
)
def test_the_greatest_first(sort: Sort, names: list[str]) -> None:
    """What has no figure comes last; equal ones by name."""
    assert [one.key.name for one in ranked(TASKS, sort)] == names


def test_rows() -> None:
    """Shares as percents, times for people, a dash where no run tells."""
    assert len(row(TASKS[0])) == len(COLUMNS)
    assert row(usage("slow", SLOW))[3:10] == ("2", "0%", "1m00s", "50.0s", "1m10s", "50%", "1.000s")
    assert row(usage("often", OFTEN))[4] == "1.0%"
    assert row(usage("bad", BAD))[8:10] == ("<0.1%", "-")
    assert row(TASKS[0])[3:10] == ("0", "-", "-", "-", "-", "-", "-")


def test_items() -> None:
    """Numbers for programs; what no run tells is left out."""
    told = item(usage("bad", BAD))
    assert (told["runs"], told["failed"], told["busyShare"]) == (4, 4, 0.0004)
    assert "lateSeconds" not in told
    assert item(TASKS[0])["totalSeconds"] == 0
