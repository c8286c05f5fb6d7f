"""Counting a source by time and by series, inside the storage engine."""

from __future__ import annotations

from datetime import timedelta

import pytest

from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.windows.window import Window
from influxops.influx import proof
from influxops.influx.client import InfluxClient
from influxops.influx.errors import NotFound
from tests.contract.conftest import World, at
from tests.support.influx_admin import Site

START = at("2024-03-01T10:00:00")
FIRST = int(START.timestamp()) * 10**9
HOUR = timedelta(hours=1)
MINUTE = 60 * 10**9


@pytest.fixture
async def raw(world: World) -> World:
    """A bucket raw with a point of two fields each half hour for 3 hours in 2 series, and text of another measurement."""
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    half_hours = [f"m,h={host} v=1,w=2i {FIRST + n * 30 * MINUTE}" for n in range(6) for host in "ab"]
    await world.port.write_points(world.org_id, "raw", [*half_hours, f'text s="x",b=true {FIRST + 90 * MINUTE}'])
    return world


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("raw"), [8, 10, 8]),
        (Source("raw", "m"), [8, 8, 8]),
        (Source("raw", "m", "v"), [4, 4, 4]),
        (Source("raw", "", "s"), [0, 1, 0]),
        (Source("raw", "nothing"), [0, 0, 0]),
    ],
)
async def test_field_values_by_the_hour(raw: World, source: Source, expected: list[int]) -> None:
    """Over all series; keys are the starts of the steps; steps without points are left out."""
    found = await raw.port.count_by_time(raw.org_id, source, START, START + 3 * HOUR, 3600)
    assert found == {START + n * HOUR: count for n, count in enumerate(expected) if count}


async def test_the_stop_is_out_and_may_cut_a_step(raw: World) -> None:
    """A point at stop is not counted; the last step is counted as far as it goes."""
    source = Source("raw", "m", "v")
    assert await raw.port.count_by_time(raw.org_id, source, START, START + 1.5 * HOUR, 3600) == {
        START: 4,
        START + HOUR: 2,
    }
    assert await raw.port.count_by_time(raw.org_id, source, START, START, 3600) == {}


async def test_a_start_off_the_grid_is_refused(raw: World) -> None:
    """The first step would be cut, and be taken for a full one."""
    with pytest.raises(ValueError, match="grid"):
        await raw.port.count_by_time(raw.org_id, Source("raw"), START + HOUR / 2, START + 2 * HOUR, 3600)


async def test_field_values_by_series(raw: World) -> None:
    """Tags with their names, sorted."""
    found = await raw.port.count_by_series(raw.org_id, Source("raw", "m"), Window(START, START + HOUR))
    assert found == {
        (("_field", field), ("_measurement", "m"), ("h", host)): 2 for field in ("v", "w") for host in ("a", "b")
    }
    assert await raw.port.count_by_series(raw.org_id, Source("raw"), Window(START - HOUR, START)) == {}


async def test_a_bucket_that_does_not_exist(raw: World) -> None:
    """NotFound, never a count of zero."""
    with pytest.raises(NotFound):
        await raw.port.count_by_time(raw.org_id, Source("nope"), START, START + HOUR, 3600)
    with pytest.raises(NotFound):
        await raw.port.count_by_series(raw.org_id, Source("nope"), Window(START, START + HOUR))


async def test_counts_are_made_inside_the_storage_engine(real: InfluxClient, site: Site) -> None:
    """The profiler names ReadWindowAggregate for both queries, also with filters."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", [f"m v=1 {FIRST}"])
    profiler = 'import "profiler"\noption profiler.enabledProfilers = ["query"]\n'
    window = Window(START, START + HOUR)
    for source in (Source("raw"), Source("raw", "m"), Source("raw", "m", "v")):
        for flux in (proof.by_time(source, START, window.stop, 3600), proof.by_series(source, window)):
            cost = (await real.run_script(site.org_id, profiler + flux, window.stop, 10)).cost
            assert cost is not None
            assert cost.plan.startswith("ReadWindowAggregate"), cost.plan
            assert cost.scanned_values == 0  # nothing left the engine as it was


async def test_thirty_days_by_the_hour(real: InfluxClient, site: Site) -> None:
    """720 steps of 30 series come in one query."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    lines = (f"m,h=h{host} v=1 {FIRST + n * 60 * MINUTE}" for n in range(720) for host in range(30))
    await real.write_points(site.org_id, "raw", lines)
    found = await real.count_by_time(site.org_id, Source("raw"), START, START + 720 * HOUR, 3600)
    assert found == {START + n * HOUR: 30 for n in range(720)}
