"""Writing points, and deleting those of a window."""

from __future__ import annotations

from datetime import timedelta

import pytest

from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.windows.window import Window
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Invalid, NotFound
from influxops.influx.write import BATCH
from tests.contract.conftest import World, at
from tests.support.influx_admin import Site

START = at("2024-03-01T10:00:00")
WINDOW = Window(START, START + timedelta(hours=1))
FIRST, LAST = (int(moment.timestamp()) * 10**9 for moment in (WINDOW.start, WINDOW.stop))
ALL = Window(START - timedelta(days=1), START + timedelta(days=1))


@pytest.fixture
async def raw(world: World) -> World:
    """A world with an empty bucket raw."""
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    return world


async def count(world: World, measurement: str = "") -> int:
    """Points in raw."""
    return sum((await world.port.count_by_series(world.org_id, Source("raw", measurement), ALL)).values())


async def test_a_later_value_takes_the_place_of_an_earlier_one(raw: World) -> None:
    """Fields that the later point does not name stay as they were."""
    await raw.port.write_points(raw.org_id, "raw", [f"m,h=a v=1,w=5 {FIRST}", f"m,h=a v=2 {FIRST}"])
    written = await raw.port.read_written(raw.org_id, Target("raw"), WINDOW)
    assert written.sums == {"v": 2.0, "w": 5.0}


async def test_nothing_to_write_is_no_fault(raw: World) -> None:
    """No request is needed."""
    await raw.port.write_points(raw.org_id, "raw", [])
    assert await count(raw) == 0


async def test_more_points_than_fit_into_one_batch(real: InfluxClient, site: Site) -> None:
    """All arrive."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", (f"m v=1 {FIRST + number}" for number in range(2 * BATCH + 1)))
    found = await real.count_by_series(site.org_id, Source("raw"), WINDOW)
    assert list(found.values()) == [2 * BATCH + 1]


async def test_a_field_of_another_type_is_refused(raw: World) -> None:
    """Invalid with the cause; the other points of the batch are written."""
    await raw.port.write_points(raw.org_id, "raw", [f"m v=1 {FIRST}"])
    with pytest.raises(Invalid, match="field type conflict"):
        await raw.port.write_points(raw.org_id, "raw", [f"m v=2i {FIRST + 1}", f"m v=3 {FIRST + 2}"])
    assert await count(raw) == 2


async def test_points_outside_the_retention_are_refused(raw: World) -> None:
    """Invalid with the cause."""
    await raw.port.create_bucket(raw.org_id, "short", "", 3600, 3600)
    with pytest.raises(Invalid, match="outside retention"):
        await raw.port.write_points(raw.org_id, "short", [f"m v=1 {FIRST}"])


async def test_a_line_that_is_no_line_protocol_is_refused(raw: World) -> None:
    """Nothing of that batch is written."""
    with pytest.raises(Invalid, match="unable to parse"):
        await raw.port.write_points(raw.org_id, "raw", [f"m v= {FIRST}", f"m v=1 {FIRST}"])
    assert await count(raw) == 0


async def test_a_bucket_that_does_not_exist(raw: World) -> None:
    """NotFound for a write and for a delete."""
    with pytest.raises(NotFound):
        await raw.port.write_points(raw.org_id, "nope", [f"m v=1 {FIRST}"])
    with pytest.raises(NotFound):
        await raw.port.delete_points(raw.org_id, "nope", WINDOW, "m")


async def test_delete_takes_the_start_and_leaves_the_stop(raw: World) -> None:
    """Points at start and 1 us before stop go; those 1 us before start and at stop stay; so do other measurements."""
    inside, outside = (FIRST, LAST - 1000), (FIRST - 1000, LAST)
    await raw.port.write_points(raw.org_id, "raw", [f"m,h=a v=1 {time}" for time in (*inside, *outside)])
    await raw.port.write_points(raw.org_id, "raw", [f"mm v=1 {FIRST}"])
    await raw.port.delete_points(raw.org_id, "raw", WINDOW, "m")
    assert await raw.port.count_by_series(raw.org_id, Source("raw", "m"), WINDOW) == {}
    assert await count(raw, "m") == 2
    assert await count(raw, "mm") == 1


async def test_delete_ends_one_nanosecond_before_the_stop(real: InfluxClient, site: Site) -> None:
    """The last nanosecond of the window is deleted."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    await real.write_points(site.org_id, "raw", [f"m v=1 {LAST - 1}", f"m v=1 {LAST}"])
    await real.delete_points(site.org_id, "raw", WINDOW, "m")
    assert sum((await real.count_by_series(site.org_id, Source("raw"), ALL)).values()) == 1


async def test_deleting_where_nothing_is(raw: World) -> None:
    """Is no fault."""
    await raw.port.delete_points(raw.org_id, "raw", WINDOW, "m")


async def test_delete_needs_a_measurement_that_it_can_name(raw: World) -> None:
    """An empty one would delete what other stages wrote; a line break cannot be written in the first place."""
    for measurement in ("", "a\nb"):
        with pytest.raises(Invalid, match="measurement"):
            await raw.port.delete_points(raw.org_id, "raw", WINDOW, measurement)


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "a b", "a,b", "a=b", "a'b", "${x}", "é☃", " x", "a)b", "a%sb", "a and _field=b", "a/b"]
)
async def test_delete_hits_exactly_the_measurement_of_that_name(real: InfluxClient, site: Site, name: str) -> None:
    """Whatever the name holds; the one beside it stays."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    escaped = name.replace(",", "\\,").replace(" ", "\\ ")
    await real.write_points(site.org_id, "raw", [f"{escaped} v=1 {FIRST}", f"m v=1 {FIRST}"])
    assert sum((await real.count_by_series(site.org_id, Source("raw", name), ALL)).values()) == 1
    await real.delete_points(site.org_id, "raw", WINDOW, name)
    left = await real.count_by_series(site.org_id, Source("raw"), ALL)
    assert left == {(("_field", "v"), ("_measurement", "m")): 1}
