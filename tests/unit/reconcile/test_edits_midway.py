"""What somebody edits, or what a sweep sees, between two steps of ours: ours is not taken for theirs, nor theirs for ours."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.core.observed import TaskStatus
from tests.support.desk import Desk


async def test_a_task_that_we_have_paused_has_not_drifted() -> None:
    """Another schedule pauses the task first; nobody is told that it was changed in InfluxDB."""
    desk = Desk()
    task = await desk.start()
    desk.change(every="2h")
    await desk.until("park")
    assert desk.fake.tasks[task].status is TaskStatus.INACTIVE
    await desk.sweep()
    await desk.settle()
    assert desk.recorder.drifts == 0
    assert (desk.fake.tasks[task].status, desk.fake.tasks[task].every) == (TaskStatus.ACTIVE, "2h")
    assert desk.ready() == ("True", "Synced")


async def test_a_task_that_somebody_has_rescheduled_has() -> None:
    """It is told of once, although setting it back takes two requests and a sweep comes between them."""
    desk = Desk()
    task = await desk.start()
    stored = desk.fake.tasks[task]
    desk.fake.tasks[task] = replace(stored, flux=stored.flux.replace("1h", "3h"), every="3h")
    await desk.sweep()
    await desk.until("park")
    await desk.sweep()
    await desk.settle()
    assert desk.recorder.drifts == 1
    mended = desk.fake.tasks[task]
    assert (mended.flux, mended.every, mended.status) == (stored.flux, "1h", TaskStatus.ACTIVE)


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_double_that_somebody_has_made_their_own_stays(deleted: bool) -> None:
    """A copy of the task was taken for our double at the sweep; it is edited before it is to go, and has no mark any more."""
    desk = Desk()
    task = await desk.start()
    copy = (await desk.fake.create_task(desk.link.org_id, desk.fake.tasks[task].flux, "")).id
    await desk.sweep()
    theirs = desk.fake.tasks[copy].flux.partition("\n")[2] + "// mine now\n"
    desk.fake.tasks[copy] = replace(desk.fake.tasks[copy], flux=theirs)
    if deleted:
        desk.delete()
    await desk.settle()
    assert desk.fake.tasks[copy].flux == theirs
    assert (task in desk.fake.tasks) is not deleted


async def test_a_double_that_nobody_has_touched_goes() -> None:
    desk = Desk()
    task = await desk.start()
    await desk.fake.create_task(desk.link.org_id, desk.fake.tasks[task].flux, desk.fake.tasks[task].description)
    await desk.sweep()
    await desk.settle()
    assert list(desk.fake.tasks) == [task]
