"""Counting points, on the fake and on a real influxd."""

from __future__ import annotations

from datetime import timedelta

import pytest

from influxops.core.observed import PointCount
from influxops.influx.client import InfluxClient
from influxops.influx.errors import NotFound
from tests.contract.conftest import World, at
from tests.support.influx_admin import Admin, Site

FIRST, MIDDLE, LAST = at("2023-01-01T00:00:00"), at("2023-06-01T00:00:00"), at("2024-01-01T00:00:00")


async def test_points_are_counted_from_start_to_before_stop(world: World) -> None:
    """Start is in, stop is out; None means from the very first or to the very last."""
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    await world.write("raw", [FIRST, MIDDLE, LAST])
    second = timedelta(seconds=1)
    for start, stop, expected in (
        (None, None, PointCount(3, FIRST, LAST)),
        (None, LAST, PointCount(2, FIRST, MIDDLE)),
        (MIDDLE, None, PointCount(2, MIDDLE, LAST)),
        (FIRST + second, MIDDLE + second, PointCount(1, MIDDLE, MIDDLE)),
        (FIRST + second, MIDDLE, PointCount(0, None, None)),
    ):
        found = await world.port.count_points(world.org_id, "raw", start, stop, 10)
        assert (found.points or 0, found.oldest, found.newest) == (expected.points, expected.oldest, expected.newest)


async def test_an_empty_bucket_has_no_points(world: World) -> None:
    """Zero, and not unknown."""
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    assert await world.port.count_points(world.org_id, "raw", None, None, 10) == PointCount(0, None, None)


async def test_a_bucket_that_does_not_exist(world: World) -> None:
    """NotFound, never a count of zero."""
    with pytest.raises(NotFound):
        await world.port.count_points(world.org_id, "nope", None, None, 10)


async def test_fields_of_every_type_and_series_are_counted(real: InfluxClient, site: Site, admin: Admin) -> None:
    """A point is a field value; text, numbers and truth values of all series count alike."""
    await real.create_bucket(site.org_id, "q ${x}", "", 0, 0)
    await admin.write(
        site.org_id, "q ${x}", 'm,h=a i=1i,f=1.5,s="x",b=true 1700000000', "m,h=b f=2 1700000060", "n u=1u 1700000120"
    )
    found = await real.count_points(site.org_id, "q ${x}", None, None, 10)
    assert found.points == 6
    assert found.oldest == at("2023-11-14T22:13:20")
    assert found.newest == at("2023-11-14T22:15:20")


async def test_what_is_not_done_in_time_is_unknown(real: InfluxClient, site: Site) -> None:
    """No time at all gives no count and no error."""
    await real.create_bucket(site.org_id, "raw", "", 0, 0)
    assert await real.count_points(site.org_id, "raw", None, None, 0.0001) == PointCount(None, None, None)
