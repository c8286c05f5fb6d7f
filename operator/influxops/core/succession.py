"""Putting a new task in an old one's place: a task runs with the rights of the user that created it, and no PATCH changes that.

Both tasks carry our mark, and while the change is under way the mark names the other one. So every state tells by itself
what is left to do, whoever looks at it, and the two are never taken for doubles or copies:

1. the old one runs; the new one ``replaces`` it, parked: active, with a schedule that never comes
2. the same, and the new one holds the whole script and is inactive
3. the old one is inactive and ``replaced-by`` the new one
4. the new one runs and carries the ordinary mark; the old one is deleted

Until 3 the old one can stay: the new one is deleted again when nobody wants it any more. From 3 on it goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.desired import DesiredTask
from influxops.core.flux.quote import quote_string
from influxops.core.marker import read_script, sha256, stamp_script
from influxops.core.observed import TaskRecord, TaskStatus
from influxops.core.plan import RecreateTask, Step
from influxops.core.schedule import Schedule

PARKED = "100y"
"""A schedule that InfluxDB takes and that never comes."""
MARGIN = timedelta(seconds=3)
"""No slot is begun so near to the moment at which the new task takes over."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which task is to be replaced, and whose the new one will be."""

    task_id: str = ""
    user: str = ""
    """Id of the token's user; empty when it is not known."""


def stub_script(desired: DesiredTask, old_id: str) -> str:
    """The script of the new task at first: the name, and nothing that could ever be done."""
    body = f"option task = {{name: {quote_string(desired.name)}, every: {PARKED}}}\n"
    return stamp_script(desired.owner, desired.uid, body, replaces=old_id)


def filled_script(desired: DesiredTask, old_id: str) -> str:
    """The whole script, still marked as one that replaces."""
    return stamp_script(desired.owner, desired.uid, read_script(desired.script)[1], replaces=old_id)


def is_inert(task: TaskRecord) -> bool:
    """True for a task that replaces, as we left it: it does not run, so it may be deleted."""
    return task.intact and (task.status is TaskStatus.INACTIVE or task.every == PARKED)


def next_step(desired: DesiredTask, old: TaskRecord, new: TaskRecord | None, wish: Wish) -> RecreateTask | None:
    """What to do while the old task runs. None: the new one is of no use, and has to go first."""

    def step(which: Step, new_id: str = "") -> RecreateTask:
        return RecreateTask(old.id, which, new_id, old.owner_id, wish.user)

    if new is None:
        return step(Step.CREATE)
    if wish.user and new.owner_id != wish.user:
        return None
    if new.digest == sha256(stub_script(desired, old.id)):
        return step(Step.FILL, new.id)
    if new.digest == sha256(filled_script(desired, old.id)) and new.status is TaskStatus.INACTIVE:
        return step(Step.RETIRE, new.id)
    return None


def seconds_to_a_gap(schedule: Schedule | None, now: datetime) -> float:
    """Seconds until no slot lies between its time and the start of its run, so that none is lost; 0: now is such a moment.

    A task that is switched on begins with the first slot after that. Where the slots leave no gap, now is as good as ever.
    """
    around = _around(schedule, now - MARGIN)
    if schedule is None or around is None or now < around[0]:
        return 0.0
    following = _around(schedule, around[1])
    if following is not None and following[0] <= around[1]:
        return 0.0
    return max(0.0, (around[1] - now).total_seconds())


def _around(schedule: Schedule | None, moment: datetime) -> tuple[datetime, datetime] | None:
    """From when to when nothing may be switched for the sake of the first slot that is not over at a moment.

    With a negative offset the run starts before its slot, and a task that is switched on between the two runs it again.
    """
    if schedule is None:
        return None
    slot = schedule.slot_after(moment - timedelta(seconds=max(0, schedule.offset)))
    if slot is None:
        return None
    start = slot + timedelta(seconds=schedule.offset)
    return min(slot, start) - MARGIN, max(slot, start) + MARGIN
