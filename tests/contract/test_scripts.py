"""Rendered scripts on the real server: facts from its own syntax tree, right programs, exact places of errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from influxops.api.connection import Policy
from influxops.api.influxtask import InfluxTaskSpec
from influxops.core.desired import DesiredTask, SpecFault, desired_task
from influxops.core.flux.facts import ScriptFacts, facts_of
from influxops.core.flux.nesting import LINKS, TOO_DEEP, may_be_deep
from influxops.core.flux.render import to_user_place
from influxops.core.marker import Owner
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Invalid, ScriptInvalid
from influxops.influx.settings import ConnectionSettings

OWNER = Owner("c1", "InfluxTask", "ns", "cpu")


@pytest.fixture
async def client(influx_org: Any) -> AsyncIterator[InfluxClient]:
    made = InfluxClient(ConnectionSettings(influx_org.url, influx_org.token))
    yield made
    await made.close()


def spec(**fields: Any) -> Any:
    """An InfluxTaskSpec with these fields."""
    return InfluxTaskSpec.model_validate({"connectionRef": {"name": "main"}, "flux": "x", **fields})


def policy(**fields: Any) -> Any:
    return Policy.model_validate(fields)


async def facts(client: InfluxClient, script: str) -> ScriptFacts:
    return facts_of(script, await client.ast(script))


async def render(client: InfluxClient, script: str, **fields: Any) -> DesiredTask:
    return desired_task(spec(**fields), script, await facts(client, script), OWNER, "u1", policy(), None)


SCRIPTS = {
    "plain": 'from(bucket: "raw") |> range(start: -1h) |> yield()',
    "window": 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> window(every: v.windowPeriod)',
    "imports": 'import "strings"\nimport m "math"\n\nx = strings.toUpper(v: "a")\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "own date import": 'import "date"\nimport d "date"\nfrom(bucket: "raw") |> range(start: date.sub(d: 1h, from: v.timeRangeStop))',
    "package": 'package main\n\nimport "math"\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "package without imports": 'package main\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "comment first": '// import "nope"\n\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "one line": 'import "math" from(bucket: "raw") |> range(start: v.timeRangeStart)',
    "crlf": 'import "math"\r\nfrom(bucket: "raw")\r\n\t|> range(start: v.timeRangeStart)\r\n',
    "unicode": 'import "math" // größe €\nä = 1\nfrom(bucket: "raw") |> range(start: v.timeRangeStart) |> filter(fn: (r) => r.ä == "日本")',
    "v as a parameter": 'f = (v) => v.anything + 1\nx = f(v: {anything: 1})\nfrom(bucket: "raw") |> range(start: -1h)',
    "own option v": 'option v = {other: 1}\nx = v.other\nfrom(bucket: "raw") |> range(start: -1h)',
    "own option task": 'option task = {name: "mine", every: 1h, offset: 5m}\nfrom(bucket: "raw") |> range(start: -task.every)',
    "location": 'import "timezone"\noption location = timezone.location(name: "Europe/Berlin")\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "string with braces": 'x = "a ${string(v: 1)} \\" } import"\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)',
    "regex": 'from(bucket: "raw") |> range(start: v.timeRangeStart) |> filter(fn: (r) => r._measurement =~ /im"port/)',
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
async def test_every_style_of_script_stays_itself(client: InfluxClient, influx_org: Any, script: str) -> None:
    """What is generated goes in, the user's text stays byte for byte, and the server finds the whole well typed."""
    own = "option task" in script
    task = await render(client, script, **({} if own else {"every": "1h", "offset": "1d"}))
    rest = task.rendered.text
    for at, inserted in task.rendered.inserts:
        assert rest[at : at + len(inserted)] == inserted
        rest = rest[:at] + rest[at + len(inserted) :]
    assert rest == script
    await client.check_script(influx_org.org_id, task.script)
    made = await client.create_task(influx_org.org_id, task.script, "")
    assert made.flux == task.script
    assert made.name == ("mine" if own else "ns/cpu")
    await client.delete_task(made.id)


