"""What holds of every cadence, over random zones, lengths, origins and moments of 1990 to 2035."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import example, given, settings
from hypothesis import strategies as st

from influxops.core.pipeline.windows.cadence import Cadence, cadence

ODD = ["Pacific/Apia", "Australia/Lord_Howe", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/St_Johns"]
ODD += [
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Europe/Dublin",
    "Asia/Kathmandu",
    "Antarctica/Troll",
]
ZONES = [*sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")), "UTC"]
zones = st.sampled_from(ODD) | st.sampled_from(ZONES)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
origins = st.none() | moments.map(lambda moment: moment.replace(microsecond=0))
SHORT = ["15m", "1h", "7h", "36h", "5400s"]
LONG = ["1d", "2d", "7d", "1w", "1mo", "3mo", "1y", "24h", "30d"]
SLIDING = [
    ("1h", "3h"),
    ("1h", "90m"),
    ("1d", "3d"),
    ("2d", "3d"),
    ("1d", "1mo"),
    ("1mo", "3mo"),
    ("2mo", "3mo"),
    ("1w", "30d"),
    ("1d", "36h"),
]
tumbling = st.builds(
    lambda every, zone, origin: cadence(every, zone=zone, origin=origin or ""),
    st.sampled_from(SHORT + LONG),
    zones,
    origins,
)
sliding = st.builds(
    lambda pair, zone, origin: cadence(*pair, zone=zone, origin=origin or ""), st.sampled_from(SLIDING), zones, origins
)
cadences = tumbling | sliding
apia = cadence("1d", zone="Pacific/Apia")
skip = datetime(2011, 12, 28, tzinfo=UTC)


@given(tumbling, moments)
@example(apia, skip)
@example(cadence("1d", zone="America/St_Johns"), datetime(2006, 10, 27, tzinfo=UTC))
def test_tumbling_windows_tile_time(grid: Cadence, moment: datetime) -> None:
    """Each starts where the one before it stops, and none is empty."""
    windows = list(islice(grid.between(moment, moment + timedelta(days=5000)), 400))
    assert all(window.start < window.stop for window in windows)
    assert all(earlier.stop == later.start for earlier, later in pairwise(windows))


@given(sliding, moments)
@example(cadence("1d", "2d", zone="Pacific/Apia"), skip)
def test_sliding_windows_leave_nothing_out_and_never_turn_back(grid: Cadence, moment: datetime) -> None:
    """Starts and stops rise together, and each window reaches back to the one before it."""
    windows = list(islice(grid.between(moment, moment + timedelta(days=5000)), 400))
    assert all(window.start < window.stop for window in windows)
    assert all(
        earlier.stop < later.stop and earlier.start <= later.start <= earlier.stop
        for earlier, later in pairwise(windows)
    )


@given(cadences, moments)
@example(apia, skip + timedelta(days=2, hours=10))
def test_latest_following_preceding(grid: Cadence, moment: datetime) -> None:
    """The latest stop is not after the moment and the following one is; each undoes the other."""
    latest = grid.latest(moment)
    following = grid.following(latest)
    assert latest.stop <= moment < following.stop
    assert grid.preceding(following) == latest
    assert grid.following(grid.preceding(latest)) == latest
    assert grid.stopping_at(latest.stop) == latest
    assert grid.latest(latest.stop) == latest
    assert grid.latest(latest.stop - datetime.resolution) == grid.preceding(latest)


@given(cadences, moments, st.timedeltas(timedelta(0), timedelta(days=900)))
@example(apia, skip, timedelta(days=2, hours=10))
@example(cadence("1d", zone="Pacific/Apia", origin="2020-01-01T03:00:00Z"), skip, timedelta(days=5))
def test_counts_are_those_of_the_list(grid: Cadence, start: datetime, length: timedelta) -> None:
    """Also newest first; and every stop lies in (start, stop]."""
    stop = start + (length if grid.following(grid.latest(start)).stop - start > timedelta(hours=12) else length / 30)
    windows = list(grid.between(start, stop))
    assert grid.count_between(start, stop) == len(windows)
    assert list(grid.between_newest_first(start, stop)) == windows[::-1]
    assert all(start < window.stop <= stop for window in windows)
    assert not windows or grid.preceding(windows[0]).stop <= start


@given(cadences, moments, st.timedeltas(timedelta(seconds=1), timedelta(days=40)))
@example(apia, skip, timedelta(days=4))
def test_touching_is_all_that_overlaps(grid: Cadence, start: datetime, length: timedelta) -> None:
    """Against every window in the neighbourhood."""
    stop = start + length
    near = grid.between(start - timedelta(days=5), stop + timedelta(days=800 if not grid.elapsed else 5))
    assert list(grid.windows_touching(start, stop)) == [w for w in near if w.start < stop and w.stop > start]


@settings(max_examples=40)
@given(zones, st.dates(date(1990, 1, 1), date(2034, 12, 1)))
@example("Pacific/Apia", date(2011, 12, 27))
@example("America/St_Johns", date(2006, 10, 26))
@example("Africa/Cairo", date(2023, 4, 25))
def test_local_days_against_a_walk_through_the_minutes(zone: str, first: date) -> None:
    """Another way to find the days: read the zone's clock minute by minute, and note each date when it is first shown."""
    moment = datetime(first.year, first.month, first.day, tzinfo=UTC)
    clock, seen, starts = ZoneInfo(zone), date.min, []
    for minute in range(8 * 24 * 60):
        now = moment + timedelta(minutes=minute)
        shown = now.astimezone(clock).date()
        if shown > seen:
            seen = shown
            starts.append(now)
    expected = starts[1:]
    windows = list(cadence("1d", zone=zone).between(starts[1], starts[-1]))
    assert [window.start for window in windows] == expected[:-1]
    assert [window.stop for window in windows] == expected[1:]
