"""Long lists of a real influxd: every object once, whatever happens between two pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from influxops.core.observed import Task
from influxops.influx.client import InfluxClient
from influxops.influx.settings import ConnectionSettings
from tests.contract.test_tasks import script, tasks_of
from tests.support.fake_influx import FakeInflux
from tests.support.influx_admin import Admin, Site


async def _make(client: InfluxClient, site: Site, count: int) -> list[str]:
    made = [(await client.create_task(site.org_id, script(f"t{number}"), "")).id for number in range(count)]
    return sorted(made)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
async def test_every_page_size_gives_every_task_once(
    real: InfluxClient, site: Site, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Whole pages, broken pages and none."""
    made = await _make(real, site, count)
    for page in (2, 3, 4, 10):
        monkeypatch.setattr("influxops.influx.tasks.PAGE", page)
        found = [task.id for task in await tasks_of(real, site.org_id) if isinstance(task, Task)]
        assert found == made


@pytest.mark.parametrize("position", range(3))
async def test_a_task_deleted_between_two_pages_hides_no_other(
    real: InfluxClient, site: Site, monkeypatch: pytest.MonkeyPatch, position: int
) -> None:
    """The server skips a task when the one named by ``after`` is gone; our pages overlap."""
    made = await _make(real, site, 7)
    monkeypatch.setattr("influxops.influx.tasks.PAGE", 3)
    call = real._http.call
    requests: list[str] = []

    async def deleting(method: str, path: str, **rest: Any) -> Any:
        requests.append(path)
        if len(requests) == 2:
            await call("DELETE", f"/api/v2/tasks/{made[position]}")
        return await call(method, path, **rest)

    monkeypatch.setattr(real._http, "call", deleting)
    assert [task.id for task in await tasks_of(real, site.org_id) if isinstance(task, Task)] == made


async def test_a_caller_may_stop_early(real: InfluxClient, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that is on its way is given up, without a trace in the log."""
    await _make(real, site, 5)
    monkeypatch.setattr("influxops.influx.tasks.PAGE", 2)
    pages = real.list_tasks(site.org_id)
    assert isinstance(pages, AsyncGenerator)
    assert len(await anext(pages)) == 2
    await pages.aclose()
    assert len(asyncio.all_tasks()) == 1


async def test_the_server_still_skips_a_task_after_a_deleted_one(real: InfluxClient, site: Site, admin: Admin) -> None:
    """The quirk itself; when this fails, the overlap of our pages can go."""
    made = await _make(real, site, 4)
    await real.delete_task(made[1])
    found = await admin.call("GET", "tasks", orgID=site.org_id, after=made[1])
    assert [task["id"] for task in found["tasks"]] == made[3:]


async def test_more_than_one_full_page(real: InfluxClient, site: Site) -> None:
    """The real page size, and the tasks of another user of the organization too."""
    gate = asyncio.Semaphore(16)

    async def make(number: int) -> str:
        async with gate:
            return (await real.create_task(site.org_id, script(f"t{number}"), "")).id

    made = await asyncio.gather(*(make(number) for number in range(501)))
    assert [task.id for task in await tasks_of(real, site.org_id) if isinstance(task, Task)] == sorted(made)


async def test_tasks_of_other_users_are_listed(admin: Admin, site: Site, real: InfluxClient) -> None:
    """Without orgID the server would show the token user's own tasks only."""
    user = await admin.call("POST", "users", {"name": f"{site.org}-other"})
    rights = [{"action": "write", "resource": {"type": "tasks", "orgID": site.org_id}}]
    wanted = {"orgID": site.org_id, "userID": user["id"], "permissions": rights}
    token = (await admin.call("POST", "authorizations", wanted))["token"]
    other = InfluxClient(ConnectionSettings(site.url, token))
    made = await other.create_task(site.org_id, script(), "")
    await other.close()
    assert made.owner_id == user["id"]
    assert await tasks_of(real, site.org_id) == [made]
    await admin.call("DELETE", f"users/{user['id']}")


async def test_every_bucket_page(real: InfluxClient, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """More buckets than a page, by every page size, each once."""
    names = {f"b{number}" for number in range(7)}
    for name in names:
        await real.create_bucket(site.org_id, name, "", 0, 0)
    for page in (1, 3, 9, 100):
        monkeypatch.setattr("influxops.influx.buckets.PAGE", page)
        found = [bucket.name for bucket in await real.list_buckets(site.org_id)]
        assert sorted(found) == sorted(names | {"_tasks", "_monitoring"})


async def test_buckets_that_the_token_may_not_read_end_no_list(
    admin: Admin, site: Site, real: InfluxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes hidden buckets out of a page, which is then short and is not the last."""
    for name in ("a", "b", "c", "d"):
        await real.create_bucket(site.org_id, name, "", 0, 0)
    hidden = await real.find_bucket(site.org_id, "b")
    assert hidden is not None
    permissions = [{"action": "read", "resource": {"type": "orgs", "id": site.org_id}}]
    for bucket in await real.list_buckets(site.org_id):
        if bucket.id != hidden.id and bucket.type == "user":
            resource = {"type": "buckets", "orgID": site.org_id, "id": bucket.id}
            permissions.append({"action": "read", "resource": resource})
    wanted = {"orgID": site.org_id, "permissions": permissions}
    client = InfluxClient(ConnectionSettings(site.url, (await admin.call("POST", "authorizations", wanted))["token"]))
    monkeypatch.setattr("influxops.influx.buckets.PAGE", 2)
    assert {bucket.name for bucket in await client.list_buckets(site.org_id)} >= {"a", "c", "d"}
    await client.close()


async def test_a_task_that_cannot_be_decoded_hides_no_other() -> None:
    """It comes as text in its place."""
    fake = FakeInflux()
    org_id = fake.orgs["acme"]
    made = [await fake.create_task(org_id, script(name), "") for name in "abc"]
    fake.spoiled[made[1].id] = "KeyError 'flux'"
    assert await tasks_of(fake, org_id) == [made[0], f"{made[1].id}: KeyError 'flux'", made[2]]