async def test_the_facts_of_a_script(client: InfluxClient) -> None:
    script = (
        'import "influxdata/influxdb/secrets"\nimport e "experimental"\n'
        'option task = {name: "a b", cron: "0 * * * *", offset: -5m, concurrency: 1, retry: 5}\n'
        'from(bucket: "one") |> range(start: -1h) |> to(bucket: "two")\n'
        'from(bucket: "three", host: "http://x") |> range(start: -1h) |> e.to(bucket: "four")\n'
        'import_like = "import"'
    )
    found = await facts(client, script)
    assert found.imports == ("influxdata/influxdb/secrets", "experimental")
    assert found.task is not None
    assert (found.task.name, found.task.cron, found.task.offset) == ("a b", "0 * * * *", "-5m")
    assert found.task.unknown == ("concurrency", "retry")
    assert found.reads == {"one"}
    assert found.writes == {"two", "four"}
    assert found.opaque_targets
    assert {"secrets", "e", "task", "import_like"} <= found.defined


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("from(bucket: b) |> range(start: -1h)", True),
        ('from(bucketID: "0000000000000001") |> range(start: -1h)', True),
        ('import "csv"\ncsv.from(csv: "a") |> to(bucket: "x", org: "y")', True),
        ('import "array"\narray.from(rows: [{a: 1}]) |> to(bucket: "x")', False),
        ('import "experimental/query"\nf = query.fromRange\nf(bucket: "a", start: -1h)', True),
        ('import "experimental/query"\nq = query\nq.fromRange(bucket: "a", start: -1h)', True),
        ('import q "experimental/query"\n(q).fromRange(bucket: "a", start: -1h)', True),
        ('import "experimental/query"\nx = {q: query}\nx.q.fromRange(bucket: "a", start: -1h)', True),
        (
            'import "influxdata/influxdb"\ni = influxdb\nw = i.to\nfrom(bucket: "a") |> range(start: -1h) |> w(bucket: "b")',
            True,
        ),
        (
            'import "influxdata/influxdb"\nw = (influxdb).to\nfrom(bucket: "a") |> range(start: -1h) |> w(bucket: "b")',
            True,
        ),
        ('import "influxdata/influxdb"\ng = () => influxdb\nf = g().from\nf(bucket: "a") |> range(start: -1h)', True),
        ('import "influxdata/influxdb/schema"\nf = schema.tagValues\nf(bucket: "a", tag: "t")', True),
        ('import "experimental/query"\nquery.fromRange(bucket: "a", start: -1h)', False),
        ('cardinality(bucket: "a", start: -1h)', False),
        ('import "influxdata/influxdb/monitor"\nx = monitor.levelCrit\nfrom(bucket: "a") |> range(start: -1h)', False),
        ('import "date"\nf = date.truncate\nfrom(bucket: "a") |> range(start: f(t: now(), unit: 1h))', False),
        (
            'import "experimental"\nf = (experimental) => experimental.x\nfrom(bucket: "a") |> range(start: f(experimental: {x: -1h}))',
            False,
        ),
        (
            'import "experimental"\nfrom(bucket: "a") |> range(start: experimental.subDuration(d: 1h, from: now()))',
            False,
        ),
    ],
)
async def test_targets_that_cannot_be_told(client: InfluxClient, script: str, says: bool) -> None:
    assert (await facts(client, script)).opaque_targets is says


@pytest.mark.parametrize(
    ("script", "place"),
    [
        ('from(bucket: "raw") |> range(start: -1h) |> filter(fn: (r) => nope)', (1, 63)),
        (
            'import "math"\n\nfrom(bucket: "raw")\n  |> range(start: v.timeRangeStart)\n  |> filter(fn: (r) => nope)',
            (5, 24),
        ),
        ('ö = "日本"\nfrom(bucket: "raw") |> range(start: v.timeRangeStart, stop: nope)', (2, 61)),
        ('import "nope/x"\nfrom(bucket: "raw") |> range(start: v.timeRangeStart)', (1, 1)),
        ("from(bucket: 5) |> range(start: v.timeRangeStart)", (1, 14)),
    ],
)
async def test_an_error_is_told_at_its_place_in_the_users_script(
    client: InfluxClient, influx_org: Any, script: str, place: tuple[int, int]
) -> None:
    """The rendered script has more lines; the user never sees their numbers."""
    task = await render(client, script, every="1h")
    with pytest.raises(ScriptInvalid) as caught:
        await client.check_script(influx_org.org_id, task.script)
    assert caught.value.line is not None
    assert caught.value.column is not None
    assert to_user_place(script, task.rendered, caught.value.line - task.header_lines, caught.value.column) == place


async def test_a_syntax_error_is_told_at_its_place(client: InfluxClient) -> None:
    with pytest.raises(ScriptInvalid) as caught:
        await client.ast('from(bucket: "raw")\n  |> range(start: \n')
    assert caught.value.line in {2, 3}


