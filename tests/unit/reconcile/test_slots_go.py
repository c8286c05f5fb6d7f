"""What status says of slots goes with the part of the spec that asked for it."""

from __future__ import annotations

from influxops.core.slot_book import SlotBook
from tests.support.desk import TASK, Desk


async def test_without_retry_and_catch_up_status_tells_of_no_slots() -> None:
    """At once, not with the next status that is written for another reason."""
    desk = Desk(retry={"limit": 1})
    task_id = await desk.start()
    desk.context.tasks[TASK].slots = SlotBook((task_id, "1h"), desk.wall)
    desk.change(description="other")
    await desk.settle()
    assert desk.told["slots"]["waiting"] == 0
    desk.change(retry=None)
    await desk.settle()
    assert "slots" not in desk.told
