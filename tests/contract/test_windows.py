"""Running a script over a window, and reading back what it wrote."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from influxops.core.pipeline.proofs.result import Target
from influxops.core.pipeline.windows.window import Window
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Invalid, NotFound, ScriptFailed
from influxops.influx.http import TimedOut
from influxops.influx.settings import ConnectionSettings
from influxops.influx.tally import Tally
from tests.contract.conftest import World, at
from tests.support.fake_points import Point, Program
from tests.support.influx_admin import Admin, Site

START = at("2024-03-01T10:00:00")
WINDOW = Window(START, START + timedelta(hours=1))
SUMS = """
from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> aggregateWindow(every: 10m, fn: sum, createEmpty: false, timeSrc: "_start") |> to(bucket: "out")
"""


def with_window(script: str, window: Window = WINDOW, *, profiler: bool = False) -> str:
    """The script with its window as literals before it."""
    start, stop = (f"{moment:%Y-%m-%dT%H:%M:%SZ}" for moment in (window.start, window.stop))
    cost = 'import "profiler"\noption profiler.enabledProfilers = ["query"]\n' if profiler else ""
    return f"{cost}option v = {{timeRangeStart: {start}, timeRangeStop: {stop}}}\n{script}"


def sums(_: Window, points: list[Point]) -> Iterable[Point]:
    """What SUMS does."""
    step = 600 * 10**9
    found: dict[tuple[Point, int], float] = defaultdict(float)
    for point in points:
        key = Point(point.measurement, point.tags, point.field, 0.0, point.time // step * step)
        found[key, 0] += float(point.value)
    return [Point(key.measurement, key.tags, key.field, value, key.time) for (key, _), value in found.items()]


def lines(hosts: int, minutes: int = 60) -> list[str]:
    """Points at each minute from START, with values that have no short decimal form."""
    first = int(START.timestamp())
    return [
        f"env,host=h{host},room=a\\ b t={minute / 3!r},u={float(minute)!r} {(first + minute * 60) * 10**9}"
        for minute in range(minutes)
        for host in range(hosts)
    ]


@pytest.fixture
async def filled(world: World) -> World:
    """Buckets raw and out; raw holds 2 series of 2 fields over the window and a minute more."""
    for bucket in ("raw", "out"):
        await world.port.create_bucket(world.org_id, bucket, "", 0, 0)
    await world.port.write_points(world.org_id, "raw", lines(2, 61))
    world.teach(SUMS.strip(), Program("raw", "out", sums))
    return world


async def test_what_is_read_back_has_the_checksum_of_what_was_written(filled: World) -> None:
    """Until a single value in the destination is changed by hand."""
    port, org_id = filled.port, filled.org_id
    result = await port.run_script(org_id, with_window(SUMS), WINDOW.stop, 10)
    assert (result.rows, result.series, result.cost, result.comparable) == (24, 4, None, True)
    written = await port.read_written(org_id, Target("out", "env"), WINDOW)
    assert written.rows == 24
    assert written.checksum == result.checksum
    assert result.checksum.startswith("sha256:")
    assert set(written.counts.values()) == {6}
    assert (("_field", "t"), ("_measurement", "env"), ("host", "h1"), ("room", "a b")) in written.counts
    assert written.sums == {"t": pytest.approx(2 * 590), "u": pytest.approx(2 * 1770)}
    first = int(START.timestamp()) * 10**9
    await port.write_points(org_id, "out", [f"env,host=h1,room=a\\ b t=1.25 {first}"])
    assert (await port.read_written(org_id, Target("out"), WINDOW)).checksum != result.checksum


async def test_a_second_run_gives_the_same_checksum(filled: World) -> None:
    """The destination is the same byte for byte, too."""
    first = await filled.port.run_script(filled.org_id, with_window(SUMS), WINDOW.stop, 10)
    second = await filled.port.run_script(filled.org_id, with_window(SUMS), WINDOW.stop + timedelta(days=1), 10)
    assert second.checksum == first.checksum
    assert (await filled.port.read_written(filled.org_id, Target("out"), WINDOW)).checksum == first.checksum


async def test_it_is_told_when_the_server_has_done_its_part(filled: World) -> None:
    """Once; and not for a script that fails before it answers."""
    port, told = filled.port, list[str]()
    script = with_window(SUMS)
    result = await port.run_script(filled.org_id, script, WINDOW.stop, 10, answered=lambda: told.append("answered"))
    assert (result.rows, told) == (24, ["answered"])
    lost = SUMS.replace('bucket: "raw"', 'bucket: "nowhere"')
    filled.teach(lost.strip(), Program("nowhere", "out", sums))
    with pytest.raises(ScriptFailed, match="nowhere"):
        await port.run_script(filled.org_id, with_window(lost), WINDOW.stop, 10, answered=lambda: told.append("failed"))
    assert told == ["answered"]


async def test_beyond_the_limit_rows_are_counted_without_a_checksum(filled: World) -> None:
    """At the limit there still is one."""
    script = with_window(SUMS)
    assert (await filled.port.run_script(filled.org_id, script, WINDOW.stop, 10, hash_rows=24)).checksum
    short = await filled.port.run_script(filled.org_id, script, WINDOW.stop, 10, hash_rows=23)
    assert (short.rows, short.series, short.checksum) == (24, 4, "")
    assert (await filled.port.read_written(filled.org_id, Target("out"), WINDOW, hash_rows=0)).checksum == ""


async def test_the_profiler_tells_the_cost_and_its_row_is_not_counted(filled: World) -> None:
    """The rows and their checksum are the same with and without it."""
    plain = await filled.port.run_script(filled.org_id, with_window(SUMS), WINDOW.stop, 10)
    costed = await filled.port.run_script(filled.org_id, with_window(SUMS, profiler=True), WINDOW.stop, 10)
    assert (costed.rows, costed.series, costed.checksum) == (plain.rows, plain.series, plain.checksum)
    assert costed.cost is not None
    assert 0 < costed.cost.executed <= costed.cost.total < 10


async def test_an_empty_window_writes_nothing_and_equals_an_empty_destination(filled: World) -> None:
    """Zero rows have a checksum of their own."""
    empty = Window(WINDOW.start - timedelta(days=2), WINDOW.start - timedelta(days=1))
    result = await filled.port.run_script(filled.org_id, with_window(SUMS, empty, profiler=True), empty.stop, 10)
    assert (result.rows, result.series) == (0, 0)
    assert result.checksum == (await filled.port.read_written(filled.org_id, Target("out"), empty)).checksum


async def test_a_destination_that_does_not_exist_fails_the_script(filled: World) -> None:
    """It is the script that is wrong, not the server that is away; to read it back is NotFound."""
    script = SUMS.replace('"out"', '"nope"')
    filled.teach(script.strip(), Program("raw", "nope", sums))
    with pytest.raises(ScriptFailed, match="could not find bucket"):
        await filled.port.run_script(filled.org_id, with_window(script), WINDOW.stop, 10)
    with pytest.raises(NotFound):
        await filled.port.read_written(filled.org_id, Target("nope"), WINDOW)


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("x", "undefined identifier x"),
        ("", "empty"),
        ('from(bucket: "raw") |> range(start: "a")', "not a time"),
        ('from(bucket: "raw") |> range(start: 0) |> map(fn: (r) => ({r with _value: die(msg: "boo")}))', "boo"),
        (
            'from(bucket: "raw") |> range(start: 0) |> drop(columns: ["_measurement"]) |> to(bucket: "out")',
            "_measurement",
        ),
        ('from(bucket: "raw") |> range(start: 0) |> to(bucket: "short")', "outside retention"),
        ('from(bucket: "raw") |> range(start: 0) |> set(key: "_value", value: "x")', "panic"),
        ('from(bucket: "raw") |> range(start: 0) |> to(bucket: "ints")', "type conflict"),
        ('from(bucket: "raw") |> range(start: 0) |> map(fn: (r) => ({r with _value: "x"})) |> to(bucket: "ints")', "."),
        ("x = 1", "no streaming data"),
    ],
)
async def test_errors_of_a_script(real: InfluxClient, site: Site, script: str, cause: str) -> None:
    """Types, evaluation, what ``to()`` refuses: all ScriptFailed with the cause."""
    for bucket, retention in (("raw", 0), ("out", 0), ("short", 3600), ("ints", 0)):
        await real.create_bucket(site.org_id, bucket, "", retention, 0)
    await real.write_points(site.org_id, "raw", lines(1))
    await real.write_points(site.org_id, "ints", ["env,host=h0,room=a\\ b t=1i,u=1i 1709287200000000000"])
    with pytest.raises(ScriptFailed, match=cause):
        await real.run_script(site.org_id, script, WINDOW.stop, 10)


async def test_an_error_after_the_answer_began(real: InfluxClient, site: Site) -> None:
    """It comes as a table of an answer of status 200, and fails the script all the same."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", lines(20))
    rows = 'from(bucket: "raw") |> range(start: 0)'
    bad = f'{rows} |> map(fn: (r) => ({{r with _value: if r.host == "h7" then die(msg: "so \\"bad\\"\\n") else r._value}}))'
    with pytest.raises(ScriptFailed, match='so "bad"'):
        await real.run_script(site.org_id, f'{rows} |> yield(name: "a")\n{bad} |> yield(name: "b")', WINDOW.stop, 10)


