"""The ledger in a bucket: what is written is read back, and a later record replaces the former one whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from influxops.core.pipeline import ledger
from influxops.core.pipeline.ledger import Mark, Marks
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.influx.errors import NotFound
from tests.contract.conftest import World, at

START = at("2024-03-01T10:00:00")
HOUR = timedelta(hours=1)
OWNER = "prod/team-a/env"
FULL = WindowRecord(
    stage="rollup-1h",
    window=Window(START, START + HOUR),
    state=WindowState.SUCCESS,
    revision=2,
    attempt=3,
    cause=Cause.LATE_DATA,
    rows=0,
    series=5,
    bytes=4096,
    checksum="sha256:ab",
    source_count=3600,
    source="9f86",
    duration=0.0125,
    query_micros=7,
    max_allocated=56,
    script="sha256:cd",
    backfill="f3b1",
    run_id="0d00",
    points=Points.EMPTIED,
    error="a warning",
    ready_at=START + timedelta(microseconds=1),
    finished_at=START + timedelta(seconds=1.5),
)
NASTY = ['"', "\\", '\\"', "a\nb\n\nc", "x,y=z w", "é☃\t", "#datatype,string", ",error,reference", "ends\\", "\n", "  "]


@pytest.fixture
async def world(world: World) -> World:
    """A world with an empty ledger."""
    await world.port.create_bucket(world.org_id, "ledger", "", 0, 0)
    return world


async def put(world: World, *records: WindowRecord, owner: str = OWNER) -> None:
    """Write records."""
    await world.port.write_points(world.org_id, "ledger", [ledger.encode(owner, record) for record in records])


async def mark(world: World, stands: Mark, now: datetime) -> None:
    """Write a watermark."""
    await world.port.write_points(world.org_id, "ledger", [ledger.encode_watermark(OWNER, stands, now)])


async def get(world: World, owner: str = OWNER, start: int = -100, stop: int = 100) -> list[WindowRecord]:
    """Records of windows that begin so many hours after START."""
    return await world.port.ledger_records(world.org_id, "ledger", owner, START + start * HOUR, START + stop * HOUR)


async def test_a_record_is_read_back_as_it_was_written(world: World) -> None:
    """With every field, and with none but those that must be."""
    bare = WindowRecord("rollup-1d", Window(START, START + 24 * HOUR), WindowState.FAILED)
    await put(world, FULL, bare)
    assert await get(world) == [FULL, bare]


async def test_a_later_record_replaces_the_former_one_whole(world: World) -> None:
    """InfluxDB merges fields, so that a field left out would keep its old value: none is left out."""
    bare = WindowRecord(FULL.stage, FULL.window, WindowState.READY)
    await put(world, FULL)
    await put(world, bare)
    assert await get(world) == [bare]


async def test_texts_may_hold_anything(world: World) -> None:
    """Quotes, backslashes, line breaks, what looks like the CSV's own words."""
    records = [
        replace(FULL, window=Window(START + n * HOUR, START + (n + 1) * HOUR), error=text)
        for n, text in enumerate(NASTY)
    ]
    await put(world, *records)
    assert [record.error for record in await get(world)] == NASTY


async def test_records_of_one_owner_and_range_oldest_first(world: World) -> None:
    """From start to before stop; other owners have their own, also one whose name begins alike."""
    hours = [replace(FULL, window=Window(START + n * HOUR, START + (n + 1) * HOUR)) for n in range(5)]
    await put(world, *reversed(hours))
    await put(world, FULL, owner=OWNER + "2")
    assert await get(world, start=1, stop=3) == hours[1:3]
    assert await get(world, OWNER + "2") == [FULL]
    assert await get(world, "prod/team-a/other") == []


async def test_what_is_no_record_is_left_out(world: World) -> None:
    """Points that somebody else wrote there hide no record."""
    time = int((START + HOUR).timestamp()) * 10**9
    await put(world, FULL)
    await world.port.write_points(world.org_id, "ledger", [f'window_state,owner={OWNER},stage=x state="?" {time}'])
    assert await get(world) == [FULL]


