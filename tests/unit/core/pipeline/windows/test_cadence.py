"""Windows of named days: each expectation was written by hand from the clock of the place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from influxops.core.durations import parse_duration
from influxops.core.pipeline.windows.cadence import Cadence, CadenceFault, cadence
from influxops.core.pipeline.windows.window import Window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def spans(grid: Cadence, start: str, stop: str) -> list[str]:
    """Windows as ``MM-DDTHH:MM/MM-DDTHH:MM``, UTC."""
    return [f"{w.start:%m-%dT%H:%M}/{w.stop:%m-%dT%H:%M}" for w in grid.between(at(start), at(stop))]


def hours(grid: Cadence, start: str, stop: str) -> list[float]:
    return [(w.stop - w.start) / timedelta(hours=1) for w in grid.between(at(start), at(stop))]


def test_days_of_berlin_have_23_and_25_hours() -> None:
    """The clock goes forward on 2026-03-29 and back on 2026-10-25."""
    days = cadence("1d", zone="Europe/Berlin")
    assert spans(days, "2026-03-28T00:00", "2026-03-31T00:00") == [
        "03-27T23:00/03-28T23:00",
        "03-28T23:00/03-29T22:00",
        "03-29T22:00/03-30T22:00",
    ]
    assert hours(days, "2026-10-24T00:00", "2026-10-27T00:00") == [24, 25, 24]


@pytest.mark.parametrize(("day", "count"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_hours_are_elapsed_time_and_tile_a_local_day(day: str, count: int) -> None:
    """Each hour has 3600 s, whatever the clock does."""
    days, whole = cadence("1d", zone="Europe/Berlin"), cadence("1h", zone="Europe/Berlin")
    window = days.latest(at(f"{day}T23:00"))
    inside = list(whole.between(window.start, window.stop))
    assert len(inside) == count
    assert (inside[0].start, inside[-1].stop) == (window.start, window.stop)
    assert {w.stop - w.start for w in inside} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [("Asia/Kolkata", 30), ("Asia/Kathmandu", 15), ("Australia/Adelaide", 30), ("Europe/Berlin", 0), ("UTC", 0)],
)
def test_hours_begin_when_the_clock_shows_one(zone: str, minutes: int) -> None:
    """In Kolkata at half past of UTC, in Kathmandu (which had another offset in 1970) at a quarter past."""
    assert cadence("1h", zone=zone).latest(at("2026-06-01T12:50")).stop.minute == minutes


def test_days_of_lord_howe_are_half_an_hour_off() -> None:
    """Its summer time is 30 minutes: forward on 2026-10-04, back on 2026-04-05."""
    days = cadence("1d", zone="Australia/Lord_Howe")
    assert hours(days, "2026-04-03T23:00", "2026-04-06T23:00") == [24, 24.5, 24]
    assert hours(days, "2026-10-02T23:00", "2026-10-05T23:00") == [24, 23.5, 24]


def test_apia_never_had_2011_12_30() -> None:
    """There is no window for it, none is empty, and the days around it touch."""
    days = cadence("1d", zone="Pacific/Apia")
    expected = ["12-28T10:00/12-29T10:00", "12-29T10:00/12-30T10:00", "12-30T10:00/12-31T10:00"]
    assert spans(days, "2011-12-28T12:00", "2011-12-31T12:00") == expected
    assert days.clock(at("2011-12-30T09:59")) == datetime(2011, 12, 29, 23, 59)  # noqa: DTZ001
    assert days.clock(at("2011-12-30T10:00")) == datetime(2011, 12, 31)  # noqa: DTZ001
    assert days.count_between(at("2011-12-01T12:00"), at("2011-12-31T12:00")) == 30
    assert days.count_between(at("2011-11-30T12:00"), at("2011-12-31T12:00")) == 31


@pytest.mark.parametrize(
    ("zone", "day", "start", "length"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00", 23),
        ("Africa/Cairo", "2023-04-28", "2023-04-27T22:00", 23),
        ("Asia/Beirut", "2023-03-26", "2023-03-25T22:00", 23),
        ("America/Sao_Paulo", "2018-02-17", "2018-02-17T02:00", 25),
    ],
)
def test_a_day_without_midnight_begins_at_its_first_instant(zone: str, day: str, start: str, length: int) -> None:
    """There the clock goes from 23:59 to 01:00 (and, in autumn, from 23:59 back to 23:00)."""
    days = cadence("1d", zone=zone)
    window = next(iter(days.between(at(start), at(start) + timedelta(days=2))))
    assert window == Window(at(start), at(start) + timedelta(hours=length))
    assert f"{days.clock(window.start):%Y-%m-%d}" == day
    assert f"{days.clock(window.start - timedelta(seconds=1)):%Y-%m-%d}" < day


@pytest.mark.parametrize("text", ["1w", "7d", "168h"])
def test_weeks_begin_on_monday(text: str) -> None:
    """However the week is written, by the clock of the zone."""
    window = cadence(text, zone="America/New_York").latest(at("2026-11-21T12:00"))
    assert window == Window(at("2026-11-09T05:00"), at("2026-11-16T05:00"))


def test_weeks_from_an_origin() -> None:
    """A Sunday at six."""
    window = cadence("1w", origin="2026-11-01T06:00:00Z").latest(at("2026-11-21T12:00"))
    assert window == Window(at("2026-11-08T06:00"), at("2026-11-15T06:00"))


def test_months_by_the_clock() -> None:
    """Of 743 and 745 hours where the clock changes."""
    months = cadence("1mo", zone="Europe/Berlin")
    assert spans(months, "2026-02-27T00:00", "2026-05-01T00:00") == [
        "01-31T23:00/02-28T23:00",
        "02-28T23:00/03-31T22:00",
        "03-31T22:00/04-30T22:00",
    ]


def test_a_month_that_lacks_the_day_ends_on_its_last() -> None:
    """The grid keeps to the 31st: it does not slip to the 28th for good."""
    months = cadence("1mo", origin="2024-01-31T00:00:00Z")
    assert spans(months, "2025-01-15T00:00", "2025-05-15T00:00") == [
        "12-31T00:00/01-31T00:00",
        "01-31T00:00/02-28T00:00",
        "02-28T00:00/03-31T00:00",
        "03-31T00:00/04-30T00:00",
    ]


def test_leap_years() -> None:
    """From 29 February."""
    years = cadence("1y", origin="2020-02-29T00:00:00Z")
    assert [f"{w.stop:%Y-%m-%d}" for w in years.between(at("2022-01-01"), at("2025-01-01"))] == [
        "2022-02-28",
        "2023-02-28",
        "2024-02-29",
    ]


def test_sliding_windows() -> None:
    """The last three months each month; the last 24 h (elapsed time, for an hour is) each hour."""
    assert spans(cadence("1mo", "3mo"), "2026-01-15T00:00", "2026-03-15T00:00") == [
        "11-01T00:00/02-01T00:00",
        "12-01T00:00/03-01T00:00",
    ]
    slides = cadence("1h", "1d", zone="Europe/Berlin")
    assert set(hours(slides, "2026-03-28T00:00", "2026-03-31T00:00")) == {24}
    assert not slides.tumbling
    assert hours(cadence("1d", "2d", zone="Europe/Berlin"), "2026-03-28T12:00", "2026-03-31T12:00") == [48, 47, 47]


def test_touching() -> None:
    """A window that stops at the start has no moment of the range; neither has one that starts at its stop."""
    whole = cadence("1h", "2h")
    found = list(whole.windows_touching(at("2026-01-01T10:00"), at("2026-01-01T11:00")))
    assert [w.stop.hour for w in found] == [11, 12]
    assert list(whole.windows_touching(at("2026-01-01T10:00"), at("2026-01-01T10:00"))) == []
    point = at("2026-01-01T09:59:59")
    assert [w.stop.hour for w in whole.windows_touching(point, point + timedelta(seconds=1))] == [10, 11]


def test_a_million_windows_are_made_one_by_one() -> None:
    """The first comes at once, and the count without any."""
    seconds = cadence("1s")
    many = seconds.between(at("1990-01-01"), at("2035-01-01"))
    assert next(many).stop == at("1990-01-01T00:00:01")
    assert seconds.count_between(at("1990-01-01"), at("2035-01-01")) == 1_420_070_400
    newest = seconds.between_newest_first(at("1990-01-01"), at("2035-01-01"))
    assert [w.stop.second for w in islice(newest, 2)] == [0, 59]


def test_nothing_between() -> None:
    """A range that is empty or turned round has no window."""
    days = cadence("1d")
    assert list(days.between(at("2026-01-02"), at("2026-01-01"))) == []
    assert days.count_between(at("2026-01-02"), at("2026-01-01")) == 0
    assert list(days.between_newest_first(at("2026-01-02"), at("2026-01-01"))) == []


def test_no_point_of_the_grid() -> None:
    """One second beside a stop there is no window."""
    days = cadence("1d", zone="Europe/Berlin")
    assert days.stopping_at(at("2026-03-29T22:00")) == Window(at("2026-03-28T23:00"), at("2026-03-29T22:00"))
    assert days.stopping_at(at("2026-03-29T22:00:01")) is None
    assert days.stopping_at(at("2026-03-29T23:00")) is None


def test_the_same_words_are_the_same_cadence() -> None:
    """However they are spelled: plans are compared by it."""
    assert cadence("24h", zone="Europe/Berlin") == cadence("1d", "1d", zone="Europe/Berlin")
    assert cadence("24h").tumbling
    assert not cadence("24h").elapsed
    assert cadence("36h").elapsed


@pytest.mark.parametrize(
    ("words", "field", "message"),
    [
        ({"every": "7x"}, "every", "write a number and a unit"),
        ({"every": "1500ms"}, "every", "no whole number of seconds"),
        ({"every": "0s"}, "every", "write one above 0s"),
        ({"every": "-1h"}, "every", "write one above 0s"),
        ({"every": "1mo1d"}, "every", "mixes months with units of fixed length"),
        ({"every": "11y"}, "every", "longer than 10y"),
        ({"every": "1h", "period": "59m"}, "period", "write 1h or more"),
        ({"every": "1mo", "period": "30d"}, "period", "write 1mo or more"),
        ({"every": "1d", "period": "25h"}, "period", "write 1d or more"),
        ({"every": "1h", "period": "1mo"}, "period", "write days, such as 30d"),
        ({"every": "1h", "zone": "Europe/Berln"}, "timezone", "did you mean Europe/Berlin"),
        ({"every": "1h", "zone": "New York"}, "timezone", r"did you mean America/New_York\?"),
        ({"every": "1h", "zone": "right/Europe/Berlin"}, "timezone", "is no time zone"),
        ({"every": "1h", "zone": "../UTC"}, "timezone", "is no time zone"),
        ({"every": "1h", "zone": "Europe"}, "timezone", "write UTC or an IANA name"),
        ({"every": "1h", "origin": "2024-01-01"}, "origin", "names no zone; write 2024-01-01T00:00:00Z"),
        ({"every": "1h", "origin": "2024-01-01T00:00:00.5Z"}, "origin", "fraction of a second"),
        ({"every": "1h", "origin": "noon"}, "origin", "write RFC 3339"),
    ],
)
def test_faults_name_the_field_and_tell_what_to_write(words: dict[str, str], field: str, message: str) -> None:
    """So that the caller can add the path."""
    with pytest.raises(CadenceFault, match=message) as caught:
        cadence(**words)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("every", "period"),
    [("1mo", "31d"), ("1mo", "45d"), ("1d", "36h"), ("1d", "1mo"), ("28d", "1mo"), ("7h", "7h"), ("1y", "366d")],
)
def test_unusual_and_legal(every: str, period: str) -> None:
    """No moment is left out by any of these."""
    grid = cadence(every, period, zone="Europe/Berlin")
    windows = list(grid.between(at("2019-01-01"), at("2029-01-01")))
    assert all(later.start <= earlier.stop for earlier, later in pairwise(windows))


def test_made_from_durations() -> None:
    """As the API's models hold them."""
    assert Cadence(parse_duration("1h"), parse_duration("1h")) == cadence("1h")
