"""The check of a script on a real influxd: it finds what is wrong, at its place, and never runs anything."""

from __future__ import annotations

import pytest

from influxops.influx.client import InfluxClient
from influxops.influx.errors import ScriptInvalid
from tests.support.influx_admin import Admin, Site

WRITES = 'from(bucket: "raw") |> range(start: 0) |> set(key: "copy", value: "yes") |> to(bucket: "out")\n'

WELL_TYPED = {
    "plain": WRITES,
    "task": 'option task = {name: "x", every: 1h}\n' + WRITES,
    "option now": "option now = () => 2020-01-01T00:00:00Z\n" + WRITES,
    "option v": "option v = {timeRangeStart: -1h}\n" + WRITES,
    "die is redefined": 'die = (msg) => 1\nx = die(msg: "a")\n' + WRITES,
    "die is an option": "option die = (msg) => 1\n" + WRITES,
    "die is a builtin": "builtin die : (msg: string) => int\n" + WRITES,
    "die is an import": 'import die "array"\n' + WRITES,
    "the marker is in the script": '// influxops-check\ninfluxopsCheck = "influxops-check"\n' + WRITES,
    "package main": "package main\n" + WRITES,
    "no statement": "// nothing",
    "comment at the end without a line end": WRITES + "// end",
    "a runtime error": "x = 1 / 0\n" + WRITES,
    "side effects in expressions": "x = " + WRITES,
    "crlf": WRITES.replace("|>", "\r\n|>"),
    "long": WRITES + "// " + "x" * 200_000,
}


@pytest.fixture
async def buckets(real: InfluxClient, site: Site, admin: Admin) -> None:
    """A source with a point and an empty target."""
    for name in ("raw", "out"):
        await real.create_bucket(site.org_id, name, "", 0, 0)
    await admin.write(site.org_id, "raw", "m v=1 1700000000")


@pytest.mark.usefixtures("buckets")
@pytest.mark.parametrize("script", WELL_TYPED.values(), ids=WELL_TYPED.keys())
async def test_a_well_typed_script_passes_and_writes_nothing(real: InfluxClient, site: Site, script: str) -> None:
    """Also scripts that redefine what the check relies on: nothing of them is ever evaluated."""
    await real.check_script(site.org_id, script)
    assert (await real.count_points(site.org_id, "out", None, None, 10)).points == 0


@pytest.mark.usefixtures("buckets")
async def test_the_same_script_does_write_when_it_runs(real: InfluxClient, site: Site, admin: Admin) -> None:
    """So the test above can fail."""
    await admin.query(site.org_id, WRITES)
    assert (await real.count_points(site.org_id, "out", None, None, 10)).points == 1


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        ("", (1, 1), "empty"),
        ("x = v.y\n", (1, 5), "undefined identifier v"),
        ("\n\n\tx = nope\n", (3, 6), "undefined identifier nope"),
        ('a = "é🌡" + nope\n', (1, 12), "undefined identifier nope"),
        ("// é\r\nx = nope\r\n", (2, 5), "undefined identifier nope"),
        ("from(bucket: 1) |> range(start: -1h)", (1, 14), "expected string but found int"),
        ('import "nope/x"\n', (1, 1), "invalid import path nope/x"),
        ("x = nope1\ny = nope2\n", (1, 5), "undefined identifier nope1"),
        ("option v = {a: 1}\nx = v.b\n", (2, 5), "record is missing label b"),
        ("x = \n) 3\n", (2, 1), "invalid"),
        ('from(bucket: "raw" |> range(start: -1h)', (1, 1), "expected RPAREN, got EOF"),
        ("package other\nx = 1\n", (1, 1), "package"),
        ("die = 1\nx = die(msg: 1)\n", (2, 5), "expected"),
    ],
)
async def test_a_fault_is_told_with_its_place(
    real: InfluxClient, site: Site, script: str, place: tuple[int, int], words: str
) -> None:
    """Line and column count from 1, columns in characters; the message is the first fault, without places in it."""
    with pytest.raises(ScriptInvalid, match=words) as caught:
        await real.check_script(site.org_id, script)
    assert (caught.value.line, caught.value.column) == place
    assert "@" not in str(caught.value)
    assert "compilation failed" not in str(caught.value)


async def test_a_testcase_is_refused(real: InfluxClient, site: Site) -> None:
    """The server answers 500 for it; it is the script's fault all the same."""
    with pytest.raises(ScriptInvalid, match="TestCase"):
        await real.check_script(site.org_id, 'import "testing"\ntestcase a { x = 1 }')


async def test_the_tree_of_a_script(real: InfluxClient) -> None:
    """One file with its statements; bad syntax is told with its place here too."""
    tree = await real.ast('import "math"\nx = "ü"\n')
    assert [node["type"] for node in tree["files"][0]["body"]] == ["VariableAssignment"]
    with pytest.raises(ScriptInvalid, match="invalid statement") as caught:
        await real.ast('a = "ü" b = 1\nc = ) 3\n')
    assert caught.value.line == 2
    assert "loc" not in str(caught.value)


async def test_an_unknown_organization_is_not_the_scripts_fault(real: InfluxClient) -> None:
    """Only faults of the script are ScriptInvalid."""
    with pytest.raises(Exception, match="organization") as caught:
        await real.check_script("00000000000000ff", "x = 1")
    assert not isinstance(caught.value, ScriptInvalid)