async def test_where_windows_begin_that_are_not_settled(world: World) -> None:
    """READY and FAILED ones of all stages before a moment, each beginning once; SUCCESS and other owners have none."""
    ready = replace(FULL, state=WindowState.READY)
    failed = replace(FULL, state=WindowState.FAILED)
    hours = [Window(START + n * HOUR, START + (n + 1) * HOUR) for n in range(5)]
    records = [replace(ready if n % 2 else FULL, window=window) for n, window in enumerate(hours)]
    await put(world, *records, replace(failed, stage="rollup-1d", window=Window(hours[1].start, hours[4].stop)))
    await put(world, replace(ready, window=hours[0]), owner=OWNER + "2")
    read = world.port.ledger_left
    assert await read(world.org_id, "ledger", OWNER, START + 4 * HOUR) == [hours[1].start, hours[3].start]
    assert await read(world.org_id, "ledger", OWNER, hours[3].start) == [hours[1].start]
    assert await read(world.org_id, "ledger", "prod/team-a/other", START + 4 * HOUR) == []
    with pytest.raises(NotFound):
        await read(world.org_id, "nope", OWNER, START)


async def test_the_watermark_that_was_written_last(world: World) -> None:
    """Also when it went back; None before the first. What was written at a moment or later counts for nothing before it."""
    read, then = world.port.ledger_watermark, START + timedelta(days=1)
    assert await read(world.org_id, "ledger", OWNER, then) == Marks()
    for n, stop in enumerate((START, START + HOUR, START - HOUR)):
        await mark(world, Mark(stop), then + timedelta(seconds=n))
        assert await read(world.org_id, "ledger", OWNER, then + HOUR) == Marks(Mark(stop))
    assert await read(world.org_id, "ledger", OWNER, then + timedelta(seconds=2)) == Marks(Mark(START + HOUR), 1)
    assert await read(world.org_id, "ledger", OWNER, then) == Marks(None, 1)
    assert await read(world.org_id, "ledger", "prod/team-a/other", then + HOUR) == Marks()


async def test_a_watermark_of_a_later_era_counts_before_those_that_were_dated_later(world: World) -> None:
    """A clock was ahead and was set back, twice."""
    read, then = world.port.ledger_watermark, START + timedelta(days=1)
    for era in range(3):
        for n in range(2):
            stop = START + (10 * era + n) * HOUR
            await mark(world, Mark(stop, START, era), then + timedelta(hours=-era, seconds=n))
    assert await read(world.org_id, "ledger", OWNER, then + HOUR) == Marks(Mark(START + 21 * HOUR, START, 2), 2)
    assert await read(world.org_id, "ledger", OWNER, then) == Marks(Mark(START + 21 * HOUR, START, 2), 2)
    between = then + timedelta(hours=-2, seconds=1)
    assert await read(world.org_id, "ledger", OWNER, between) == Marks(Mark(START + 20 * HOUR, START, 2), 3)


async def test_a_watermark_of_an_earlier_version_has_no_begin(world: World) -> None:
    """Neither has one of such that came after one of this: what that said may not be so any more."""
    read, then = world.port.ledger_watermark, START + timedelta(days=1)
    for n, begin in enumerate((None, START, None)):
        await mark(world, Mark(START + n * HOUR, begin), then + timedelta(seconds=n))
        assert await read(world.org_id, "ledger", OWNER, then + HOUR) == Marks(Mark(START + n * HOUR, begin))


async def test_watermarks_of_one_instant(world: World) -> None:
    """The one that was written later counts."""
    then = START + timedelta(days=1)
    for n in range(2):
        await mark(world, Mark(START + n * HOUR, START), then)
    assert await world.port.ledger_watermark(world.org_id, "ledger", OWNER, then + HOUR) == Marks(
        Mark(START + HOUR, START)
    )


async def test_a_ledger_that_does_not_exist(world: World) -> None:
    """NotFound, never an empty ledger: all would be run again."""
    with pytest.raises(NotFound):
        await world.port.ledger_records(world.org_id, "nope", OWNER, START, START + HOUR)
    with pytest.raises(NotFound):
        await world.port.ledger_watermark(world.org_id, "nope", OWNER, START)


async def test_an_empty_range_has_no_records(world: World) -> None:
    """A pipeline that begins in the future asks for one; the server refuses ranges that are empty."""
    await put(world, FULL)
    assert await get(world, start=5, stop=5) == []
    assert await get(world, start=5, stop=-5) == []