async def test_now_is_what_was_asked(real: InfluxClient, site: Site) -> None:
    """A relative range of the script ends there."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", lines(1, 120))
    result = await real.run_script(site.org_id, 'from(bucket: "raw") |> range(start: -1h)', WINDOW.stop, 10)
    assert result.rows == 120  # two fields


async def test_what_to_leaves_out_is_not_counted(real: InfluxClient, site: Site) -> None:
    """Null values, empty tags, columns that are no text, and _start and _stop are not written; nor are they hashed."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.create_bucket(site.org_id, "out", "", 0, 0)
    await real.write_points(site.org_id, "raw", lines(2, 30))
    script = """from(bucket: "raw") |> range(start: 2024-03-01T10:00:00Z, stop: 2024-03-01T11:00:00Z)
      |> aggregateWindow(every: 10m, fn: sum, createEmpty: true, timeSrc: "_start")
      |> map(fn: (r) => ({r with empty: "", number: 3, flag: true, text: "a, \\"b\\"", host: if r.host == "h1" then "" else r.host}))
      |> group() |> to(bucket: "out")"""
    result = await real.run_script(site.org_id, script, WINDOW.stop, 10)
    written = await real.read_written(site.org_id, Target("out"), WINDOW)
    assert (result.rows, result.series) == (12, 4)
    assert (written.rows, len(written.counts), written.checksum) == (12, 4, result.checksum)


