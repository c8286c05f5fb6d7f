"""Stages with execution Native whose InfluxTask has no task in InfluxDB: they wait, and say so; the others run."""

from __future__ import annotations

from typing import Any

from influxops.core.keys import Kind
from influxops.core.outcome import Reason, Wait
from influxops.core.pipeline.plan import PipelinePlan
from influxops.influx.errors import Forbidden
from tests.support.desk import TASK, Desk, by_hand
from tests.support.fields.bench import Bench
from tests.support.fields.examples import WINDOWED


def spec() -> dict[str, Any]:
    """Two stages that have nothing to do with each other."""
    return {
        "connectionRef": {"name": "main"},
        "window": {"every": "1h"},
        "begin": "2026-01-01T00:00:00Z",
        "stages": [
            {"name": "own", "taskRef": {"name": "t"}, "execution": "Native"},
            {"name": "other", "flux": WINDOWED},
        ],
    }


async def planned(bench: Bench) -> tuple[Any, PipelinePlan]:
    """What the visit to the pipeline says, and the plan that runs."""
    outcome = await bench.settle(bench.put(Kind.PIPELINE, "p", spec()))
    plan = bench.runner.plans[-1][2]
    assert plan is not None
    return outcome, plan


async def test_only_the_stage_without_a_task_waits() -> None:
    """The InfluxTask is not there in InfluxDB yet; with its task the stage runs, and so again when that has gone."""
    bench = Bench()
    task = bench.put(Kind.TASK, "t", {"connectionRef": {"name": "main"}, "every": "1h", "flux": WINDOWED})
    outcome, plan = await planned(bench)
    assert isinstance(outcome, Wait)
    assert outcome.reason is Reason.DEPENDENCY_NOT_READY
    assert "InfluxTask ns/t has no task in InfluxDB" in str(outcome)
    assert plan.stages["own"].waits
    assert not plan.stages["other"].waits
    await bench.settle(task)
    _, plan = await planned(bench)
    assert not plan.stages["own"].waits
    bench.context.tasks[task].gone = True
    _, plan = await planned(bench)
    assert plan.stages["own"].waits


async def test_a_task_that_was_deleted_and_waits_for_approval_is_known_to_be_gone() -> None:
    desk = Desk()
    made = await desk.start()
    state = desk.context.tasks[TASK]
    assert not state.gone
    desk.change(approval="Manual")
    await desk.sweep()
    await desk.settle()
    desk.fake.tasks.pop(made)
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("False", "PlanPending")
    assert state.gone
    desk.change(approval="Auto")
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert not state.gone
    assert desk.fake.tasks


async def test_a_task_that_was_taken_over_in_place_of_one_that_is_gone_is_there() -> None:
    desk = Desk(adoption="Adopt", name="legacy")
    desk.fake.tasks.pop(await desk.start())
    new = await by_hand(desk)
    await desk.sweep()
    await desk.settle()
    state = desk.context.tasks[TASK]
    assert (state.task_id, state.gone) == (new, False)


async def test_a_task_that_comes_back_is_there() -> None:
    """It could not be seen for a while, nor another one be made."""
    desk = Desk()
    first = await desk.start()
    task = desk.fake.tasks.pop(first)

    async def refuse(*_: object) -> Any:
        raise Forbidden("no")

    desk.fake.create_task = refuse  # type: ignore[method-assign]
    await desk.sweep()
    await desk.settle()
    state = desk.context.tasks[TASK]
    assert state.gone
    desk.fake.tasks[first] = task
    await desk.sweep()
    await desk.settle()
    assert desk.ready() == ("True", "Synced")
    assert not state.gone