NAMES = [
    'a "quoted" name',
    "back\\slash",
    "dollar ${x}",
    "ünïcode 日本",
    "slash/and space",
    "'; drop",
    "$",
    "a{b}",
    "//x",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_is_never_program_text(client: InfluxClient, influx_org: Any, name: str) -> None:
    """It comes back as the task's name, or the server refuses it; the script's shape is the same for every name."""
    script = 'from(bucket: "raw") |> range(start: -1h)'
    task = await render(client, script, every="1h", name=name)
    shape = facts_of(task.script, await client.ast(task.script))
    assert shape.task is not None
    assert shape.task.name == name
    assert shape.reads == {"raw"}
    try:
        made = await client.create_task(influx_org.org_id, task.script, "")
    except Invalid:
        return
    assert made.name == name


@pytest.mark.parametrize(
    ("script", "fields", "says"),
    [
        ('from(bucket: "r") |> range(start: v.nope)', {"every": "1h"}, "v.nope"),
        ('from(bucket: "r") |> range(start: v.timeRangeStart)', {"cron": "0 * * * *"}, "spec.window.period"),
        ('option task = {name: "x", every: 1h}\nfrom(bucket: "r") |> range(start: -1h)', {"every": "1h"}, "spec.every"),
        ('option task = {name: "x", every: 1h, retry: 2}\nfrom(bucket: "r")', {}, "retry"),
        ('option task = {name: "x", every: 1mo}\nfrom(bucket: "r")', {}, "cron"),
        ('option task = {name: "x", every: 1h, offset: 1d}\nfrom(bucket: "r")', {}, "h, m and s"),
        ('option task = {name: "x"}\nfrom(bucket: "r")', {}, "exactly one"),
        ('e = 1h\noption task = {name: "x", every: e}\nfrom(bucket: "r")', {}, "literals"),
        ('from(bucket: "r")', {}, "spec.every or spec.cron"),
    ],
)
async def test_what_cannot_become_a_task_is_refused_with_the_remedy(
    client: InfluxClient, script: str, fields: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecFault) as caught:
        await render(client, script, **fields)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("script", "rules", "says"),
    [
        ('import "http"\nfrom(bucket: "r")', {"deniedFluxPackages": ["http"]}, "http"),
        ('import "http/requests"\nfrom(bucket: "r")', {"deniedFluxPackages": ["http"]}, "http/requests"),
        ('from(bucket: "r")', {"minEvery": "2h"}, "2h"),
    ],
)
async def test_a_policy_is_kept(client: InfluxClient, script: str, rules: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecFault, match="policy") as caught:
        desired_task(spec(every="1h"), script, await facts(client, script), OWNER, "u", policy(**rules), None)
    assert says in str(caught.value)


async def test_the_prelude_is_the_closed_window_before_now(client: InfluxClient, influx_org: Any) -> None:
    """stop is now truncated to align, start is period and lookback before it; now() is the slot of the run."""
    script = 'import "array"\narray.from(rows: [{s: string(v: v.timeRangeStart), e: string(v: v.timeRangeStop)}])'
    window = {"period": "2h", "align": "30m", "lookback": "15m"}
    task = await render(client, script, every="1h", window=window)
    headers = {"Authorization": f"Token {influx_org.token}", "Accept": "application/csv"}
    body = {"query": task.script, "now": "2026-01-01T10:47:13Z", "dialect": {"annotations": []}}
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{influx_org.url}/api/v2/query", params={"orgID": influx_org.org_id}, json=body, headers=headers
        ) as answer,
    ):
        text = await answer.text()
    assert "2026-01-01T10:30:00" in text
    assert "2026-01-01T08:15:00" in text


CHAINS = {
    "or": ("x = true", " or true"),
    "pipes": ('from(bucket: "raw") |> range(start: -1h)', " |> limit(n: 1)"),
    "sum": ("x = 1", " + 1"),
}


@pytest.mark.parametrize(("first", "link"), CHAINS.values(), ids=CHAINS.keys())
async def test_a_chain_that_is_long_to_parse_is_refused_by_the_compiler_at_once(
    client: InfluxClient, influx_org: Any, first: str, link: str
) -> None:
    """The parser takes time by the square of its links; what is not asked about beforehand is parsed soon."""
    with pytest.raises(ScriptInvalid, match=TOO_DEEP):
        await client.check_script(influx_org.org_id, first + 400 * link)
    assert may_be_deep(first + 400 * link)
    short = first + (LINKS - 5) * link
    assert not may_be_deep(short)
    await client.ast(short)
