"""What happens between the two steps of a takeover that changes the schedule: the task is ours from the first one on, and never left off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from influxops.core.marker import Owner
from influxops.core.observed import TaskStatus
from influxops.core.outcome import Gone, Reason, Stalled, Wait
from influxops.core.record import pack
from influxops.influx.errors import Unavailable
from influxops.reconcile.context import Problem
from influxops.reconcile.visit import visit
from tests.support.desk import SCRIPT, Desk
from tests.unit.reconcile.test_takeovers import OTHER, both, by_hand, slow

WAYS = [{"importID": "legacy"}, {"name": "legacy", "adoption": "Adopt"}]


async def paused(way: dict[str, str], **spec: str) -> tuple[Desk, str]:
    """A desk whose object has begun to take a task by hand over, and that task's id."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(**{name: task if name == "importID" else text for name, text in way.items()}, **spec)
    await desk.sweep()
    await desk.visit()
    assert desk.recorder.steps == ["park"]
    return desk, task


def drop(desk: Desk, field: str) -> None:
    """Take a field out of the spec."""
    body = {name: value for name, value in desk.record.spec().items() if name != field}
    desk._put(packed_spec=pack(body), generation=desk.record.generation + 1)


def suspend(desk: Desk) -> None:
    """Suspend the connection."""
    desk.link.spec = desk.link.spec.model_copy(update={"suspend": True})
    desk.link.problem = Problem(Reason.SUSPENDED, "suspended")


async def ended(desk: Desk) -> None:
    """Delete the object, and see it go."""
    desk.delete()
    for _ in range(5):
        if isinstance(await desk.visit(), Gone):
            return
    raise AssertionError("the object does not go")


@pytest.mark.parametrize("way", WAYS, ids=["import", "adopt"])
async def test_the_first_step_says_whose_it_is_and_the_second_switches_it_on(way: dict[str, str]) -> None:
    desk, task = await paused(way)
    stored = desk.fake.tasks[task]
    assert (stored.status, stored.every) == (TaskStatus.INACTIVE, "1h")
    assert len(desk.link.snapshot.marked(Owner.of("c1", desk.record.key))) == 1
    await desk.settle()
    assert desk.recorder.steps == ["park", "update"]
    assert desk.fake.tasks == {
        task: replace(stored, status=TaskStatus.ACTIVE, updated_at=desk.fake.tasks[task].updated_at)
    }
    assert desk.ready() == ("True", "Synced")
    assert desk.told["taskID"] == task


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=["import", "adopt"])
async def test_an_object_that_is_deleted_in_between_takes_the_task_with_it(way: dict[str, str], killed: bool) -> None:
    """As any task that was taken over."""
    desk, _ = await paused(way)
    if killed:
        await desk.kill()
    await ended(desk)
    assert desk.fake.tasks == {}


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=["import", "adopt"])
async def test_a_task_that_is_let_go_of_in_between_runs(way: dict[str, str], killed: bool) -> None:
    desk, task = await paused(way, deletion="Orphan")
    if killed:
        await desk.kill()
    await ended(desk)
    assert desk.running() == [task]
    assert "influxops" not in desk.fake.tasks[task].flux


@pytest.mark.parametrize("killed", [False, True])
async def test_a_task_that_is_not_to_run_is_let_go_of_as_it_is(killed: bool) -> None:
    desk, task = await paused(WAYS[0], deletion="Orphan")
    desk.change(suspend=True)
    if killed:
        await desk.kill()
    await ended(desk)
    assert desk.fake.tasks[task].status is TaskStatus.INACTIVE


@pytest.mark.parametrize("killed", [False, True])
async def test_a_task_that_somebody_has_switched_off_is_let_go_of_as_it_is(killed: bool) -> None:
    """Where nobody has agreed to switch it on again."""
    desk = Desk(deletion="Orphan", approval="Manual")
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    await desk.sweep()
    await desk.settle()
    desk.annotate("approve", desk.told["plan"]["hash"])
    await desk.settle()
    assert desk.running() == [task]
    await desk.fake.update_task(task, status=TaskStatus.INACTIVE)
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    if killed:
        await desk.kill()
    await ended(desk)
    assert desk.fake.tasks[task].status is TaskStatus.INACTIVE


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(("way", "field"), [(WAYS[0], "importID"), (WAYS[1], "adoption")], ids=["import", "adopt"])
async def test_who_takes_the_wish_back_in_between_has_a_task_that_runs(
    way: dict[str, str], field: str, killed: bool
) -> None:
    """It is taken over by then."""
    desk, task = await paused(way)
    if killed:
        await desk.kill()
    drop(desk, field)
    await desk.settle()
    assert desk.running() == [task]
    assert list(desk.fake.tasks) == [task]
    assert desk.ready() == ("True", "Synced")


async def test_another_schedule_in_between_is_what_it_gets() -> None:
    desk, task = await paused(WAYS[0])
    desk.change(every="3h")
    await desk.settle()
    assert desk.running() == [task]
    assert desk.fake.tasks[task].every == "3h"


