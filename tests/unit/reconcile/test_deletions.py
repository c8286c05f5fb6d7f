"""An object that is deleted just when the operator does not know, or may not see, what became of its task."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.core.observed import Task
from influxops.core.outcome import Gone, Wait
from influxops.core.snapshot import Snapshot
from influxops.influx.errors import Unavailable
from tests.support.desk import SCRIPT, Desk

LOST = Unavailable("the answer is lost")


async def _lost_create(desk: Desk) -> None:
    """A task is made, and nobody hears of it."""
    await desk.sweep()
    desk.fake.fail_next("create_task", LOST, after_commit=True)
    await desk.visit()
    assert len(desk.fake.tasks) == 1


async def _deleted_while_dead(desk: Desk, told: dict[str, Any]) -> None:
    """Killed before the status was written, which still says this; deleted before the next start."""
    desk.told = told
    await desk.kill()
    desk.delete()
    assert isinstance(await desk.visit(), Gone)


@pytest.mark.parametrize("deletion", ["Delete", "Orphan"])
async def test_a_task_whose_creation_was_not_answered_is_not_left_with_our_mark(deletion: str) -> None:
    desk = Desk(deletion=deletion)
    await _lost_create(desk)
    desk.delete()
    assert isinstance(await desk.visit(), Gone)
    left = [task.flux for task in desk.fake.tasks.values()]
    assert len(left) == (deletion == "Orphan")
    assert not any("influxops" in flux.partition("\n")[0] for flux in left)


@pytest.mark.parametrize("deleted", [True, False])
async def test_what_a_look_finds_counts_although_a_sweep_ends_meanwhile(deleted: bool) -> None:
    """The sweep had read the tasks before there was one; the look by name begins before it ends."""
    desk = Desk()
    await desk.sweep()
    swept = Snapshot(desk.clock + 0.05, desk.link.org_id)
    desk.fake.fail_next("create_task", LOST, after_commit=True)
    await desk.visit()
    look = desk.fake.find_tasks

    async def find_tasks(org_id: str, name: str) -> list[Task]:
        found = await look(org_id, name)
        swept.carry_over(desk.link.snapshot)
        desk.link.snapshot = swept
        return found

    desk.fake.find_tasks = find_tasks  # type: ignore[method-assign]
    if deleted:
        desk.delete()
    else:
        desk.change(description="another")
    await desk.visit()
    assert len(desk.fake.tasks) == (not deleted)


async def test_a_successor_of_which_status_does_not_tell_is_deleted() -> None:
    """The task was deleted by hand, the script was edited, and the creation of the next one was not answered."""
    desk = Desk()
    await desk.start()
    desk.fake.tasks.clear()
    await desk.sweep()
    desk.script(SCRIPT + "\n")
    desk.fake.fail_next("create_task", LOST, after_commit=True)
    await desk.visit()
    desk.delete()
    assert isinstance(await desk.visit(), Gone)
    assert desk.fake.tasks == {}


async def test_so_it_is_after_a_kill_before_the_status_is_written() -> None:
    desk = Desk()
    await desk.start()
    desk.fake.tasks.clear()
    await desk.sweep()
    desk.script(SCRIPT + "\n")
    told = dict(desk.told)
    await desk.visit()
    await _deleted_while_dead(desk, told)
    assert desk.fake.tasks == {}


async def test_so_it_is_when_it_was_recreated_and_edited() -> None:
    """Status still names the task before, with another script."""
    desk = Desk()
    old = await desk.start()
    desk.annotate("recreate", old)
    await desk.until("activate")
    desk.script(SCRIPT + "\n")
    told = dict(desk.told)
    while desk.recorder.steps[-1] != "update":
        await desk.visit()
    await _deleted_while_dead(desk, told)
    assert desk.fake.tasks == {}


async def test_somebody_elses_edited_copy_stays_when_the_task_is_gone() -> None:
    """It bears our mark, and what is behind it is theirs."""
    desk = Desk()
    task = await desk.start()
    await desk.fake.create_task(desk.link.org_id, desk.fake.tasks[task].flux + "// theirs", "")
    del desk.fake.tasks[task]
    await desk.sweep()
    desk.delete()
    assert isinstance(await desk.visit(), Gone)
    assert len(desk.fake.tasks) == 1


async def test_a_task_that_the_token_may_not_read_is_not_taken_for_gone() -> None:
    """The list leaves it out; its id is asked for, and the object waits."""
    desk = Desk()
    task = await desk.start()
    desk.fake.lacking = {"read:tasks"}
    await desk.sweep()
    assert desk.link.snapshot.tasks == {}
    desk.delete()
    outcome: Any = await desk.visit()
    assert isinstance(outcome, Wait)
    assert "cannot be deleted now" in outcome.message
    desk.fake.lacking = set()
    assert isinstance(await desk.visit(), Gone)
    assert task not in desk.fake.tasks
