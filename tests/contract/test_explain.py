"""Explaining scripts on a real influxd: nothing is written, and the plan's forms are read right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from influxops.core.explain import Verdict
from influxops.core.pipeline.windows.window import Window
from influxops.influx.client import InfluxClient
from influxops.preview.explaining import Explanation, Subject, explain
from tests.support.influx_admin import Admin, Site

START = datetime(2026, 3, 10, tzinfo=UTC)
STOP = START + timedelta(hours=2)
READ = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'
ONE = f'{READ} |> filter(fn: (r) => r._measurement == "m" and r._field == "f")'
V = "option v = {timeRangeStart: 2026-03-10T00:00:00Z, timeRangeStop: 2026-03-10T02:00:00Z, windowPeriod: 2h}\n"


@pytest.fixture
async def points(admin: Admin, site: Site, real: InfluxClient) -> int:
    """A bucket with 240 points of two series, and two that are empty; how many points there are."""
    for bucket in ("raw", "out", "other"):
        await real.create_bucket(site.org_id, bucket, "", 0, 0)
    times = [int(START.timestamp()) + 60 * minute for minute in range(120)]
    await admin.write(site.org_id, "raw", *(f"m,host={host} f={time % 7} {time}" for host in "ab" for time in times))
    return 240


async def explained(port: InfluxClient, site: Site, body: str, imports: str = "") -> Explanation:
    """What is told of a script over the two hours."""
    return await explain(port, site.org_id, Subject("x", f"{imports}{V}{body}", STOP, Window(START, STOP)), 30.0)


async def written(admin: Admin, site: Site) -> str:
    """All that the buckets hold that a script might write, in this organization."""
    parts = [await admin.query(site.org_id, f'from(bucket: "{name}") |> range(start: 0)') for name in ("out", "other")]
    everything = await admin.query(site.org_id, 'from(bucket: "raw") |> range(start: 0) |> group() |> count()')
    return "".join(parts).strip() + ("" if ",240" in everything else everything)


TO = 'to(bucket: "out")'
STAMPED = f"map(fn: (r) => ({{r with _time: v.timeRangeStart}})) |> {TO}"
EVERY_PARAMETER = """to(bucket: "out", org: "a", host: "http://127.0.0.1:1", token: "t", timeColumn: "_time",
    measurementColumn: "_measurement", tagColumns: ["host"], fieldFn: (r) => ({v: r._value}))"""
WRITING = {
    "plain": (f"{ONE} |> {TO}", 240),
    "two into one bucket": (f"{ONE} |> sum() |> {STAMPED}\n{ONE} |> max() |> {STAMPED}", 4),
    "only assigned": (f"x = {ONE} |> {TO}", 240),
    "in a function that is called twice": (f"w = (t) => t |> {TO}\nw(t: {ONE})\nw(t: {ONE} |> limit(n: 1))", 242),
    "back into the bucket that it reads": (
        f'{ONE} |> map(fn: (r) => ({{r with _field: "g"}})) |> to(bucket: "raw")',
        240,
    ),
    "to under another name": (f'keep2 = to\n{ONE} |> keep2(bucket: "out")', 240),
    "to handed to a function": (f'w = (t, f) => t |> f(bucket: "out")\nw(t: {ONE}, f: to)', 240),
}
ELSEWHERE = {
    "every parameter": (f"{ONE} |> {EVERY_PARAMETER}", 240),
    "by id": (f'{ONE} |> to(bucketID: "0000000000000001", orgID: "0000000000000001")', 240),
}
"""Scripts that would fail if they were run in earnest."""


@pytest.mark.parametrize("case", [*WRITING, *ELSEWHERE])
async def test_not_one_point_is_written(case: str, points: int, admin: Admin, site: Site, real: InfluxClient) -> None:
    """Whatever way to() is called; and the rows that it would write are counted, as the real run shows."""
    body, rows = {**WRITING, **ELSEWHERE}[case]
    found = await explained(real, site, body)
    assert not found.refused
    assert not found.error
    assert found.result is not None
    assert found.result.rows == rows
    assert await written(admin, site) == ""
    if case in WRITING:  # run in earnest the same script writes, so this test can fail
        await admin.query(site.org_id, V + body)
        assert await written(admin, site) != ""


REFUSED = {
    "experimental": ('import "experimental"\n', f'{ONE} |> experimental.to(bucket: "out")', "experimental's to()"),
    "renamed package": ('import e "experimental"\n', f'{ONE} |> e.to(bucket: "out")', "experimental's to()"),
    "influxdb.to": ('import "influxdata/influxdb"\n', f'{ONE} |> influxdb.to(bucket: "out")', "influxdata/influxdb's to()"),
    "wideTo": ('import "influxdata/influxdb"\n', f'{ONE} |> influxdb.wideTo(bucket: "out")', "wideTo()"),
    "bare wideTo": ("", f'{ONE} |> wideTo(bucket: "out")', "wideTo()"),
    "wideTo under another name": ("", f'w = wideTo\n{ONE} |> w(bucket: "out")', "wideTo()"),
    "by brackets": ('import "influxdata/influxdb"\n', f'{ONE} |> influxdb["to"](bucket: "out")', "influxdata/influxdb's to()"),
    "package as a value": ('import "influxdata/influxdb"\n', f'x = {{p: influxdb}}\n{ONE} |> x.p.to(bucket: "out")', "hands on the package"),
    "package under another name": ('import "influxdata/influxdb"\n', f'x = influxdb\n{ONE} |> x.to(bucket: "out")', "hands on the package"),
    "http": ('import "http"\n', f'http.post(url: "http://127.0.0.1:1/", data: bytes(v: "x"))\n{ONE} |> {TO}', "imports http"),
    "universe": ('import "universe"\n', f'{ONE} |> universe.to(bucket: "out")', "imports universe"),
    "own to": ("", f'to = (tables=<-, bucket) => tables\n{ONE} |> to(bucket: "out")', "of its own"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_could_write_otherwise_is_not_run(
    case: str, points: int, admin: Admin, site: Site, real: InfluxClient
) -> None:
    """It is shown with the reason, and nothing has been written."""
    imports, body, words = REFUSED[case]
    found = await explained(real, site, body, imports)
    assert any(words in reason for reason in found.refused), found.refused
    assert found.result is None
    assert await written(admin, site) == ""


AGGREGATE = 'aggregateWindow(every: 30m, fn: mean, createEmpty: false, timeSrc: "_start")'
VERDICTS: dict[str, tuple[str, str, bool | None, str]] = {
    "windows": ("", f"{ONE} |> {AGGREGATE}", True, "in the storage"),
    "a whole range": ("", f"{ONE} |> sum()", True, "in the storage"),
    "a condition on values": ("", f"{ONE} |> filter(fn: (r) => r._value > 1.0) |> {AGGREGATE}", True, "in the storage"),
    "a sum of groups": ("", f'{ONE} |> group(columns: ["host"]) |> sum()', True, "in the storage"),
    "a copy": ("", ONE, None, "nothing is aggregated"),
    "median": ("", f"{ONE} |> {AGGREGATE.replace('mean', 'median')}", False, "quantile() is computed from the points (so are median"),
    "stddev": ("", f"{ONE} |> stddev()", False, "stddev() is computed from the points:"),
    "reduce": ("", f"{ONE} |> reduce(fn: (r, accumulator) => ({{n: accumulator.n + 1}}), identity: {{n: 0}})", False, "reduce() is computed"),
    "a sliding window": ("", f"{ONE} |> {AGGREGATE.replace('fn:', 'period: 1h, fn:')}", False, "a period that differs from every"),
    "a negative offset": ("", f"{ONE} |> {AGGREGATE.replace('fn:', 'offset: -5m, fn:')}", False, "negative offset"),
    "a time zone": ('import "timezone"\n', f'{ONE} |> aggregateWindow(every: 1d, fn: mean, location: timezone.location(name: "Europe/Berlin"))', False, "a location"),
    "a function in the filter": ("", f"{ONE} |> filter(fn: (r) => float(v: r._value) > 1.0) |> {AGGREGATE}", False, "filter() comes before aggregateWindow()"),
    "a map before": ("", f"{ONE} |> map(fn: (r) => ({{r with _value: r._value * 2.0}})) |> {AGGREGATE}", False, "map() comes before aggregateWindow()"),
    "mean of a group": ("", f'{ONE} |> group(columns: ["host"]) |> mean()', False, "mean() comes after group()"),
    "windows of a group": ("", f'{ONE} |> group(columns: ["host"]) |> {AGGREGATE}', False, "aggregateWindow() comes after group()"),
    "a variable read twice": ("", f'd = {ONE}\nd |> {AGGREGATE} |> yield(name: "a")\nd |> max() |> yield(name: "b")', False, "feeds 2 steps"),
}  # fmt: skip


@pytest.mark.parametrize("case", VERDICTS)
async def test_push_down_is_read_from_the_plan(case: str, points: int, site: Site, real: InfluxClient) -> None:
    """Whether it is pushed down, and the reason if not, with something to do about it."""
    imports, body, pushed_down, words = VERDICTS[case]
    found = await explained(real, site, body, imports)
    assert not found.error
    (verdict,) = found.sources
    assert verdict.pushed_down is pushed_down
    assert words in verdict.why, verdict
    assert bool(verdict.remedy) is (pushed_down is False)


async def test_the_remedy_for_a_shared_read_helps(points: int, site: Site, real: InfluxClient) -> None:
    """As a function instead of a variable each of the two reads is pushed down."""
    body = f'd = () => {ONE}\nd() |> {AGGREGATE} |> yield(name: "a")\nd() |> max() |> yield(name: "b")'
    found = await explained(real, site, body)
    assert [verdict.pushed_down for verdict in found.sources] == [True, True]


async def test_several_reads_are_judged_each_by_itself(points: int, site: Site, real: InfluxClient) -> None:
    """Also those of lookups, which are queries of their own."""
    body = f'known = {ONE} |> last() |> findColumn(fn: (key) => true, column: "_value")\n{ONE} |> median() |> map(fn: (r) => ({{r with n: length(arr: known)}})) |> {TO}'
    found = await explained(real, site, body)
    by: dict[Any, Verdict] = {verdict.pushed_down: verdict for verdict in found.sources}
    assert set(by) == {True, False}
    assert "last" in by[True].note


async def test_the_cost_is_told(points: int, site: Site, real: InfluxClient) -> None:
    """Times and memory are those of the run; the answer of a failing script is its error."""
    found = await explained(real, site, f"{ONE} |> {TO}")
    assert found.result is not None
    assert found.result.cost is not None
    assert 0 < found.result.cost.executed <= found.result.cost.total
    assert found.result.cost.max_allocated > 0
    assert found.result.cost.scanned_values == 0  # although it read 240 points: 2.7.12 does not count them
    failing = await explained(real, site, ONE.replace('"raw"', '"nowhere"'))
    assert "nowhere" in failing.error
