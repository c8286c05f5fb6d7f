"""Which windows are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from influxops.core.pipeline.drawing.timespan import MOST, Asked, SpanFault, columns, finest, moment
from influxops.core.pipeline.windows.cadence import cadence

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
BEGIN = NOW - 1000 * HOUR
HOURLY = cadence("1h")


def at(text: str) -> datetime:
    return moment(text, "UTC")


@pytest.mark.parametrize(
    ("asked", "first", "last", "count"),
    [
        (Asked(), "2026-11-21T03:00", "2026-11-21T13:00", 10),
        (Asked(last=3), "2026-11-21T10:00", "2026-11-21T13:00", 3),
        (Asked(stop=at("2026-11-20T06:30"), last=3), "2026-11-20T03:00", "2026-11-20T06:00", 3),
        (Asked(start=at("2026-11-20T06:30"), last=3), "2026-11-20T07:00", "2026-11-20T10:00", 3),
        (Asked(start=at("2026-11-20"), stop=at("2026-11-21")), "2026-11-20T00:00", "2026-11-21T00:00", 24),
        (Asked(start=at("2026-11-21T11:00")), "2026-11-21T11:00", "2026-11-21T13:00", 2),
        (Asked(stop=at("2026-11-20")), "2026-11-19T14:00", "2026-11-20T00:00", 10),
    ],
)
def test_ranges(asked: Asked, first: str, last: str, count: int) -> None:
    """What fits, back from the end or on from the start; a window is shown only when all of it lies within."""
    found = columns(HOURLY, asked, NOW, BEGIN, 10)
    assert (found[0], found[-1], len(found) - 1) == (at(first), at(last), count)
    assert all(after - before == HOUR for before, after in pairwise(found))


def test_what_precedes_begin_is_shown_when_asked_for() -> None:
    """By default the map of a new pipeline is not empty on the left."""
    begin = at("2026-11-21T10:30")
    assert columns(HOURLY, Asked(), NOW, begin, 10)[0] == at("2026-11-21T11:00")
    assert columns(HOURLY, Asked(last=10), NOW, begin, 10)[0] == at("2026-11-21T03:00")
    assert columns(HOURLY, Asked(), NOW, NOW + 48 * HOUR, 10) == [at("2026-11-21T12:00"), at("2026-11-21T13:00")]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (Asked(at("2026-11-20"), at("2026-11-21"), 5), "one too many"),
        (Asked(at("2026-11-20"), at("2026-11-19")), "no window"),
        (Asked(at("2026-11-20T00:10"), at("2026-11-20T00:50")), "no window"),
        (Asked(last=MOST + 1), "too many to draw"),
        (Asked(at("2000-01-01")), "too many to draw"),
    ],
)
def test_refused(asked: Asked, words: str) -> None:
    """In a sentence with a remedy, before anything is made."""
    with pytest.raises(SpanFault, match=words):
        columns(HOURLY, asked, NOW, BEGIN, 10)


def test_times_are_of_the_pipelines_clock_unless_they_have_a_zone() -> None:
    """As one reads them on the axis."""
    assert moment("2026-10-25T12:00", "Europe/Berlin") == at("2026-10-25T11:00")
    assert moment("2026-10-25T12:00Z", "Europe/Berlin") == at("2026-10-25T12:00")
    with pytest.raises(SpanFault, match="by the clock of Europe/Berlin"):
        moment("noon", "Europe/Berlin")


def test_the_finest_cadence_gives_the_columns() -> None:
    """Whatever the order of the stages."""
    grids = [cadence("1d"), cadence("15m"), cadence("1h"), cadence("900s")]
    assert finest(grids, NOW) is grids[1]
