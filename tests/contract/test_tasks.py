"""Tasks, on the fake and on a real influxd."""

from __future__ import annotations

import pytest

from influxops.core.flux.quote import quote_string
from influxops.core.observed import Task, TaskStatus
from influxops.influx.client import InfluxClient
from influxops.influx.errors import Forbidden, Invalid, NotFound
from influxops.influx.port import InfluxPort
from tests.support.influx_admin import Site

NOBODY = "00000000000000ff"


def script(name: str = "demo", rest: str = "x = 1\n", schedule: str = "every: 1h") -> str:
    """A script that does nothing."""
    return f"option task = {{name: {quote_string(name)}, {schedule}}}\n{rest}"


async def tasks_of(influx: InfluxPort, org_id: str) -> list[Task | str]:
    return [task async for page in influx.list_tasks(org_id) for task in page]


async def test_a_created_task_is_active_and_comes_back_as_sent(influx: InfluxPort, org_id: str) -> None:
    """POST, GET by id, GET by name and the list show the same task, its script byte for byte."""
    flux = script("ns/ä b", rest='// über "x" ${y}\r\n\tx = "🌡"\n\n', schedule="every: 1h30m, offset: 10m")
    made = await influx.create_task(org_id, flux, "what it is for")
    assert made.flux == flux
    assert (made.name, made.status, made.description) == ("ns/ä b", TaskStatus.ACTIVE, "what it is for")
    assert (made.every, made.cron, made.org_id) == ("1h30m", "", org_id)
    assert made.created_at.tzinfo is not None
    assert await influx.get_task(made.id) == made
    assert await influx.find_tasks(org_id, "ns/ä b") == [made]
    assert await tasks_of(influx, org_id) == [made]


async def test_cron_tasks(influx: InfluxPort, org_id: str) -> None:
    """Cron instead of every."""
    made = await influx.create_task(org_id, script(schedule='cron: "0 3 * * *"'), "")
    assert (made.every, made.cron) == ("", "0 3 * * *")


async def test_the_owner_is_the_user_of_the_token(influx: InfluxPort, org_id: str) -> None:
    """A task runs with all the rights of its owner."""
    made = await influx.create_task(org_id, script(), "")
    user = await influx.me()
    assert user is not None
    assert made.owner_id == user.id


async def test_names_are_not_unique(influx: InfluxPort, org_id: str) -> None:
    """Two tasks of one name are two tasks; the look-up is exact."""
    first = await influx.create_task(org_id, script("twin"), "")
    second = await influx.create_task(org_id, script("twin"), "")
    await influx.create_task(org_id, script("twin 2"), "")
    assert {task.id for task in await influx.find_tasks(org_id, "twin")} == {first.id, second.id}
    assert await influx.find_tasks(org_id, "twi") == []


async def test_update_changes_what_is_given_and_nothing_else(influx: InfluxPort, org_id: str) -> None:
    """Status alone, script alone, description alone; the script decides name and schedule."""
    made = await influx.create_task(org_id, script(), "old")
    asleep = await influx.update_task(made.id, status=TaskStatus.INACTIVE)
    assert (asleep.status, asleep.flux, asleep.description) == (TaskStatus.INACTIVE, made.flux, "old")
    flux = script("renamed", schedule="every: 2h")
    renamed = await influx.update_task(made.id, status=TaskStatus.INACTIVE, flux=flux)
    assert (renamed.name, renamed.every, renamed.flux, renamed.description) == ("renamed", "2h", flux, "old")
    described = await influx.update_task(made.id, status=TaskStatus.ACTIVE, description="new")
    assert (described.status, described.description, described.flux) == (TaskStatus.ACTIVE, "new", flux)
    assert described.updated_at >= made.created_at
    emptied = await influx.update_task(made.id, status=TaskStatus.ACTIVE, description="")
    assert emptied.description == ""
    assert await influx.get_task(made.id) == emptied


async def test_an_offset_can_be_taken_away(influx: InfluxPort, org_id: str) -> None:
    """The script is all there is: no offset in it, no offset on the task."""
    made = await influx.create_task(org_id, script(schedule="every: 1h, offset: 5m"), "")
    assert made.offset
    assert (await influx.update_task(made.id, status=TaskStatus.ACTIVE, flux=script())).offset == ""


async def test_a_deleted_task_is_gone(influx: InfluxPort, org_id: str) -> None:
    """Get, update, delete and runs of it say NotFound."""
    made = await influx.create_task(org_id, script(), "")
    await influx.delete_task(made.id)
    assert await tasks_of(influx, org_id) == []
    for task_id in (made.id, NOBODY):
        for call in (
            influx.get_task(task_id),
            influx.update_task(task_id, status=TaskStatus.ACTIVE),
            influx.delete_task(task_id),
            influx.list_runs(task_id, 1),
        ):
            with pytest.raises(NotFound):
                await call


@pytest.mark.parametrize(
    "flux",
    [
        "x = 1",
        "option task = {every: 1h}\n",
        'option task = {name: "x"}\n',
        'option task = {name: "x", every: 1h, cron: "0 0 * * *"}\n',
    ],
)
async def test_a_script_without_a_whole_option_is_invalid(influx: InfluxPort, org_id: str, flux: str) -> None:
    """Neither create nor update takes it, and nothing is left behind."""
    with pytest.raises(Invalid):
        await influx.create_task(org_id, flux, "")
    assert await tasks_of(influx, org_id) == []
    made = await influx.create_task(org_id, script(), "")
    with pytest.raises(Invalid):
        await influx.update_task(made.id, status=TaskStatus.ACTIVE, flux=flux)
    assert (await influx.get_task(made.id)).flux == script()


async def test_no_runs_yet(influx: InfluxPort, org_id: str) -> None:
    """A task that has not run has no runs."""
    made = await influx.create_task(org_id, script(), "")
    assert await influx.list_runs(made.id, 5) == []


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("every: 100ms", "at least 1 second"),
        ("every: 1h, offset: 1d", "unknown unit"),
        ('cron: "CRON_TZ=Europe/Berlin 0 3 * * *"', ""),
        ('cron: "0 0 31 2 *"', ""),
        ('cron: "nonsense"', ""),
        ('every: 1h, cron: "0 0 * * *"', ""),
        ("every: -1h", ""),
    ],
)
async def test_schedules_that_the_server_refuses_are_invalid(
    real: InfluxClient, site: Site, schedule: str, words: str
) -> None:
    """Whatever status it answers (500 for some): trying again does not help."""
    with pytest.raises(Invalid, match=words or None):
        await real.create_task(site.org_id, script(schedule=schedule), "")
    made = await real.create_task(site.org_id, script(), "")
    with pytest.raises(Invalid, match=words or None):
        await real.update_task(made.id, status=TaskStatus.ACTIVE, flux=script(schedule=schedule))


async def test_an_unknown_organization(real: InfluxClient) -> None:
    """The server says ``unauthorized`` for one that is not there; nothing is created anywhere."""
    with pytest.raises((Forbidden, NotFound, Invalid)):
        await real.create_task("00000000000000ff", script(), "")
