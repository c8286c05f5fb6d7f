"""Changing the schedule of a task that runs, on a real influxd: two requests, and nothing of the past is run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from influxops.core.observed import TaskStatus
from influxops.influx.client import InfluxClient
from tests.contract.test_tasks import script
from tests.support.influx_admin import Admin, Site
from tests.support.until import until_async

SECOND = "every: 1s"


@pytest.mark.parametrize("first", ["pause", "pause with the script"])
async def test_a_task_that_is_paused_first_runs_nothing_of_the_past(
    real: InfluxClient, site: Site, admin: Admin, first: str
) -> None:
    """Whichever of the two requests brings the script: the first slot is one after the task was switched on."""
    made = await real.create_task(site.org_id, script(), "")
    await asyncio.sleep(3)  # slots of the new schedule that might be fired
    early, late = (script(schedule=SECOND), None) if first != "pause" else (None, script(schedule=SECOND))
    paused = await real.update_task(made.id, status=TaskStatus.INACTIVE, flux=early)
    assert (paused.status, paused.every) == (TaskStatus.INACTIVE, "1s" if early else "1h")
    await asyncio.sleep(3)
    assert await real.list_runs(made.id, 10) == []
    switched_on = datetime.now(UTC).replace(microsecond=0)
    await real.update_task(made.id, status=TaskStatus.ACTIVE, flux=late)
    completed = (await admin.call("GET", f"tasks/{made.id}"))["latestCompleted"]
    assert datetime.fromisoformat(completed) >= switched_on

    async def three() -> bool:
        return len(await real.list_runs(made.id, 100)) >= 3

    await until_async(three, seconds=30)
    slots = [run.scheduled_for for run in await real.list_runs(made.id, 100)]
    assert min(slots) > switched_on
    assert len(set(slots)) == len(slots)


async def test_a_task_that_runs_stops_at_once_when_it_is_paused_with_another_script(
    real: InfluxClient, site: Site
) -> None:
    """By the former schedule, and by the new one."""
    made = await real.create_task(site.org_id, script(schedule=SECOND), "")

    async def one() -> bool:
        return bool(await real.list_runs(made.id, 100))

    await until_async(one, seconds=30)
    await real.update_task(made.id, status=TaskStatus.INACTIVE, flux=script(schedule="every: 2s"))
    paused = datetime.now(UTC)
    await asyncio.sleep(4)
    assert max(run.scheduled_for for run in await real.list_runs(made.id, 100)) <= paused
