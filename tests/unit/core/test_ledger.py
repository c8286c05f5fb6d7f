"""Records of windows as line protocol, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influxops.core.pipeline import ledger
from influxops.core.pipeline.proofs import digest
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from tests.support.fake_points import EPOCH, parse_line, time_text, value_text

_TIMES = st.integers(0, 7_000_000_000_000_000).map(lambda value: EPOCH + timedelta(microseconds=value))
_SECONDS = _TIMES.map(lambda moment: moment.replace(microsecond=0))
_COUNTS = st.none() | st.integers(0, 2**62)
_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00"), max_size=60)
_IDS = st.text(st.characters(exclude_categories=["C"]), max_size=40)
_TAGS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="\\"), min_size=1, max_size=20)
_STAGES = st.builds("{} {},={}".format, _TAGS, _TAGS, _TAGS) | _TAGS
_WINDOWS = st.builds(
    lambda start, length: Window(start, start + timedelta(seconds=length)), _SECONDS, st.integers(1, 10**8)
)
_RECORDS = st.builds(
    WindowRecord,
    stage=_STAGES,
    window=_WINDOWS,
    state=st.sampled_from(WindowState),
    revision=st.integers(1, 10**6),
    attempt=st.integers(0, 10**6),
    cause=st.sampled_from(Cause),
    rows=_COUNTS,
    series=_COUNTS,
    bytes=_COUNTS,
    checksum=_IDS,
    source_count=_COUNTS,
    source=_IDS,
    duration=st.none() | st.floats(0, 1e9),
    query_micros=_COUNTS,
    max_allocated=_COUNTS,
    script=_IDS,
    backfill=_IDS,
    run_id=_IDS,
    error=_WORDS,
    ready_at=st.none() | _TIMES,
    finished_at=st.none() | _TIMES,
)
RECORD = WindowRecord(
    "s", Window(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 2, tzinfo=UTC)), WindowState.READY
)


def row(line: str) -> dict[str, str]:
    """What a pivot of the point gives."""
    points = parse_line(line)
    fields = {point.field: value_text(point.value) for point in points}
    return {**dict(points[0].tags), "_time": time_text(points[0].time), **fields}


@given(_RECORDS, _TAGS)
def test_a_record_comes_back_as_it_was(record: WindowRecord, owner: str) -> None:
    """Whatever it holds; its tags are owner and stage."""
    found = row(ledger.encode(owner, record))
    assert ledger.decode(found) == record
    assert found["owner"] == owner


@given(_RECORDS, _RECORDS)
def test_every_record_writes_the_same_fields(one: WindowRecord, other: WindowRecord) -> None:
    """InfluxDB merges fields: one that is left out would keep its old value."""
    fields = [{point.field for point in parse_line(ledger.encode("o", record))} for record in (one, other)]
    assert fields[0] == fields[1]
    assert len(fields[0]) == len(WindowRecord.__slots__) - 2 + 1  # stage is a tag; of the window, stop is a field


@given(_TIMES, st.none() | _TIMES, st.integers(0, 10**6), _TIMES, _TAGS)
def test_a_watermark_comes_back_as_it_was(
    stop: datetime, begin: datetime | None, era: int, now: datetime, owner: str
) -> None:
    """To the microsecond. That of the first era is written as in earlier versions."""
    made = ledger.Mark(stop, begin, era)
    points = parse_line(ledger.encode_watermark(owner, made, now))
    tags = {"owner": owner, **({"era": str(era)} if era else {})}
    assert {(point.measurement, point.tags) for point in points} == {("watermark", tuple(sorted(tags.items())))}
    found = {point.field: value_text(point.value) for point in points}
    assert found.keys() == ({"stop", "begin"} if begin else {"stop"})
    assert ledger.decode_watermark({**found, **tags, "_time": time_text(points[0].time)}) == (made, now)


def test_marks_that_a_clock_left_ahead_begin_an_era() -> None:
    """The next one counts before them when their time has come; those of a clock that was right begin none."""
    now, hour = datetime(2026, 3, 1, 12, tzinfo=UTC), timedelta(hours=1)
    found = [(ledger.Mark(now - n * hour), now - n * hour) for n in (3, 2, 1)]
    assert ledger.marks_before(found, now) == ledger.Marks(ledger.Mark(now - hour))
    ahead = [*found, (ledger.Mark(now + hour), now + hour)]
    assert ledger.marks_before(ahead, now) == ledger.Marks(ledger.Mark(now - hour), 1)
    after = [*ahead, (ledger.Mark(now - hour, era=1), now)]
    for later in (now + hour / 2, now + 2 * hour):
        assert ledger.marks_before(after, later) == ledger.Marks(ledger.Mark(now - hour, era=1), 1)


def test_a_long_error_is_clipped_and_line_ends_are_one() -> None:
    """A carriage return is lost in CSV, and a lone surrogate is no text."""
    assert ledger.clip("a\r\nb\rc\ud800") == "a\nb\nc?"
    clipped = ledger.clip("x" * 5_000)
    assert (len(clipped), clipped[-1]) == (ledger.MAX_ERROR, "…")


@pytest.mark.parametrize("tag", ["", "a\\", "a\nb", "\x00"])
def test_what_cannot_be_a_tag_is_refused(tag: str) -> None:
    """As an owner; the point would be another one."""
    with pytest.raises(ValueError, match="tag"):
        ledger.encode(tag, RECORD)


def test_a_record_of_an_older_version_lacks_fields() -> None:
    """They are None or empty; without a state or a stop it is no record."""
    whole = row(ledger.encode("o", RECORD))
    assert ledger.decode({name: whole[name] for name in ("stage", "_time", "stop", "state")}) == WindowRecord(
        "s", RECORD.window, WindowState.READY
    )
    for name in ("state", "stop", "stage"):
        with pytest.raises((KeyError, ValueError)):
            ledger.decode({key: value for key, value in whole.items() if key != name})


def test_a_checksum_knows_neither_order_nor_repetition() -> None:
    """A point that is written twice stands once in a bucket."""
    series = digest.series_text((("_field", "f"), ("host", "a")))
    one, two = digest.line(series, "2024-03-01T00:00:00Z", "1"), digest.line(series, "2024-03-01T00:00:00Z", "2")
    assert digest.checksum([one, two]) == digest.checksum([two, one, one]) != digest.checksum([one])
