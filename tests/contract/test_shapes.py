"""Facts by the shape of a script are those that the real server's own tree gives."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import cycle, islice
from typing import Any

import pytest

from influxops.core.flux.facts import facts_of
from influxops.core.flux.memo import ScriptMemo
from influxops.core.flux.shape import Shape, shape_of
from influxops.influx.client import InfluxClient
from influxops.influx.errors import ScriptInvalid
from influxops.influx.settings import ConnectionSettings
from tests.contract.test_scripts import SCRIPTS

OTHERS = ["", "raw", "a{b}", "//x", "import", "日本 ]:", "option task", "'; drop", "0123", "/", "{name: 1}", "@x"]
"""Contents that would mean something outside of a string."""

MORE = {
    "two buckets": 'from(bucket: "a") |> range(start: -1h) |> to(bucket: "a", org: "a")',
    "task": 'option task = {name: "n", cron: "0 * * * *", offset: 5m, retry: "3"}\nfrom(bucket: "r") |> to(bucket: "w")',
    "keys": 'x = {"bucket": "b", y: "c"}\nz = x["bucket"]\nfrom(bucket: x.y) |> range(start: -1h)',
    "member by a string": 'from(bucket: "raw") |> range(start: v["timeRangeStart"])',
    "array": 'import "array"\narray.from(rows: [{t: "a"}, {t: "b"}]) |> to(bucket: "w")\nx = ["a", "b"]',
    "comment between": 'from(bucket: // "no"\n "raw") |> range(start: -1h)',
    "key over lines": 'x = {"bucket" // said\n: "b"}\nfrom(bucket: "raw")',
    "negative text": 'option task = {name: -"n", every: 1h}\nfrom(bucket: "r")',
    "named otherwise": 'f = from\nf(bucket: "raw") |> range(start: -1h)',
    "over lines": 'x = "one\ntwo"\nfrom(bucket: "raw") |> range(start: -1h)',
}
NONE = {
    "regex": SCRIPTS["regex"],
    "division": "x = 4 / 2",
    "interpolated": SCRIPTS["string with braces"],
    "nested quotes": 'r = {x: "y"}\nz = "a ${r["x"]} b"',
    "attribute": '@edition("2022.1")\npackage main\nfrom(bucket: "raw")',
}


@pytest.fixture
async def client(influx_org: Any) -> AsyncIterator[InfluxClient]:
    made = InfluxClient(ConnectionSettings(influx_org.url, influx_org.token))
    yield made
    await made.close()


def filled(shape: Shape, strings: list[str]) -> str:
    """The script of a shape with these strings."""
    parts = shape.text.split("\ue000")
    assert len(parts) == len(strings) + 1
    return parts[0] + "".join(f'"{string}"{part}' for string, part in zip(strings, parts[1:], strict=True))


ALIKE = {**{name: script for name, script in SCRIPTS.items() if script not in NONE.values()}, **MORE}


@pytest.mark.parametrize("script", ALIKE.values(), ids=ALIKE.keys())
async def test_scripts_of_one_shape_have_the_facts_that_the_server_tells_of_each(
    client: InfluxClient, script: str
) -> None:
    """Learned from one, told of others with hostile strings: never anything else than their own trees say."""
    memo, shape = ScriptMemo(), shape_of(script)
    assert shape is not None
    assert filled(shape, list(shape.strings)) == script
    tree = await client.ast(script)
    assert memo.learn(script, tree) == facts_of(script, tree)
    assert memo.get(script) == facts_of(script, tree)
    for first in range(len(OTHERS)):
        other = filled(shape, list(islice(cycle(OTHERS[first:] + OTHERS[:first]), len(shape.strings))))
        told = memo.get(other)
        assert told is not None
        assert told == facts_of(other, await client.ast(other))


@pytest.mark.parametrize("script", NONE.values(), ids=NONE.keys())
async def test_what_a_slash_or_a_dollar_may_mean_is_left_to_the_server(client: InfluxClient, script: str) -> None:
    assert shape_of(script) is None
    memo, tree = ScriptMemo(), await client.ast(script)
    assert memo.get(script) is None
    assert memo.learn(script, tree) == facts_of(script, tree) == memo.get(script)


async def test_a_fault_is_told_of_each_script_of_a_shape(client: InfluxClient) -> None:
    """Nothing is learned of a script that the server refuses."""
    for bucket in ("a", "b"):
        with pytest.raises(ScriptInvalid):
            await client.ast(f'from(bucket: "{bucket}" |> range(start: -1h)')


TYPES = {
    "columns": 'from(bucket: "a") |> range(start: -1h) |> drop(columns: ["_value", "x"]) |> group(columns: ["y"])',
    "a column that is not there": 'import "array"\narray.from(rows: [{a: 1}]) |> sum(column: "b") |> yield(name: "c")',
    "a list of columns": 'import "array"\narray.from(rows: [{a: 1.0}]) |> fill(column: "a", value: 0.0) |> mean(column: "a")',
    "pivot": 'from(bucket: "a") |> range(start: -1h) |> pivot(rowKey: ["_time"], columnKey: ["f"], valueColumn: "_value")',
    "a join": 'l = from(bucket: "a") |> range(start: -1h)\njoin(tables: {l: l, r: l}, on: ["_time", "host"], method: "inner")',
    "a record": 'f = (r) => ({r with host: "a", level: if r._value > 1.0 then "high" else "low"})\nf(r: {_value: 2.0})',
    "a dictionary": 'import "dict"\nd = dict.fromList(pairs: [{key: "a", value: "b"}])\nx = dict.get(dict: d, key: "c", default: "d")',
    "a generic": 'same = (a, b) => a == b\nx = same(a: "a", b: "b")\ny = same(a: 1, b: 2)',
    "text for a number": 'from(bucket: "a") |> range(start: -1h) |> limit(n: "5")',
    "text for a duration": 'from(bucket: "a") |> range(start: -1h) |> aggregateWindow(every: "1h", fn: mean)',
    "text plus number": 'x = "a" + 1',
    "a name that is not there": 'x = y + "a"',
    "a member that is not there": 'r = {a: "b"}\nx = r.c',
    "an argument that is not there": 'from(bucket: "a", nowhere: "b") |> range(start: -1h)',
    "a list of two types": 'x = ["a", 1]',
    "a test case": 'testcase x extends "a" { y = 1 }',
}


async def faulty(client: InfluxClient, org_id: str, script: str) -> bool:
    """Whether the server finds a fault in a script."""
    try:
        await client.check_script(org_id, script)
    except ScriptInvalid:
        return True
    return False


@pytest.mark.parametrize("script", {**ALIKE, **TYPES}.values(), ids={**ALIKE, **TYPES}.keys())
async def test_scripts_of_one_shape_are_well_typed_or_none_is(
    client: InfluxClient, influx_org: Any, script: str
) -> None:
    """What stands in a plain string is no matter of types: the server's verdict on one is its verdict on all."""
    memo, shape = ScriptMemo(), shape_of(script)
    assert shape is not None
    memo.learn(script, await client.ast(script))
    verdict = await faulty(client, influx_org.org_id, script)
    if not verdict:
        memo.found_well_typed(script, script)
    for first in range(len(OTHERS)):
        other = filled(shape, list(islice(cycle(OTHERS[first:] + OTHERS[:first]), len(shape.strings))))
        assert await faulty(client, influx_org.org_id, other) is verdict
        assert memo.well_typed(other, other) is not verdict


async def test_both_verdicts_are_among_them(client: InfluxClient, influx_org: Any) -> None:
    """So the test above says something."""
    verdicts = [await faulty(client, influx_org.org_id, script) for script in TYPES.values()]
    assert (verdicts.count(False), verdicts.count(True)) == (8, 8)
