"""Quoted values mean themselves to a real influxd."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from influxops.core.flux.quote import EARLIEST, LATEST, quote_duration, quote_string, quote_time
from influxops.influx.client import InfluxClient
from influxops.influx.query import query
from tests.support.influx_admin import Site

NASTY = [
    "",
    " ",
    '"',
    "\\",
    '\\"',
    "${x}",
    "$${x}",
    "\\${x}",
    "$",
    "${",
    "}",
    "{x}",
    "\n",
    "\r\n",
    "\t",
    "\x00",
    "\x01\x1f\x7f",
    "\\x41",
    "\\n",
    "//x",
    "/* x */",
    "`'",
    "é",
    "日本",
    "🌡",
    "\u2028\u2029\ufeff\u200b",
    "\U0010ffff",
    '") |> yield() //',
    "a" * 5000,
]


async def echo(client: InfluxClient, site: Site, texts: list[str]) -> list[str]:
    """What the server understands; it writes JSON, since its CSV rewrites line ends within a value."""
    literals = ", ".join(quote_string(text) for text in texts)
    flux = f'import "array" import "json" array.from(rows: [{{v: string(v: json.encode(v: [{literals}]))}}])'
    (row,) = await query(client._http, site.org_id, flux)
    found: list[str] = json.loads(row["v"])
    return found


async def test_nasty_texts_come_back_as_they_are(real: InfluxClient, site: Site) -> None:
    """Quotes, interpolation, control characters, unicode, comments: all just text."""
    assert await echo(real, site, NASTY) == NASTY


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=60))
async def test_any_text_comes_back_as_it_is(real: InfluxClient, site: Site, texts: list[str]) -> None:
    """The same for whatever Hypothesis comes up with."""
    assert await echo(real, site, texts) == texts


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC),
    ],
)
async def test_times_mean_the_same_instant(real: InfluxClient, site: Site, moment: datetime) -> None:
    """Exact to the microsecond over the whole range."""
    flux = f'import "array" array.from(rows: [{{v: {quote_time(moment)}}}])'
    assert [datetime.fromisoformat(row["v"]) for row in await query(real._http, site.org_id, flux)] == [moment]


async def test_the_widest_range_and_durations(real: InfluxClient, site: Site) -> None:
    """The limits that InfluxDB can store, and seconds as durations."""
    flux = (
        'import "array" array.from(rows: [{'
        f"a: string(v: int(v: {EARLIEST})), b: string(v: int(v: {LATEST})),"
        f" c: string(v: int(v: {quote_duration(90)})), d: string(v: int(v: {quote_duration(-31536000)}))}}])"
    )
    (row,) = await query(real._http, site.org_id, flux)
    assert [int(row[key]) for key in "abcd"] == [-(2**63) + 2, 2**63 - 2, 90 * 10**9, -31536000 * 10**9]
