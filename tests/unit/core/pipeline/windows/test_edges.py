"""Which windows wait for which, and pairs that can never meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from influxops.core.pipeline.windows.cadence import Cadence, cadence
from influxops.core.pipeline.windows.edges import children_of, edge_fault, parents_of

BERLIN, KOLKATA, LORD_HOWE = "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"


def of(words: str) -> Cadence:
    """``every[/period][@zone]``."""
    lengths, _, zone = words.partition("@")
    every, _, period = lengths.partition("/")
    return cadence(every, period, zone=zone)


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_a_local_day_waits_for_all_its_hours(day: str, count: int) -> None:
    """And each of these hours opens that day, once."""
    days, hours = of(f"1d@{BERLIN}"), of(f"1h@{BERLIN}")
    window = days.latest(datetime.fromisoformat(f"{day}T23:00Z"))
    parents = parents_of(days, window, hours)
    assert len(parents) == count
    assert all(children_of(hours, parent, days) == [window] for parent in parents)


def test_sliding_child() -> None:
    """Three hours each hour: every hour opens three windows."""
    child, parent = of("1h/3h"), of("1h")
    window = parent.latest(datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert [w.stop.hour for w in children_of(parent, window, child)] == [12, 13, 14]
    assert [w.stop.hour for w in parents_of(child, child.latest(window.stop), parent)] == [10, 11, 12]


def test_sliding_parent() -> None:
    """Only windows whose stop lies in the child's: their tails before it are history."""
    child, parent = of("1h"), of("15m/1h")
    parents = parents_of(child, child.latest(datetime(2026, 1, 1, 12, tzinfo=UTC)), parent)
    assert [w.stop.minute for w in parents] == [15, 30, 45, 0]


POSSIBLE = [
    (f"1d@{BERLIN}", f"1h@{BERLIN}"),
    (f"1d@{BERLIN}", "15m"),
    (f"1mo@{BERLIN}", f"1d@{BERLIN}"),
    (f"1w@{BERLIN}", f"1d@{BERLIN}"),
    (f"1w/30d@{BERLIN}", f"1d@{BERLIN}"),
    (f"1d/1mo@{BERLIN}", f"1h@{BERLIN}"),
    (f"1d@{KOLKATA}", f"1h@{KOLKATA}"),
    (f"1d@{KOLKATA}", "30m"),
    (f"1d@{LORD_HOWE}", f"30m@{LORD_HOWE}"),
    ("1h", "15m/1h"),
    ("1h/90m", "30m"),
    ("1h", "1h"),
    ("1y", "1mo"),
]


@pytest.mark.parametrize(("child", "parent"), POSSIBLE)
def test_possible(child: str, parent: str) -> None:
    """No fault is found."""
    assert edge_fault(of(child), of(parent)) == ""


@pytest.mark.parametrize(
    ("child", "parent", "example", "remedy"),
    [
        ("1d", "7h", "every 7h", "parent had every 6h"),
        ("1h", "1d", "ends at 2020-01-01T01:00:00Z", "write 1d or a multiple of it for the child"),
        ("15m/1h", "1h", "every 15m, period 1h", "write 1h or a multiple of it"),
        ("1h/90m", "1h", "begins at 2019-12-31T23:30:00Z", "parent had every 30m"),
        (f"1d@{BERLIN}", "1d", "ends at 2020-01-01T23:00:00Z", "every 1d and timezone Europe/Berlin"),
        ("1d@Europe/London", "1d", "2020-03-30 00:00 Europe/London", "every 1d and timezone Europe/London"),
        (f"1d@{BERLIN}", f"6h@{BERLIN}", "2020-03-30 00:00 Europe/Berlin", "parent had every 1h"),
        (f"1mo@{BERLIN}", f"1w@{BERLIN}", "2020-02-01 00:00 Europe/Berlin", "parent had every 1d"),
        (f"1d@{KOLKATA}", "1h", "18:00:00Z and 2020-01-01T19:00:00Z", "every 1h and timezone Asia/Kolkata"),
        (f"1d@{LORD_HOWE}", f"1h@{LORD_HOWE}", "Australia/Lord_Howe", "parent had every 30m"),
    ],
)
def test_impossible(child: str, parent: str, example: str, remedy: str) -> None:
    """With a window that shows it, and a remedy that works."""
    fault = edge_fault(of(child), of(parent))
    assert example in fault
    assert remedy in fault
    if "parent had every" in fault:
        every, _, zone = fault.partition("parent had every ")[2].partition(" and timezone ")
        assert edge_fault(of(child), cadence(every, zone=zone or of(child).zone)) == ""


def test_the_origin_counts() -> None:
    """Days from six in the morning do not fit days from midnight; with the same origin they do."""
    child, midnight = cadence("1w", origin="2024-01-01T06:00:00Z"), cadence("1d")
    fault = edge_fault(child, midnight)
    assert "every 1d and origin 2024-01-01T06:00:00Z" in fault
    assert edge_fault(child, cadence("1d", origin="2024-01-01T06:00:00Z")) == ""


def test_judged_from_where_the_pipeline_begins() -> None:
    """Pyongyang was half an hour off from 2015 to 2018; a pipeline that begins later has no trouble."""
    child, parent = of("1d@Asia/Pyongyang"), of("1h@Asia/Pyongyang")
    assert "Asia/Pyongyang" in edge_fault(child, parent, datetime(2014, 1, 1, tzinfo=UTC))
    assert edge_fault(child, parent) == ""


@given(st.sampled_from(POSSIBLE), st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_parents_and_children_are_inverse(pair: tuple[str, str], moment: datetime) -> None:
    """A window is among the children of each of its parents, and among the parents of each of its children."""
    child, parent = of(pair[0]), of(pair[1])
    below = child.latest(moment)
    needed = parents_of(child, below, parent)
    assert needed
    assert needed[-1].stop == below.stop
    for window in [needed[0], needed[len(needed) // 2], needed[-1]]:
        assert below in children_of(parent, window, child)
    above = parent.latest(moment)
    for window in children_of(parent, above, child):
        assert above in parents_of(child, window, parent)


@given(
    st.sampled_from(["15m", "1h", "2h", "7h", "1d", "2d", "1w", "1mo"]),
    st.sampled_from(["15m", "1h", "2h", "7h", "1d", "2d", "1w", "1mo"]),
    st.sampled_from(["UTC", BERLIN, KOLKATA]),
)
def test_a_tumbling_pair_without_fault_tiles(every: str, parent_every: str, zone: str) -> None:
    """The parents of a window fill it exactly."""
    child, parent = cadence(every, zone=zone), cadence(parent_every, zone=zone)
    assume(not edge_fault(child, parent))
    since = datetime(2026, 3, 1, tzinfo=UTC)
    for window in islice(child.between(since, since + timedelta(days=400)), 60):
        parents = parents_of(child, window, parent)
        assert (parents[0].start, parents[-1].stop) == (window.start, window.stop)
