"""No text becomes program: with sixty hostile texts in each field, what is sent parses to the same shape as with a word."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web

from influxops.api.errors import SpecInvalid
from influxops.api.template import Library
from influxops.core.flux.render import TaskHeader, generated
from influxops.core.marker import Owner, read_description, read_script, stamp_description, stamp_script
from influxops.core.pipeline import ledger
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.core.template import TemplateFault, render_template
from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, Invalid
from influxops.influx.settings import ConnectionSettings
from influxops.library.catalogue import TEMPLATES
from tests.contract.test_hostile_answers import CALLS
from tests.support.hostile import serve
from tests.support.influx_admin import Admin, Site
from tests.support.injections import STRINGS
from tests.support.library import rendered

ORG = "0123456789abcdef"
WORD = "harmless"
START = datetime(2026, 1, 1, tzinfo=UTC)
STOP = START + timedelta(days=1)
WINDOW = Window(START, STOP)
OWNER = Owner("c1", "InfluxTask", "team-b", "mine")

FIELDS: dict[str, Callable[[InfluxClient, str], Awaitable[object]]] = {
    "count_points bucket": lambda c, text: c.count_points(ORG, text, START, STOP, 5),
    "count_by_time bucket": lambda c, text: c.count_by_time(ORG, Source(text, "m", "f"), START, STOP, 3600),
    "count_by_time measurement": lambda c, text: c.count_by_time(ORG, Source("b", text, "f"), START, STOP, 3600),
    "count_by_time field": lambda c, text: c.count_by_time(ORG, Source("b", "m", text), START, STOP, 3600),
    "count_by_series bucket": lambda c, text: c.count_by_series(ORG, Source(text, "m", "f"), WINDOW),
    "count_by_series measurement": lambda c, text: c.count_by_series(ORG, Source("b", text, "f"), WINDOW),
    "count_by_series field": lambda c, text: c.count_by_series(ORG, Source("b", "m", text), WINDOW),
    "read_written bucket": lambda c, text: c.read_written(ORG, Target(text, "m"), WINDOW),
    "read_written measurement": lambda c, text: c.read_written(ORG, Target("b", text), WINDOW),
    "ledger_records bucket": lambda c, text: c.ledger_records(ORG, text, "o", START, STOP),
    "ledger_records owner": lambda c, text: c.ledger_records(ORG, "b", text, START, STOP),
    "ledger_left bucket": lambda c, text: c.ledger_left(ORG, text, "o", START),
    "ledger_left owner": lambda c, text: c.ledger_left(ORG, "b", text, START),
    "ledger_watermark bucket": lambda c, text: c.ledger_watermark(ORG, text, "o", START),
    "ledger_watermark owner": lambda c, text: c.ledger_watermark(ORG, "b", text, START),
}


def test_there_are_sixty_of_them() -> None:
    """Distinct ones."""
    assert len(set(STRINGS)) == len(STRINGS) >= 60


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[InfluxClient, list[str]]]:
    """A client, and the queries that it sends: each is answered with no rows."""
    sent: list[str] = []

    async def record(request: web.BaseRequest) -> web.Response:
        sent.append(json.loads(await request.read())["query"])
        return web.Response(text="\r\n", headers={"Content-Type": "text/csv; charset=utf-8"})

    async with serve(record) as url:
        client = InfluxClient(ConnectionSettings(url, "some-token"))
        yield client, sent
        await client.close()


NO_FREE_TEXT = {
    "recent_runs": "a time",
    "run_errors": "ids of runs: see below",
    "run_script": "the user's own script",
    "check_script": "the same",
}
"""Calls that send Flux, and what they make it of."""


async def test_every_call_that_sends_flux_is_among_them() -> None:
    """A new one does not escape."""
    asked: set[str] = set()

    async def record(request: web.Request) -> web.Response:
        asked.add(request.path)
        return web.json_response({"code": "internal error", "message": "no"}, status=500)

    sending = set()
    async with serve(record) as url:
        client = InfluxClient(ConnectionSettings(url, "some-token"))
        for name, call in CALLS.items():
            asked.clear()
            with contextlib.suppress(InfluxError):
                await call(client)
            if "/api/v2/query" in asked:
                sending.add(name)
        await client.close()
    assert sending == {field.split()[0] for field in FIELDS} | set(NO_FREE_TEXT)


async def test_ids_that_are_none_are_not_asked_for() -> None:
    """What stands between the others in a regular expression is an id, or it is left out."""
    async with listening() as (client, sent):
        await client.run_errors(ORG, START, ["0123456789abcdef"])
        await client.run_errors(ORG, START, ["0123456789abcdef", *STRINGS, "0123456789abcdef\n"])
    assert len(sent) == 2
    assert sent[0] == sent[1]


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.prove)])
async def test_queries_of_the_client(real: InfluxClient, step: int) -> None:
    """Each text argument of each call that makes Flux of it; other texts for each, all of them with `make prove`."""
    async with listening() as (client, sent):

        async def queries(field: str, text: str) -> list[str]:
            sent.clear()
            await FIELDS[field](client, text)
            return sorted(sent)

        for number, field in enumerate(FIELDS):
            harmless = await queries(field, WORD)
            assert harmless
            hostile = {text: await queries(field, text) for text in STRINGS[number % step :: step]}
            await _same_shapes(real, field, harmless, hostile)


async def test_generated_option_task(real: InfluxClient) -> None:
    """The name of a task."""

    def script(text: str) -> list[str]:
        _, statements = generated(TaskHeader(text, every="1h"), None)
        return [statements]

    await _same_shapes(real, "spec.name", script(WORD), {text: script(text) for text in STRINGS})


async def test_values_of_templates(real: InfluxClient) -> None:
    """As text, as a list of texts, in a comment, and beside Flux; without a filter they are refused."""
    source = "x = {{ values.x | flux_string }} // {{ values.x | flux_string }}\ny = {{ [values.x, values.x] | flux_string }}\n"

    def script(text: str) -> list[str]:
        return [render_template(source, {"x": text})]

    await _same_shapes(real, "values", script(WORD), {text: script(text) for text in STRINGS})
    for text in STRINGS:
        for unfiltered in (
            "{{ values.x }}",
            "{{ values.x ~ '' }}",
            "{{ values.x | flux_ident }}",
            "{{ values.x | upper }}",
        ):
            try:
                found = render_template(f"x = {unfiltered}", {"x": text})
            except TemplateFault:
                continue
            raise AssertionError(f"{unfiltered} let {text!r} through: {found!r}")


@pytest.mark.parametrize("step", [30, pytest.param(1, marks=pytest.mark.prove)])
async def test_values_of_the_library(real: InfluxClient, step: int) -> None:
    """Every text of every template of the library, unless its own rules refuse it; other ones for each, all with `make prove`."""
    taken = fields = 0
    for name, entry in TEMPLATES.items():
        for field, value in entry.example.items():
            if not isinstance(value, str):
                continue
            harmless = _rendered(name, field, WORD)
            if not harmless:
                continue  # no free text, but for example a duration
            texts = STRINGS[fields % step :: step]
            hostile = {text: script for text in texts if (script := _rendered(name, field, text))}
            fields += 1
            taken += len(hostile)
            await _same_shapes(real, f"{name} values.{field}", harmless, hostile)
    assert fields > 20
    assert taken * step > 500


def _rendered(name: Library, field: str, text: str) -> list[str]:
    try:
        return [rendered(name, {**TEMPLATES[name].example, field: text})]
    except (SpecInvalid, TemplateFault):
        return []


async def _same_shapes(real: InfluxClient, where: str, harmless: Iterable[str], hostile: dict[str, list[str]]) -> None:
    """Judged by InfluxDB's own parser."""
    wanted = [_shape(await real.ast(flux)) for flux in harmless]
    gate = asyncio.Semaphore(16)

    async def tree(flux: str) -> Any:
        async with gate:
            return await real.ast(flux)

    trees = await asyncio.gather(*(asyncio.gather(*map(tree, fluxes)) for fluxes in hostile.values()))
    for text, found in zip(hostile, trees, strict=True):
        assert [_shape(one) for one in found] == wanted, f"{where}: {text!r} becomes program"
        assert all(text in _texts(one) for one in found), f"{where}: {text!r} is not there as it is"


