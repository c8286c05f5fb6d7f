"""A sweep sees a task in the middle of a change that takes two requests: what is ours is not taken for somebody's."""

from __future__ import annotations

from dataclasses import replace

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
