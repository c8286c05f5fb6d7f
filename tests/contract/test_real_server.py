"""A real influxd that is slow, gone, back again, or behind TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from devstack.influx import Influxd
from devstack.stack import Stack
from influxops.core.flux.quote import quote_string
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Invalid, Unavailable
from influxops.influx.http import TimedOut
from influxops.influx.query import query
from influxops.influx.settings import ConnectionSettings
from tests.contract.test_tasks import script
from tests.support.influx_admin import Admin, Site
from tests.support.until import until_async


async def test_a_query_out_of_time_ends_on_the_server_too(real: InfluxClient, site: Site, admin: Admin) -> None:
    """The connection is closed, and the server stops working for nobody: a join of 100 million rows."""
    await real.create_bucket(site.org_id, "big", "", 0, 0)
    await admin.write(site.org_id, "big", *(f"m v={number} {1_700_000_000 + number}" for number in range(10_000)))
    half = f"from(bucket: {quote_string('big')}) |> range(start: 2020-01-01T00:00:00Z) |> filter(fn: (r) => r.x != s)"
    flux = f'f = (s) => {half}\njoin(tables: {{a: f(s: "a"), b: f(s: "b")}}, on: ["_field"]) |> group() |> limit(n: 1)'
    running = asyncio.create_task(query(real._http, site.org_id, flux, timeout=3))

    async def active(count: int) -> bool:
        return f'qc_all_active{{org="{site.org_id}"}} {count}\n' in await admin.metrics()

    await until_async(lambda: active(1))
    with pytest.raises(TimedOut):
        await running
    await until_async(lambda: active(0), seconds=10)


async def test_a_query_that_cannot_work_is_invalid(real: InfluxClient, site: Site) -> None:
    """The message is the server's."""
    with pytest.raises(Invalid, match="undefined identifier"):
        await query(real._http, site.org_id, "nope")


@pytest.fixture
def own(stack: Stack) -> Iterator[Influxd]:
    """An influxd that the test may kill."""
    influx = stack.new_influx()
    yield influx
    stack.drop_influx(influx)


@pytest.fixture
async def client(own: Influxd) -> AsyncIterator[InfluxClient]:
    """A client of it that is quick to give up."""
    made = InfluxClient(ConnectionSettings(own.url, own.token, timeout=2))
    yield made
    await made.close()


async def test_the_same_client_works_again_after_a_restart(own: Influxd, client: InfluxClient) -> None:
    """Killed: Unavailable. Back: everything is there, with no new client."""
    made = await client.create_task(own.org_id, script(), "")
    own.kill()
    for call in (client.get_task(made.id), client.version(), client.create_task(own.org_id, script(), "")):
        with pytest.raises(Unavailable, match=own.url):
            await call
    own.start()
    assert await client.get_task(made.id) == made
    assert [task async for page in client.list_tasks(own.org_id) for task in page] == [made]


async def test_a_server_that_hangs_costs_the_timeout_and_no_more(own: Influxd, client: InfluxClient) -> None:
    """A stopped process still takes connections; the call ends all the same."""
    await client.version()
    own.pause()
    try:
        with pytest.raises(Unavailable, match="no answer within 2 s"):
            await client.me()
    finally:
        own.resume()
    assert await client.me() is not None


async def test_tls_with_a_private_ca(stack: Stack) -> None:
    """A real influxd over https: with its CA everything works, without it nothing is sent."""
    influx = stack.new_influx(tls=True)
    try:
        client = InfluxClient(ConnectionSettings(influx.url, influx.token, ca_pem=influx.ca_pem))
        assert (await client.version()).startswith("v2.")
        made = await client.create_task(influx.org_id, script(), "")
        assert await client.get_task(made.id) == made
        await client.check_script(influx.org_id, "x = 1")
        await client.close()
        stranger = InfluxClient(ConnectionSettings(influx.url, influx.token))
        with pytest.raises(Unavailable, match="not trusted"):
            await stranger.me()
        await stranger.close()
    finally:
        stack.drop_influx(influx)
