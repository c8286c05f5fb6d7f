"""Tasks that somebody made by hand, and who may take them over: whatever the last sweep knew, and however many want the same one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from influxops.core.keys import Key, Kind
from influxops.core.observed import TaskStatus
from influxops.core.outcome import Done, Outcome, Reason, Stalled
from influxops.core.record import pack
from influxops.influx.errors import Unavailable
from influxops.reconcile.visit import visit
from tests.support.desk import Desk, by_hand

OTHER = Key(Kind.TASK, "ns", "other")


def slow(desk: Desk) -> None:
    """From now on others go on while InfluxDB works at a request."""
    act = desk.fake._do

    async def do(*call):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        answer = await act(*call)
        await asyncio.sleep(0)
        return answer

    desk.fake._do = do  # type: ignore[method-assign]


def looks(desk: Desk) -> int:
    """How often tasks were looked for by their name."""
    return [method for method, _ in desk.fake.calls].count("find_tasks")


async def both(desk: Desk) -> list[Outcome]:
    """Visits to both objects side by side, until none follows at once."""

    async def settle(key: Key) -> Outcome:
        for _ in range(10):
            outcome = await visit(desk.context, key)
            if not getattr(outcome, "again", False):
                return outcome
        raise AssertionError(f"no end: {outcome}")

    return list(await asyncio.gather(settle(desk.record.key), settle(OTHER)))


@pytest.mark.parametrize("every", ["1h", "2h"])
async def test_of_two_that_want_the_same_task_at_once_one_has_it(every: str) -> None:
    """The other one says so, and nothing is created; also when the schedule changes, which takes two steps."""
    desk = Desk()
    task = await by_hand(desk, every)
    desk.change(importID=task)
    desk.cache.upsert(replace(desk.record, key=OTHER, uid="u2"))
    await desk.sweep()
    slow(desk)
    outcomes = await both(desk)
    assert [type(outcome) for outcome in sorted(outcomes, key=lambda one: isinstance(one, Stalled))] == [Done, Stalled]
    assert Reason.CONFLICT in [outcome.reason for outcome in outcomes if isinstance(outcome, Stalled)]
    for _ in range(2):  # and so it stays
        await desk.sweep()
        assert await both(desk) == outcomes
    assert list(desk.fake.tasks) == [task]
    assert desk.running() == [task]
    assert not desk.context._taking  # nothing is kept of what is over


async def test_a_takeover_that_is_cut_off_is_in_nobodys_way() -> None:
    """The visit is cancelled while InfluxDB is asked, or fails."""
    desk = Desk()
    task = await by_hand(desk)
    desk.change(importID=task)
    await desk.sweep()
    hang = asyncio.Event()
    act, asked = desk.fake.get_task, asyncio.Event()

    async def get_task(task_id: str):  # type: ignore[no-untyped-def]
        asked.set()
        await hang.wait()
        raise Unavailable("gone")

    desk.fake.get_task = get_task  # type: ignore[method-assign]
    first = asyncio.create_task(desk.visit())
    await asked.wait()
    assert len(desk.context._taking) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    hang.set()
    await desk.visit()
    desk.fake.get_task = act  # type: ignore[method-assign]
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert list(desk.fake.tasks) == [task]
    assert not desk.context._taking


@pytest.mark.parametrize("suspend", [False, True])
async def test_a_task_younger_than_the_last_sweep_is_taken_over(suspend: bool) -> None:
    """As if the sweep had seen it, also when it is not to run any more."""
    desk = Desk()
    await desk.sweep()
    task = await by_hand(desk)
    desk.change(name="legacy", adoption="Adopt", suspend=suspend)
    await desk.settle()
    assert desk.recorder.steps == ["update"]
    assert list(desk.fake.tasks) == [task]
    assert desk.running() == ([] if suspend else [task])


async def test_a_task_younger_than_the_last_sweep_is_in_the_way() -> None:
    """Without leave to take it over nothing is created beside it, and it stays as it is."""
    desk = Desk()
    await desk.sweep()
    task = await by_hand(desk)
    before = desk.fake.tasks[task]
    desk.change(name="legacy")
    outcome = await desk.settle()
    assert isinstance(outcome, Stalled)
    assert outcome.reason is Reason.ALREADY_EXISTS
    assert task in outcome.message
    assert desk.fake.tasks == {task: before}


async def test_which_of_two_is_not_guessed_when_the_last_sweep_saw_one() -> None:
    """The second one is younger."""
    desk = Desk()
    first = await by_hand(desk)
    await desk.sweep()
    second = await by_hand(desk)
    before = dict(desk.fake.tasks)
    desk.change(name="legacy", adoption="Adopt")
    outcome = await desk.settle()
    assert isinstance(outcome, Stalled)
    assert first in outcome.message
    assert second in outcome.message
    assert desk.fake.tasks == before


async def test_a_sweep_that_reads_only_our_own_tasks_tells_nothing_of_others() -> None:
    desk = Desk(name="legacy", adoption="Adopt")
    task = await by_hand(desk)
    await desk.sweep()
    desk.link.snapshot.drop_task(task)
    desk.link.snapshot.complete = False
    await desk.settle()
    assert list(desk.fake.tasks) == [task]


async def test_objects_older_than_the_last_sweep_cost_no_look() -> None:
    """Ten thousand that are there when the operator starts are not ten thousand requests more."""
    desk = Desk(name="legacy", adoption="Adopt")
    await desk.start()
    assert desk.ready() == ("True", "Synced")
    assert looks(desk) == 0


async def test_names_that_nobody_chose_cost_no_look() -> None:
    """Nor do as many that are applied at once."""
    desk = Desk()
    await desk.sweep()
    desk.annotate("note", "x")
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert looks(desk) == 0


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("deletion", ["Delete", "Orphan"])
async def test_a_task_that_nobody_wants_any_more_halfway_is_not_left_switched_off(
    deletion: str, *, killed: bool
) -> None:
    """It is taken over and switched off with one request: whoever deletes its object then finds it ours."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task, deletion=deletion)
    await desk.sweep()
    await desk.visit()
    assert desk.recorder.steps == ["park"]
    assert desk.fake.tasks[task].status == "inactive"
    if killed:
        await desk.kill()
    desk.delete()
    for _ in range(3):
        await desk.visit()
    left = desk.fake.tasks.get(task)
    assert (left is None) if deletion == "Delete" else (left is not None and left.status == "active")
    assert left is None or "influxops" not in left.flux