@pytest.mark.parametrize("committed", [False, True])
async def test_an_answer_that_is_lost_costs_nothing(committed: bool) -> None:
    """Whether or not the first step came through."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    await desk.sweep()
    act = desk.fake.update_task

    async def update_task(*args, **fields):  # type: ignore[no-untyped-def]
        if committed:
            await act(*args, **fields)
        raise Unavailable("no answer")

    desk.fake.update_task = update_task  # type: ignore[method-assign]
    assert isinstance(await desk.visit(), Wait)
    desk.fake.update_task = act  # type: ignore[method-assign]
    await desk.settle()
    assert desk.running() == [task]
    assert list(desk.fake.tasks) == [task]
    assert desk.ready() == ("True", "Synced")


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("way", WAYS, ids=["import", "adopt"])
async def test_one_approval_is_enough_for_both_steps(way: dict[str, str], killed: bool) -> None:
    """Also when the operator is killed between them."""
    desk = Desk(approval="Manual")
    task = await by_hand(desk, "2h")
    before = desk.fake.tasks[task]
    desk.change(**{name: task if name == "importID" else text for name, text in way.items()})
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    assert desk.fake.tasks == {task: before}
    desk.annotate("approve", desk.told["plan"]["hash"])
    await desk.visit()
    assert desk.recorder.steps[-1] == "park"
    if killed:
        await desk.kill()
    await desk.settle()
    assert desk.running() == [task]
    assert desk.ready() == ("True", "Synced")
    assert "plan" not in desk.told


async def test_what_is_wished_after_the_approval_waits_for_another() -> None:
    desk = Desk(approval="Manual")
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    await desk.sweep()
    await desk.settle()
    desk.annotate("approve", desk.told["plan"]["hash"])
    await desk.visit()
    desk.change(every="3h")
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    assert desk.fake.tasks[task].every == "1h"


async def test_of_two_that_want_it_the_one_that_goes_away_empty_has_nothing_half_done() -> None:
    """While the connection is suspended, nothing is created for it."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    desk.cache.upsert(replace(desk.record, key=OTHER, uid="u2"))
    await desk.sweep()
    slow(desk)
    outcomes = await both(desk)
    loser = OTHER if isinstance(outcomes[1], Stalled) else desk.record.key
    assert not desk.context.tasks[loser].parked_step
    suspend(desk)
    body = {name: value for name, value in desk.record.spec().items() if name != "importID"}
    record = desk.cache.get(loser)
    assert record is not None
    desk.cache.upsert(replace(record, packed_spec=pack(body), generation=9))
    await visit(desk.context, loser)
    assert list(desk.fake.tasks) == [task]


@pytest.mark.parametrize("stranger", [False, True])
@pytest.mark.parametrize("marked", [False, True])
async def test_what_was_paused_and_is_another_s_or_gone_is_not_half_done_any_more(marked: bool, stranger: bool) -> None:
    """Through a suspended connection nothing else is done than to end what was begun."""
    desk = Desk(name="wanted")
    task = await desk.start()
    desk.change(every="2h")
    await desk.visit()
    assert desk.recorder.steps[-1] == "park"
    stored = desk.fake.tasks[task]
    await desk.fake.delete_task(task)
    if marked:  # as if another installation had written its mark upon it
        desk.fake.tasks[task] = replace(stored, flux=stored.flux.replace("owner=c1/", "owner=c2/"))
    if stranger:
        await desk.fake.create_task(desk.link.org_id, f'option task = {{name: "wanted", every: 1h}}\n\n{SCRIPT}', "")
    await desk.sweep()
    before = dict(desk.fake.tasks)
    suspend(desk)
    outcome = await desk.settle()
    assert desk.fake.tasks == before
    assert isinstance(outcome, Wait)
    assert outcome.reason is Reason.SUSPENDED
    assert not desk.context.tasks[desk.record.key].parked_step


async def test_a_paused_task_of_ours_is_finished_through_a_suspended_connection() -> None:
    """Taken over or not."""
    desk, task = await paused(WAYS[0])
    suspend(desk)
    await desk.settle()
    assert desk.running() == [task]


@pytest.mark.parametrize("killed", [False, True])
async def test_a_task_that_takes_the_place_of_one_that_was_deleted_is_not_left_off(killed: bool) -> None:
    """Ours was deleted by hand, and somebody has made another one of its name; it is told of as taken over, and as drift once."""
    desk = Desk(name="legacy", adoption="Adopt", deletion="Orphan")
    desk.fake.tasks.pop(await desk.start())
    task = await by_hand(desk, "2h")
    await desk.sweep()
    told = len(desk.recorder.steps)
    await desk.visit()
    assert "park" in desk.recorder.steps[told:]
    assert desk.fake.tasks[task].status is TaskStatus.INACTIVE
    if killed:
        await desk.kill()
    await ended(desk)
    assert desk.running() == [task]