async def test_values_of_every_type_have_the_same_text(real: InfluxClient, site: Site) -> None:
    """Text with quotes and line breaks, an empty text, whole, unsigned, tiny and huge numbers, truth values."""
    for bucket in ("raw", "out"):
        await real.create_bucket(site.org_id, bucket, "", 0, 0)
    first = int(START.timestamp()) * 10**9
    await real.write_points(
        site.org_id,
        "raw",
        [f'm,k=é\\,\\ x s="a \\"q\\"\n\\\\ , b",e="",i=-5i,u=7u,f=1e-30,g=1.7e300,h=7,b=false {first + 1}'],
    )
    copy = 'from(bucket: "raw") |> range(start: 2024-03-01T10:00:00Z, stop: 2024-03-01T11:00:00Z) |> to(bucket: "out")'
    result = await real.run_script(site.org_id, copy, WINDOW.stop, 10)
    written = await real.read_written(site.org_id, Target("out"), WINDOW)
    assert result.rows == written.rows == 8
    assert written.checksum == result.checksum
    assert set(written.sums) == {"i", "u", "f", "g", "h"}


async def test_rows_in_another_form_are_not_comparable(real: InfluxClient, site: Site) -> None:
    """A pivoted answer is counted; the result says that reading back has another form."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", lines(2))
    pivoted = 'from(bucket: "raw") |> range(start: 0) |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    result = await real.run_script(site.org_id, pivoted, WINDOW.stop, 10)
    assert (result.rows, result.comparable) == (120, False)


async def test_a_run_that_takes_too_long_is_timed_out(real: InfluxClient, site: Site) -> None:
    """The caller cannot know whether it wrote."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    with pytest.raises(TimedOut):
        await real.run_script(site.org_id, 'from(bucket: "raw") |> range(start: 0)', WINDOW.stop, 0.0001)


async def test_a_client_that_only_reads_refuses_to_run_write_and_delete(admin: Admin, site: Site) -> None:
    """A script may write, so it is not sent at all; proofs may be read."""
    client = InfluxClient(ConnectionSettings(site.url, site.token, read_only=True))
    await admin.call("POST", "buckets", {"orgID": site.org_id, "name": "raw", "retentionRules": []})
    try:
        with pytest.raises(Invalid, match="only reads"):
            await client.run_script(site.org_id, 'from(bucket: "raw") |> range(start: 0)', WINDOW.stop, 10)
        with pytest.raises(Invalid, match="only reads"):
            await client.write_points(site.org_id, "raw", lines(1))
        with pytest.raises(Invalid, match="only reads"):
            await client.delete_points(site.org_id, "raw", WINDOW, "env")
        assert (await client.read_written(site.org_id, Target("raw"), WINDOW)).rows == 0
    finally:
        await client.close()


async def test_a_long_answer_is_taken_in_beside_the_event_loop(
    real: InfluxClient, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """21,600 rows are parsed and hashed in threads, to the last; 120 rows at once, where a thread would cost more."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", lines(180))
    threads: set[int] = set()

    def watched(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            threads.add(threading.get_ident())
            return method(*arguments)

        return call

    for name in ("feed", "finish"):
        monkeypatch.setattr(Tally, name, watched(getattr(Tally, name)))
    script = 'from(bucket: "raw") |> range(start: 0)'
    result = await real.run_script(site.org_id, script, WINDOW.stop, 30)
    assert (result.rows, result.series) == (21_600, 360)
    assert threading.get_ident() not in threads
    threads.clear()
    few = await real.run_script(site.org_id, f'{script} |> filter(fn: (r) => r.host == "h7")', WINDOW.stop, 30)
    assert few.rows == 120
    assert threads == {threading.get_ident()}