async def test_a_task_stays_ours_when_it_is_imported_no_more_halfway() -> None:
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    await desk.sweep()
    await desk.visit()
    spec = {name: value for name, value in desk.record.spec().items() if name != "importID"}
    desk._put(packed_spec=pack(spec), generation=desk.record.generation + 1)
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert desk.running() == [task]
    assert list(desk.fake.tasks) == [task]


@pytest.mark.parametrize("killed", [False, True])
async def test_one_approval_is_for_both_steps_of_a_takeover(*, killed: bool) -> None:
    """Also where the operator was killed between them."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task, approval="Manual")
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    desk.annotate("approve", desk.told["plan"]["hash"])
    await desk.visit()
    assert desk.recorder.steps[-1] == "park"
    if killed:
        await desk.kill()
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert desk.running() == [task]
    desk.fake.tasks[task] = replace(desk.fake.tasks[task], status=TaskStatus.INACTIVE)
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")  # the approval was for once


async def test_who_is_refused_has_nothing_half_done() -> None:
    """Of two that want a task whose schedule changes, the second writes nothing through a connection that is suspended meanwhile."""
    desk = Desk()
    task = await by_hand(desk, "2h")
    desk.change(importID=task)
    desk.cache.upsert(replace(desk.record, key=OTHER, uid="u2"))
    await desk.sweep()
    slow(desk)
    await both(desk)
    assert not any(state.parked_step for state in desk.context.tasks.values())


@pytest.mark.parametrize("how", ["switched off by hand", "suspended before"])
async def test_a_task_that_is_off_by_others_is_let_go_of_as_it_is(how: str) -> None:
    """To switch it on waits for an approval, which a deletion is not."""
    desk = Desk(deletion="Orphan")
    task = await desk.start()
    if how == "suspended before":
        desk.change(suspend=True)
        await desk.settle()
        desk.change(approval="Manual", suspend=False)
    else:
        desk.change(approval="Manual")
        await desk.sweep()
        await desk.settle()
        desk.fake.tasks[task] = replace(desk.fake.tasks[task], status=TaskStatus.INACTIVE)
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    desk.delete()
    await desk.settle()
    assert desk.fake.tasks[task].status == "inactive"
    assert "influxops" not in desk.fake.tasks[task].flux
