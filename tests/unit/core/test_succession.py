"""One task in another's place: whatever happens between two steps, one task is left, and it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.desired import DesiredTask
from influxops.core.flux.render import Rendered
from influxops.core.marker import Owner, read_script, sha256, stamp_script
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.ownership import Claim
from influxops.core.ownership import match as find
from influxops.core.plan import Action, CreateTask, DeleteTask, Plan, RecreateTask, Step, UpdateTask
from influxops.core.schedule import Schedule, of_texts
from influxops.core.succession import Wish, filled_script, seconds_to_a_gap, stub_script
from influxops.core.task_plan import plan_task

OWNER = Owner("c1", "InfluxTask", "ns", "cpu")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, ME = "0000000000000001", "me"
SCRIPT = stamp_script(OWNER, "u1", 'option task = {name: "ns/cpu", every: 1h}\nx = 1')
WISH = Wish(OLD, ME)


def wanted(script: str = SCRIPT, status: TaskStatus = TaskStatus.ACTIVE) -> DesiredTask:
    rendered = Rendered.__new__(Rendered)
    return DesiredTask(
        OWNER, "u1", "ns/cpu", script, sha256(script), status, "", Schedule(3600, None), "1h", rendered, 1, frozenset()
    )


class World:
    """An InfluxDB that holds tasks, and a status that may lag behind."""

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.task_id = OLD
        self.deleted: list[str] = []
        self.put(OLD, SCRIPT, TaskStatus.ACTIVE, "another user")

    def put(self, task_id: str, flux: str, status: TaskStatus, owner: str = ME) -> None:
        every = "100y" if "100y" in flux else "1h"
        self.tasks[task_id] = Task(task_id, "o", owner, "ns/cpu", status, "", flux, every, "", "", NOW, NOW)

    def edit(self, task_id: str, flux: str, status: TaskStatus) -> None:
        self.tasks[task_id] = replace(self.tasks[task_id], flux=flux, status=status, every="1h")

    def plan(self, desired: DesiredTask, wish: Wish = WISH) -> Plan:
        records = [TaskRecord.of(task) for task in self.tasks.values()]
        claim = Claim(OWNER, "u1", self.task_id, "ns/cpu", frozenset({desired.digest, sha256(SCRIPT)}))
        by_id = next((task for task in records if task.id == self.task_id), None)
        marked = [task for task in records if task.marker is not None]
        return plan_task(desired, find(claim, marked, by_id, records), wish)

    def do(self, action: Action, desired: DesiredTask) -> None:
        match action:
            case RecreateTask(step=Step.CREATE):
                self.put(f"{len(self.deleted) + 2:016d}", stub_script(desired, action.task_id), TaskStatus.ACTIVE)
            case RecreateTask(step=Step.FILL):
                self.edit(action.new_id, filled_script(desired, action.task_id), TaskStatus.INACTIVE)
            case RecreateTask(step=Step.RETIRE):
                body = read_script(self.tasks[OLD].flux)[1]
                self.edit(OLD, stamp_script(OWNER, "u1", body, replaced_by=action.new_id), TaskStatus.INACTIVE)
            case RecreateTask(step=Step.ACTIVATE):
                body = read_script(self.tasks[action.new_id].flux)[1]
                self.edit(action.new_id, stamp_script(OWNER, "u1", body), desired.status)
            case DeleteTask(task_id=task_id):
                del self.tasks[task_id]
                self.deleted.append(task_id)
            case UpdateTask(task_id=task_id):
                self.edit(task_id, desired.script, desired.status)
            case CreateTask():
                self.put("000000000000000c", desired.script, TaskStatus.ACTIVE)
            case _:
                raise AssertionError(action)
        running = [task for task in self.tasks.values() if task.status is TaskStatus.ACTIVE and task.every != "100y"]
        assert len(running) <= 1, "two tasks run"

    def settle(self, desired: DesiredTask, wish: Wish = WISH, steps: int = 12) -> list[Action]:
        done = []
        while plan := self.plan(desired, wish).actions:
            assert len(done) < steps, done
            self.do(plan[0], desired)
            done.append(plan[0])
        return done


def after(steps: int) -> World:
    """The world after so many steps, with the status of before the first."""
    world = World()
    for _ in range(steps):
        world.do(world.plan(wanted()).actions[0], wanted())
    return world


def test_the_steps() -> None:
    """Parked, filled, the old one off, the new one on, the old one gone; and it is done once."""
    world = World()
    done = world.settle(wanted())
    assert [action.step for action in done if isinstance(action, RecreateTask)] == list(Step)
    assert isinstance(done[-1], DeleteTask)
    assert world.deleted == [OLD]
    (task,) = world.tasks.values()
    assert (task.flux, task.status, task.owner_id) == (SCRIPT, TaskStatus.ACTIVE, ME)
    world.task_id = task.id
    assert not world.plan(wanted()).actions


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("wish", [WISH, Wish()], ids=["wanted", "withdrawn"])
def test_from_every_state_one_task_is_left_and_runs(steps: int, wish: Wish) -> None:
    """Also when the wish is withdrawn: before the switch the new one goes, after it the old one."""
    world = after(steps)
    world.settle(wanted(), wish)
    (task,) = world.tasks.values()
    assert (task.flux, task.status) == (SCRIPT, TaskStatus.ACTIVE)
    replaced = task.id != OLD
    assert replaced == (steps > 2 or wish is WISH)


@pytest.mark.parametrize("steps", range(6))
def test_a_spec_that_changes_meanwhile_is_stored(steps: int) -> None:
    """The change is made, and the replacement too."""
    other = wanted(stamp_script(OWNER, "u1", 'option task = {name: "ns/cpu", every: 1h}\nx = 2'))
    world = after(steps)
    world.settle(other)
    (task,) = world.tasks.values()
    assert (task.flux, task.status) == (other.script, TaskStatus.ACTIVE)
    assert task.id != OLD


@pytest.mark.parametrize("steps", range(6))
def test_suspended_meanwhile_is_suspended(steps: int) -> None:
    """Nothing is begun while the task is suspended; what is begun is ended."""
    world = after(steps)
    world.settle(wanted(status=TaskStatus.INACTIVE))
    (task,) = world.tasks.values()
    assert (task.flux, task.status) == (SCRIPT, TaskStatus.INACTIVE)


@pytest.mark.parametrize("steps", range(1, 5))
@pytest.mark.parametrize("victim", ["old", "new"])
def test_a_task_deleted_by_hand_meanwhile_leaves_one_that_runs(steps: int, victim: str) -> None:
    """Whichever of the two it was."""
    world = after(steps)
    new = next(task_id for task_id in world.tasks if task_id != OLD)
    del world.tasks[OLD if victim == "old" else new]
    world.deleted.append("by hand")
    world.settle(wanted())
    (task,) = world.tasks.values()
    assert (task.flux, task.status) == (SCRIPT, TaskStatus.ACTIVE)


def test_a_new_task_of_the_wrong_user_is_no_help() -> None:
    """The token has changed meanwhile: that one goes, and another is made."""
    world = after(1)
    new = next(task_id for task_id in world.tasks if task_id != OLD)
    (first, *_) = world.plan(wanted(), Wish(OLD, "a third user")).actions
    assert isinstance(first, DeleteTask)
    assert first.task_id == new


def test_what_somebody_has_edited_is_left_alone() -> None:
    """A parked task that was changed by hand is somebody's."""
    world = after(2)
    new = next(task_id for task_id in world.tasks if task_id != OLD)
    world.edit(new, world.tasks[new].flux + "y = 2", TaskStatus.ACTIVE)
    plan = world.plan(wanted())
    assert [refusal.reason for refusal in plan.warnings] == ["CopiedMarker"]
    assert all(getattr(action, "task_id", "") != new for action in plan.actions)


@pytest.mark.parametrize(
    ("texts", "now", "seconds"),
    [
        (("1h", "", ""), "12:30:00", 0),
        (("1h", "", ""), "12:59:58", 5),
        (("1h", "", ""), "13:00:01", 2),
        (("1h", "", "10m"), "13:04:00", 363),
        (("1h", "", "10m"), "13:10:04", 0),
        (("1h", "", "59m59s"), "13:04:00", 0),  # the slots leave no gap
        (("2s", "", ""), "12:59:59", 0),
        (("", "0 13 * * *", "30m"), "13:10:00", 1203),
        (("1h", "", "-10m"), "12:55:00", 303),
        (("", "", ""), "13:00:00", 0),
    ],
)
def test_no_slot_is_lost_where_the_schedule_leaves_a_gap(texts: tuple[str, str, str], now: str, seconds: float) -> None:
    """From a slot to the start of its run nothing is switched."""
    moment = datetime.fromisoformat(f"2026-01-01T{now}+00:00")
    wait = seconds_to_a_gap(of_texts(*texts), moment)
    assert wait == seconds
    assert seconds_to_a_gap(of_texts(*texts), moment + timedelta(seconds=wait)) == 0
