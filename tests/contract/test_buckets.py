"""Buckets, organizations and the token's user, on the fake and on a real influxd."""

from __future__ import annotations

import pytest

from influxops.influx.errors import Conflict, Invalid, NotFound
from influxops.influx.port import InfluxPort
from tests.contract.conftest import World

HOUR, DAY = 3600, 86400


async def test_who_and_where(world: World) -> None:
    """Version, organization and user."""
    assert (await world.port.version()).startswith("v2.")
    assert await world.port.org_id(world.org) == world.org_id
    assert await world.port.org_id("no such organization") is None
    user = await world.port.me()
    assert user is not None
    assert user.name == "admin"


async def test_a_created_bucket_comes_back(influx: InfluxPort, org_id: str) -> None:
    """POST, look-up and list show the same bucket; other names find nothing."""
    made = await influx.create_bucket(org_id, "räw;&+ data", "for {x}", 30 * DAY, DAY)
    assert (made.name, made.type, made.description) == ("räw;&+ data", "user", "for {x}")
    assert (made.retention, made.shard_group, made.org_id) == (30 * DAY, DAY, org_id)
    assert await influx.find_bucket(org_id, "räw;&+ data") == made
    assert made in await influx.list_buckets(org_id)
    assert await influx.find_bucket(org_id, "räw") is None


async def test_every_organization_has_its_system_buckets(influx: InfluxPort, org_id: str) -> None:
    """They are told from user buckets by their type."""
    found = {bucket.name: bucket for bucket in await influx.list_buckets(org_id)}
    assert set(found) == {"_tasks", "_monitoring"}
    assert {bucket.type for bucket in found.values()} == {"system"}
    assert found["_tasks"].retention == 3 * DAY
    assert await influx.find_bucket(org_id, "_tasks") == found["_tasks"]


@pytest.mark.parametrize(
    ("retention", "shard_group"),
    [
        (0, 7 * DAY),
        (HOUR, HOUR),
        (2 * DAY - 1, HOUR),
        (2 * DAY, DAY),
        (180 * DAY - 1, DAY),
        (180 * DAY, 7 * DAY),
        (400 * DAY, 7 * DAY),
    ],
)
async def test_the_default_shard_group(world: World, retention: int, shard_group: int) -> None:
    """The fake chooses the shard group that the server chooses, at the exact limits too."""
    made = await world.port.create_bucket(world.org_id, "b", "", retention, 0)
    assert made.shard_group == shard_group


async def test_names_are_unique(influx: InfluxPort, org_id: str) -> None:
    """A second bucket of a name is a Conflict."""
    await influx.create_bucket(org_id, "raw", "", 0, 0)
    with pytest.raises(Conflict):
        await influx.create_bucket(org_id, "raw", "", DAY, HOUR)


@pytest.mark.parametrize(
    ("retention", "shard_group"), [(1, 0), (HOUR - 1, HOUR - 1), (HOUR, DAY), (DAY, DAY + 1), (7 * DAY, 8 * DAY)]
)
async def test_rules_that_the_server_refuses(influx: InfluxPort, org_id: str, retention: int, shard_group: int) -> None:
    """Less than an hour, and a shard group longer than the retention, for create and update alike."""
    with pytest.raises(Invalid):
        await influx.create_bucket(org_id, "b", "", retention, shard_group)
    assert await influx.find_bucket(org_id, "b") is None
    made = await influx.create_bucket(org_id, "b", "", 30 * DAY, DAY)
    with pytest.raises(Invalid):
        await influx.update_bucket(made.id, "", retention, shard_group)
    assert await influx.find_bucket(org_id, "b") == made


@pytest.mark.parametrize("name", ["_mine", 'a"b'])
async def test_names_that_the_server_refuses(influx: InfluxPort, org_id: str, name: str) -> None:
    """An underscore in front is for system buckets; a quotation mark is refused."""
    with pytest.raises(Invalid):
        await influx.create_bucket(org_id, name, "", 0, 0)


async def test_update_sets_everything_at_once(influx: InfluxPort, org_id: str) -> None:
    """Also below the shard group that the bucket had, for ever, back again, and an empty description."""
    made = await influx.create_bucket(org_id, "b", "old", 0, 7 * DAY)
    for retention, shard_group, description in ((HOUR, HOUR, "x"), (0, 7 * DAY, "y"), (30 * DAY, DAY, "")):
        changed = await influx.update_bucket(made.id, description, retention, shard_group)
        assert (changed.retention, changed.shard_group, changed.description) == (retention, shard_group, description)
        assert await influx.find_bucket(org_id, "b") == changed


async def test_a_bucket_by_its_id(influx: InfluxPort, org_id: str) -> None:
    """None when it is gone, and for an organization that is not its own."""
    made = await influx.create_bucket(org_id, "b", "mine", DAY, HOUR)
    assert await influx.get_bucket(org_id, made.id) == made
    assert await influx.get_bucket("0123456789abcdef", made.id) is None
    await influx.delete_bucket(made.id)
    assert await influx.get_bucket(org_id, made.id) is None


async def test_a_deleted_bucket_is_gone(influx: InfluxPort, org_id: str) -> None:
    """Update and delete of it say NotFound; its name is free again."""
    made = await influx.create_bucket(org_id, "b", "", 0, 0)
    await influx.delete_bucket(made.id)
    assert await influx.find_bucket(org_id, "b") is None
    for call in (influx.update_bucket(made.id, "", DAY, HOUR), influx.delete_bucket(made.id)):
        with pytest.raises(NotFound):
            await call
    assert (await influx.create_bucket(org_id, "b", "", 0, 0)).id != made.id