def _shape(node: Any) -> Any:
    """A syntax tree without places and comments, and with every text alike."""
    if isinstance(node, list):
        return [_shape(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {
        name: value
        for name, value in node.items()
        if name not in {"location", "comments", "name"} or (name == "name" and node.get("type") == "Identifier")
    }
    if node.get("type") == "StringLiteral":
        kept["value"] = "a text"
    return {name: _shape(value) for name, value in kept.items()}


def _texts(node: Any) -> set[str]:
    """The values of all string literals."""
    if isinstance(node, list):
        return set().union(*map(_texts, node))
    if not isinstance(node, dict):
        return set()
    own = {node["value"]} if node.get("type") == "StringLiteral" else set()
    return own.union(*map(_texts, node.values()))


async def test_line_protocol_of_the_ledger(real: InfluxClient, admin: Admin, site: Site) -> None:
    """Sixty errors, owners and stages: as many records as were written, with the texts that were written; nothing else."""
    await admin.call("POST", "buckets", {"orgID": site.org_id, "name": "ledger", "retentionRules": []})
    wanted, refused = {}, 0
    lines = []
    for number, text in enumerate(STRINGS):
        window = Window(START + timedelta(hours=number), START + timedelta(hours=number + 1))
        record = WindowRecord("stage", window, WindowState.FAILED, error=text, checksum=text, run_id=text, script=text)
        wanted[window] = ledger.clip(text)
        lines.append(ledger.encode("owner", record))
        for owner, stage in ((text, "stage"), ("owner", text)):
            try:
                lines.append(ledger.encode(owner, WindowRecord(stage, window, WindowState.READY)))
            except ValueError:
                refused += 1
    await real.write_points(site.org_id, "ledger", lines)
    found = await real.ledger_records(site.org_id, "ledger", "owner", START, START + timedelta(days=30))
    assert {record.window: record.error for record in found if record.stage == "stage"} == wanted
    everything = await real.count_by_series(site.org_id, Source("ledger"), Window(START, START + timedelta(days=30)))
    assert {dict(series)["_measurement"] for series in everything} == {ledger.MEASUREMENT}
    assert refused + len(lines) == 3 * len(STRINGS)


async def test_predicates_of_deletions(real: InfluxClient, admin: Admin, site: Site) -> None:
    """A measurement of any name deletes nothing of another's."""
    await admin.call("POST", "buckets", {"orgID": site.org_id, "name": "raw", "retentionRules": []})
    moment = int(START.timestamp()) * 10**9
    await real.write_points(site.org_id, "raw", [f"keep v=1 {moment}", f"evil v=1 {moment}", f"a v=1 {moment}"])
    for text in STRINGS:
        try:
            await real.delete_points(site.org_id, "raw", WINDOW, text)
        except Invalid:
            continue
    left = await real.count_by_series(site.org_id, Source("raw"), WINDOW)
    assert {dict(series)["_measurement"] for series in left} == {"keep", "evil", "a"}


async def test_names_in_addresses() -> None:
    """A name is one parameter, whatever is in it."""
    seen: list[web.BaseRequest] = []

    async def record(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.json_response({"buckets": [], "orgs": [], "tasks": []})

    async with serve(record) as url:
        client = InfluxClient(ConnectionSettings(url, "some-token"))
        for text in STRINGS:
            seen.clear()
            await client.org_id(text)
            await client.find_tasks(ORG, text)
            org, tasks = (dict(request.query) for request in seen)
            assert org == {"org": text}
            assert tasks == {"orgID": ORG, "name": text, "limit": "500"}
            assert [request.path for request in seen] == ["/api/v2/orgs", "/api/v2/tasks"]
        await client.close()


def test_forged_marks() -> None:
    """A text that looks like another's mark is text: the owner that is read is the one that was written."""
    for text in STRINGS:
        marker, rest = read_script(stamp_script(OWNER, "u-1", text))
        assert (marker and marker.owner, marker and marker.uid, rest) == (OWNER, "u-1", text)
        described, own = read_description(stamp_description(OWNER, "u-1", text.rstrip()))
        assert (described and described.owner, own) == (OWNER, text.rstrip())
