"""What happens in the middle of a recreation, or of an approval: one task is left, it is ours, and it runs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from influxops.core.observed import RunState, User
from influxops.core.outcome import Done, Gone, Reason, Wait
from influxops.reconcile.context import Problem
from tests.support.desk import SCRIPT, Desk

OTHER = User("000000000000b001", "second")


async def test_a_copy_by_hand_is_not_taken_for_the_task() -> None:
    desk = Desk()
    old = await desk.start()
    copy = (await desk.fake.create_task(desk.link.org_id, desk.fake.tasks[old].flux, "")).id
    desk.script(SCRIPT + "\n")
    await desk.settle()
    await desk.sweep()
    copied = desk.fake.tasks[copy].flux
    desk.fake.user = desk.link.user = OTHER
    desk.annotate("recreate", old)
    await desk.settle()
    assert desk.fake.tasks[copy].flux == copied
    assert old not in desk.fake.tasks
    new = desk.told["taskID"]
    assert new not in {old, copy}
    assert sorted(desk.running()) == sorted([copy, new])
    assert desk.fake.tasks[new].owner_id == OTHER.id


@pytest.mark.parametrize("killed", [False, True])
async def test_a_script_that_breaks_between_the_two_leaves_one_that_runs(killed: bool) -> None:
    desk = Desk()
    old = await desk.start()
    desk.annotate("recreate", old)
    await desk.until("retire")
    assert desk.running() == []
    desk.script("from(bucket", error=("expected RPAREN", 1, 5))
    if killed:
        await desk.kill()
    await desk.settle()
    assert len(desk.running()) == 1
    assert desk.ready() == ("False", "InvalidScript")


@pytest.mark.parametrize("stale", [False, True])
async def test_let_go_of_after_a_kill_one_task_runs(stale: bool) -> None:
    """The spec changes and the annotation comes at once; killed behind the switch, the status knows nothing of it."""
    desk = Desk(deletion="Orphan")
    old = await desk.start()
    if stale:
        desk.script(SCRIPT + "\n")
    desk.annotate("recreate", old)
    await desk.until("activate")
    await desk.kill()
    desk.delete()
    assert isinstance(await desk.visit(), Gone)
    assert len(desk.fake.tasks) == len(desk.running()) == 1
    assert "influxops" not in next(iter(desk.fake.tasks.values())).flux.split("\n")[0]


async def test_an_approval_counts_when_the_turn_comes() -> None:
    desk = Desk(approval="Manual")
    await desk.sweep()
    await desk.settle()
    desk.annotate("approve", desk.told["plan"]["hash"])
    await desk.settle()
    old = next(iter(desk.fake.tasks))
    desk.annotate("recreate", old)
    await desk.settle()
    desk.wall = datetime(2026, 1, 1, 12, 59, 58, tzinfo=UTC)
    desk.annotate("approve", desk.told["plan"]["hash"])
    later = await desk.visit()
    assert isinstance(later, Done)
    assert later.after is not None
    assert "recreated after its next run" in later.message
    await desk.visit(later.after + 0.1)
    await desk.settle()
    assert old not in desk.fake.tasks
    assert len(desk.running()) == 1


async def test_our_own_leftover_is_no_drift() -> None:
    """The token becomes another user's when the stub is there: it goes, and the recreation begins anew."""
    desk = Desk(drift="Warn")
    old = await desk.start()
    desk.annotate("recreate", old)
    await desk.visit()
    assert len(desk.fake.tasks) == 2
    desk.fake.user = desk.link.user = OTHER
    await desk.settle()
    (task,) = desk.fake.tasks.values()
    assert task.owner_id == OTHER.id
    assert desk.ready() == ("True", "Synced")


async def test_a_plan_that_waits_says_so_again_after_an_outage() -> None:
    desk = Desk(approval="Manual")
    await desk.sweep()
    await desk.settle()
    desk.link.problem = Problem(Reason.CONNECTION_NOT_READY, "no answer")
    await desk.visit()
    assert desk.ready() == ("Unknown", "ConnectionNotReady")
    desk.link.problem = None
    await desk.sweep()
    await desk.visit(30)
    assert desk.ready() == ("False", "PlanPending")


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
async def test_a_plan_in_the_middle_writes_nothing(steps: int) -> None:
    desk = Desk()
    old = await desk.start()
    desk.annotate("recreate", old)
    for _ in range(steps):
        await desk.visit()
    before = dict(desk.fake.tasks)
    outcome = await desk.plan()
    assert isinstance(outcome, Wait)
    assert outcome.reason is Reason.PLAN_PENDING
    assert desk.fake.tasks == before


async def test_the_old_task_waits_for_the_end_of_its_run() -> None:
    desk = Desk()
    old = await desk.start()
    desk.annotate("recreate", old)
    run = await desk.fake.start_run(old, desk.wall)
    assert run.state is RunState.SCHEDULED
    await desk.until("activate")
    waits = await desk.visit()
    assert isinstance(waits, Wait)
    assert "goes when the run is over" in waits.message
    assert old in desk.fake.tasks
    await desk.visit(901)
    assert old not in desk.fake.tasks


async def test_one_that_is_stuck_lets_the_next_begin() -> None:
    desk = Desk()
    old = await desk.start()
    desk.annotate("recreate", old)
    await desk.visit()
    assert desk.link.recreating is not None
    desk.change(every="soon")
    await desk.visit()
    assert desk.link.recreating is None
