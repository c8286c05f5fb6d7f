"""A ghost: an object that the operator takes for alive, or for being deleted, and that is gone. The next one of its name has the
same owner key, and nothing may be done to what is in InfluxDB in the name of the ghost.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.core.outcome import Gone
from influxops.core.record import pack
from influxops.kube.errors import NotFound
from tests.support.desk import SCRIPT, Desk


@pytest.mark.parametrize("deletion", ["Delete", "Orphan"])
async def test_in_the_name_of_a_ghost_nothing_is_deleted(deletion: str) -> None:
    """Its deletion was seen, its end was not: by now the task is the successor's."""
    desk = Desk(deletion=deletion)
    kept = await desk.start()
    flux = desk.fake.tasks[kept].flux
    desk.delete()
    desk.kube.ghost = True
    with pytest.raises(NotFound):
        await desk.visit()
    assert desk.fake.tasks[kept].flux == flux
    desk.kube.ghost = False
    assert isinstance(await desk.settle(), Gone)
    assert (kept in desk.fake.tasks) == (deletion == "Orphan")


@pytest.mark.parametrize("deletion", ["Delete", "Orphan"])
async def test_what_is_not_being_deleted_any_more_is_not_deleted(deletion: str) -> None:
    """etcd was set back to before the deletion, and no watch has told of it yet."""
    desk = Desk(deletion=deletion)
    kept = await desk.start()
    flux = desk.fake.tasks[kept].flux
    desk.delete()
    desk.kube.taken_back = True
    with pytest.raises(NotFound):
        await desk.visit()
    assert desk.fake.tasks[kept].flux == flux


async def test_in_the_name_of_a_ghost_nothing_is_made() -> None:
    """Its task has gone with it; making it again would leave an orphan."""
    desk = Desk()
    await desk.start()
    desk.fake.tasks.clear()
    await desk.sweep()
    desk.kube.ghost = True
    with pytest.raises(NotFound):
        await desk.settle()
    assert desk.fake.tasks == {}


async def test_a_ghost_does_not_take_over_what_its_successor_owns() -> None:
    """The task's mark names another uid: that one may be alive, and is asked for first."""
    desk = Desk()
    kept = await desk.start()
    flux = desk.fake.tasks[kept].flux
    desk.record = replace(desk.record, uid="u2", resource_version="2", packed_status=pack({}))
    desk.cache.upsert(desk.record)
    desk.kube.ghost = True
    with pytest.raises(NotFound):
        await desk.settle()
    assert desk.fake.tasks[kept].flux == flux
    desk.kube.ghost = False
    await desk.settle()
    assert "uid=u2" in desk.fake.tasks[kept].flux


async def test_a_change_of_its_own_task_costs_no_question() -> None:
    """The mark names this very object: ten thousand edits are not ten thousand reads more."""
    desk = Desk()
    kept = await desk.start()
    asked = desk.kube.asked
    desk.script(SCRIPT + "\n")
    await desk.settle()
    assert desk.fake.tasks[kept].flux.endswith("\n\n")
    assert desk.kube.asked == asked
