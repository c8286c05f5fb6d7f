"""Tokens with few rights: what the server hides, and how the port tells it. Fake and real influxd."""

from __future__ import annotations

import pytest

from influxops.core.observed import TaskStatus
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Forbidden, Unauthorized
from influxops.influx.settings import ConnectionSettings
from tests.contract.conftest import ALL_RIGHTS, World
from tests.contract.test_tasks import script, tasks_of
from tests.support.influx_admin import Admin, Site

DAY = 86400


@pytest.mark.parametrize("right", ["write:tasks", "write:buckets", "read:orgs", "read:users"])
async def test_the_probe_names_each_missing_right(world: World, right: str) -> None:
    """One right taken away is named, and none beside it."""
    await world.port.create_task(world.org_id, script(), "")
    port = await world.narrow([right])
    assert await port.probe(world.org_id) == {right}


@pytest.mark.parametrize("right", ["read:tasks", "read:buckets"])
async def test_what_the_probe_cannot_tell_is_left_out(world: World, right: str) -> None:
    """The server hides what may not be read; a task that never ran gives no second way to look."""
    await world.port.create_task(world.org_id, script(), "")
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    port = await world.narrow([right])
    assert await port.probe(world.org_id) == frozenset()


async def test_the_probe_has_no_effect(world: World) -> None:
    """Asking for rights leaves tasks and buckets as they were, with every right and with none but one."""
    await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    await world.port.create_task(world.org_id, script(), "")
    before = (await tasks_of(world.port, world.org_id), await world.port.list_buckets(world.org_id))
    assert await world.port.probe(world.org_id) == frozenset()
    assert (await tasks_of(world.port, world.org_id), await world.port.list_buckets(world.org_id)) == before


async def test_without_the_right_to_read_tasks_lists_are_empty(world: World) -> None:
    """The server hides tasks silently; only a look by id tells."""
    made = await world.port.create_task(world.org_id, script("hidden"), "")
    port = await world.narrow(["read:tasks"])
    assert await tasks_of(port, world.org_id) == []
    assert await port.find_tasks(world.org_id, "hidden") == []
    for call in (port.get_task(made.id), port.list_runs(made.id, 1)):
        with pytest.raises(Forbidden) as caught:
            await call
        assert caught.value.right == "read:tasks"


async def test_without_the_right_to_write_tasks_nothing_changes(world: World) -> None:
    """Create, update and delete name the right."""
    made = await world.port.create_task(world.org_id, script(), "")
    port = await world.narrow(["write:tasks"])
    for call in (
        port.create_task(world.org_id, script("new"), ""),
        port.update_task(made.id, status=TaskStatus.INACTIVE),
        port.delete_task(made.id),
    ):
        with pytest.raises(Forbidden) as caught:
            await call
        assert caught.value.right == "write:tasks"
    assert await tasks_of(port, world.org_id) == [made]


async def test_without_the_right_to_read_buckets(world: World) -> None:
    """The list leaves user buckets out; the look-up by name tells a hidden one from one that is not there, the one by id does not."""
    made = await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    port = await world.narrow(["read:buckets"])
    assert await port.get_bucket(world.org_id, made.id) is None
    assert {bucket.type for bucket in await port.list_buckets(world.org_id)} == {"system"}
    with pytest.raises(Forbidden) as caught:
        await port.find_bucket(world.org_id, "raw")
    assert caught.value.right == "read:buckets"
    assert await port.find_bucket(world.org_id, "nope") is None


async def test_without_the_right_to_write_buckets(world: World) -> None:
    """Create, update and delete name the right."""
    made = await world.port.create_bucket(world.org_id, "raw", "", 0, 0)
    port = await world.narrow(["write:buckets"])
    for call in (
        port.create_bucket(world.org_id, "new", "", 0, 0),
        port.update_bucket(made.id, "", DAY, DAY),
        port.delete_bucket(made.id),
    ):
        with pytest.raises(Forbidden) as caught:
            await call
        assert caught.value.right == "write:buckets"
    assert await port.find_bucket(world.org_id, "raw") == made


async def test_without_the_right_to_read_the_organization(world: World) -> None:
    """Its id is unknown, and the runs in ``_tasks`` are out of reach; tasks are not."""
    port = await world.narrow(["read:orgs"])
    assert await port.org_id(world.org) is None
    since = (await world.port.create_task(world.org_id, script(), "")).created_at
    for call in (port.recent_runs(world.org_id, since), port.run_errors(world.org_id, since, ["0" * 16])):
        with pytest.raises(Forbidden) as caught:
            await call
        assert caught.value.right == "read:orgs"
    assert len(await tasks_of(port, world.org_id)) == 1


async def test_without_the_right_to_read_users(world: World) -> None:
    """The owner cannot be compared; that is all."""
    port = await world.narrow(["read:users"])
    assert await port.me() is None


async def test_a_wrong_token_is_unauthorized_everywhere(site: Site) -> None:
    """Not Forbidden and not an empty list."""
    client = InfluxClient(ConnectionSettings(site.url, "wrong-token"))
    for call in (
        client.me(),
        client.org_id(site.org),
        client.get_task("0" * 15 + "1"),
        client.list_buckets(site.org_id),
        client.find_bucket(site.org_id, "raw"),
        client.probe(site.org_id),
        client.create_task(site.org_id, script(), ""),
        client.check_script(site.org_id, "x = 1"),
        client.ast("x = 1"),
        tasks_of(client, site.org_id),
    ):
        with pytest.raises(Unauthorized):
            await call
    assert (await client.version()).startswith("v2.")
    await client.close()


async def test_a_token_that_was_deactivated_is_unauthorized_and_sees_no_empty_organization(
    admin: Admin, site: Site, real: InfluxClient
) -> None:
    """The server answers its lists with 200 and nothing in them: taken for the truth, every task would be gone."""
    await real.create_task(site.org_id, script(), "")
    token = await admin.new_token(site.org_id, ALL_RIGHTS)
    client = InfluxClient(ConnectionSettings(site.url, token))
    assert len(await tasks_of(client, site.org_id)) == 1
    found = await admin.call("GET", "authorizations", orgID=site.org_id)
    mine = next(entry for entry in found["authorizations"] if entry["token"] == token)
    await admin.call("PATCH", f"authorizations/{mine['id']}", {"status": "inactive"})
    for call in (
        client.me(),
        client.probe(site.org_id),
        client.list_buckets(site.org_id),
        tasks_of(client, site.org_id),
    ):
        with pytest.raises(Unauthorized, match="inactive"):
            await call
    await client.close()


async def test_reading_tasks_is_told_by_a_run_when_the_list_is_empty(
    admin: Admin, site: Site, real: InfluxClient
) -> None:
    """A token that sees no task is caught by a task that has run."""
    made = await real.create_task(site.org_id, script(), "")
    run = 'runs,taskID={},status=success runID="0000000000000001",scheduledFor="2024-01-01T00:00:00Z"'
    await admin.write(site.org_id, "_tasks", run.format(made.id))
    client = InfluxClient(ConnectionSettings(site.url, await admin.new_token(site.org_id, ["read:orgs"])))
    assert await client.probe(site.org_id) == {"read:tasks", "write:tasks", "write:buckets", "read:users"}
    await client.close()
