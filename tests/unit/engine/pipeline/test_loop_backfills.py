"""Backfills of a loop: made anew under the same name, deleted, handed over to the next loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.core.keys import Key, Kind
from influxops.core.observed import Bucket
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.record import Cause, Points, WindowState
from influxops.core.reruns import Pauses
from influxops.engine.pipeline.loop import PipelineLoop
from influxops.engine.pipeline.registry import Pipelines
from influxops.influx.errors import Forbidden, ScriptFailed, Unavailable
from influxops.reconcile.pipeline_state import BackfillOrder
from tests.support.fake_influx import FakeInflux
from tests.support.pipeline_desk import CONNECTION, PIPELINE, PipelineDesk, hours
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.until import until

BACKFILL = Key(Kind.BACKFILL, "ns", "b")
PLAN = plan_of({"a": StageOf()})


def order(uid: str, plan: PipelinePlan, before: int, count: int, *, suspend: bool = False) -> BackfillOrder:
    """So many hours, the first of them so many hours before the pipeline's begin."""
    start = plan.begin - timedelta(hours=before)
    spec = InfluxBackfillSpec.model_validate(
        {
            "pipelineRef": {"name": "p"},
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "stop": f"{start + timedelta(hours=count):%Y-%m-%dT%H:%M:%SZ}",
            "maxActiveWindows": 2,
            "suspend": suspend,
        }
    )
    return BackfillOrder(BACKFILL, uid, 1, datetime.now(UTC), spec)


def lanes(desk: PipelineDesk) -> set[str]:
    """Whose windows are on the agenda."""
    course = desk.loop.course
    return {entry.lane for entry in course.agenda.entries.values()} if course is not None else set()


def settled(desk: PipelineDesk) -> bool:
    """Nothing is left to run, and the ledger has it all."""
    course = desk.loop.course
    return course is not None and not len(course.agenda) and not course.writer.waiting


async def test_one_that_is_made_anew_under_its_name_takes_the_place_of_the_old_one(desk: PipelineDesk) -> None:
    """The old one's windows would stay on the agenda for ever, and hold up what is made of them."""
    plan = hours(PLAN, 1)
    desk.fake.go.clear()
    desk.start(plan)
    desk.loop.backfills.order(order("u1", plan, 20, 10))
    desk.loop.wake.set()
    await until(lambda: "u1" in lanes(desk))
    desk.loop.backfills.order(order("u2", plan, 20, 3))
    desk.fake.go.set()
    desk.loop.wake.set()
    await until(lambda: not lanes(desk) and not desk.loop.backfills.unsettled)
    assert len(await desk.ledger(plan.owner)) < 10


async def test_a_deleted_one_leaves_nothing_behind(desk: PipelineDesk) -> None:
    plan = hours(PLAN, 1)
    desk.fake.go.clear()
    desk.start(plan)
    desk.loop.backfills.order(order("u1", plan, 20, 10))
    desk.loop.wake.set()
    await until(lambda: desk.fake.under_way == 3)
    desk.loop.backfills.drop(BACKFILL)
    desk.fake.go.set()
    desk.loop.wake.set()
    await until(lambda: not lanes(desk))
    assert len(desk.fake.ran) == 3
    assert not desk.loop.backfills.unsettled


async def test_a_ledger_that_does_not_answer_a_backfill_holds_up_no_window_of_the_schedule(desk: PipelineDesk) -> None:
    plan = hours(PLAN, 1)
    desk.start(plan)
    await until(lambda: desk.loop.course is not None and len(desk.fake.ran) == 1)
    desk.fake.always["ledger_records"] = Unavailable("slow")
    desk.loop.backfills.order(order("u1", plan, 20, 2))
    desk.loop.wake.set()
    await until(lambda: desk.fake.count("ledger_records") == 2)
    course, now = desk.loop.course, desk.tools.context.now()
    assert course is not None
    course.agenda.add("a", course.plan.stages["a"].cadence.latest(now), now)
    desk.loop.wake.set()
    await until(lambda: len(desk.fake.ran) == 2)
    desk.fake.always.clear()
    await until(lambda: len(desk.fake.ran) == 4, 30.0)


async def test_windows_behind_a_suspended_one_are_told_until_it_goes_on(desk: PipelineDesk) -> None:
    """An hour of stage b wanted by the schedule, of which stage a is the backfill's."""
    plan = hours(plan_of({"a": StageOf(), "b": StageOf(after=("a",))}), 1)
    desk.start(plan)
    await until(lambda: len(desk.fake.ran) == 2)
    desk.loop.backfills.order(order("u1", plan, 3, 1, suspend=True))
    desk.loop.wake.set()
    await until(lambda: "u1" in lanes(desk))
    course = desk.loop.course
    assert course is not None
    course.agenda.add(
        "b", next(entry.window for entry in course.agenda.entries.values() if entry.lane), desk.tools.context.now()
    )
    desk.loop.tell()
    await until(lambda: [one["reason"] for one in desk.loop.facts.exceptions] == ["BackfillSuspended"])
    desk.loop.backfills.order(order("u1", plan, 3, 1))
    desk.loop.tell()
    await until(lambda: not desk.loop.facts.exceptions and len(desk.fake.ran) == 4)


async def test_the_next_loop_of_a_pipeline_takes_up_its_backfills(desk: PipelineDesk) -> None:
    """Another connection, or a spec that was invalid for a moment, must not end a backfill in silence."""
    pipelines = Pipelines(desk.tools, lambda _: desk.link)
    plan = hours(PLAN, 1)
    desk.fake.go.clear()
    pipelines.configure(PIPELINE, "u1", CONNECTION, plan)
    pipelines.backfill(PIPELINE, order("u1", plan, 20, 6))
    await until(lambda: desk.fake.under_way == 3)
    pipelines.stop(PIPELINE)
    desk.fake.go.set()
    pipelines.configure(PIPELINE, "u1", CONNECTION, replace(plan, max_active=1))
    loop = pipelines._loops[PIPELINE]
    await until(lambda: loop.course is not None and not len(loop.course.agenda) and not loop.course.writer.waiting)
    assert len(await desk.ledger(plan.owner)) == 7
    pipelines.drop_backfill(BACKFILL)
    assert not pipelines._orders
    await pipelines.end_all()


async def test_windows_that_replace_has_emptied_for_a_deleted_backfill_are_run_again(desk: PipelineDesk) -> None:
    """Their points are gone and the ledger says that they have succeeded: nobody else would ever look at them."""
    plan = hours(plan_of({"a": StageOf(target=Target("other", "m"))}), 4)
    stage = replace(plan.stages["a"], replace=True)
    plan = replace(plan, stages={"a": stage}, retry=RetryPlan(3, Pauses(2, 1, 2, 0)), breaker_failures=50)
    desk.start(plan)
    await until(lambda: settled(desk))
    deleted = desk.fake.count("delete_points")
    desk.fake.always["run_script"] = ScriptFailed("a script that fails")
    again = replace(
        order("u1", plan, 0, 4), spec=order("u1", plan, 0, 4).spec.model_copy(update={"reprocess": "Completed"})
    )
    desk.loop.backfills.order(again)
    desk.loop.wake.set()
    await until(lambda: desk.fake.count("delete_points") == deleted + 4)
    await until(lambda: desk.fake.under_way == 0)
    desk.loop.backfills.drop(BACKFILL)
    desk.loop.wake.set()
    await until(lambda: lanes(desk) == {""})
    desk.fake.always.clear()
    await until(lambda: settled(desk), 20)
    records = await desk.ledger(plan.owner)
    assert [(one.state, one.revision, one.cause) for one in records] == [(WindowState.SUCCESS, 2, Cause.REPAIR)] * 4


def emptying(desk: PipelineDesk) -> PipelinePlan:
    """Four hours of a stage that replaces what is there, whose runs fail for good at once, and an hour of what is made of them."""
    stages = {"a": StageOf(target=Target("other", "m")), "b": StageOf(after=("a",))}
    plan = hours(plan_of(stages), 4)
    plan = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], replace=True)})
    return replace(plan, retry=RetryPlan(0, Pauses(1, 1, 1, 0)), breaker_failures=50)


def completed(uid: str, plan: PipelinePlan) -> BackfillOrder:
    """All four hours of stage a once more."""
    asked = order(uid, plan, 0, 4)
    changes = {"reprocess": "Completed", "stages": ["a"], "include_descendants": False}
    return replace(asked, spec=asked.spec.model_copy(update=changes))


async def left_empty(desk: PipelineDesk) -> PipelinePlan:
    """A backfill has failed over all four hours, which had succeeded, and is over: they are the pipeline's, failed."""
    plan = emptying(desk)
    desk.start(plan)
    await until(lambda: settled(desk))
    desk.fake.always["run_script"] = ScriptFailed("a script that fails")
    desk.loop.backfills.order(completed("u1", plan))
    desk.loop.wake.set()
    await until(lambda: desk.loop.facts.counts.get(WindowState.FAILED) == 4)
    return plan


async def test_what_a_failed_backfill_has_left_empty_is_the_pipelines_to_mend(desk: PipelineDesk) -> None:
    """The backfill is over, and says which windows have failed; the pipeline holds back what is made of them until somebody has them run
    again. A start takes that up.
    """
    plan = await left_empty(desk)
    course = desk.loop.course
    assert course is not None
    assert lanes(desk) == {""}
    hour = next(iter(course.agenda.entries))[1]
    course.agenda.add("b", hour, desk.tools.context.now(), cause=Cause.REPAIR, revision=2)
    desk.fake.always.clear()
    changed = replace(plan, max_active=2)
    await until(lambda: not course.writer.waiting)
    desk.loop.configure(changed)
    await until(lambda: desk.loop.course is not course)
    assert desk.loop.course is not None
    states = {(entry.stage, entry.state) for entry in desk.loop.course.agenda.entries.values()}
    assert states == {("a", WindowState.FAILED)}
    desk.loop.retry_failed()
    await until(lambda: settled(desk))
    mended = [one for one in await desk.ledger(plan.owner) if one.stage == "a"]
    assert [(one.state, one.cause) for one in mended] == [(WindowState.SUCCESS, Cause.REPAIR)] * 4


async def test_nothing_is_deleted_for_a_backfill_before_the_ledger_knows(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the delete and the run, with the backfill deleted meanwhile, nobody else would know that the window is empty."""
    monkeypatch.setattr("influxops.engine.pipeline.course.PATIENCE", 0.2)
    plan = emptying(desk)
    desk.start(plan)
    await until(lambda: settled(desk))
    deleted = desk.fake.count("delete_points")
    desk.fake.always["write_points"] = Forbidden("no", "write:buckets")
    desk.loop.backfills.order(completed("u1", plan))
    desk.loop.wake.set()
    await until(lambda: desk.fake.count("write_points") > 3)
    assert desk.fake.count("delete_points") == deleted
    await until(lambda: desk.loop.facts.ledger_trouble == "no")
    desk.fake.always.clear()
    desk.fake.go.clear()
    await until(lambda: desk.fake.under_way == 2, 20)
    records = await FakeInflux.ledger_records(
        desk.fake, desk.link.org_id, "ledger", plan.owner, plan.begin, desk.tools.context.now()
    )
    marks = [one for one in records if one.state is WindowState.READY]
    assert len(marks) >= 2
    assert {(one.cause, one.backfill, one.points) for one in marks} == {(Cause.REPAIR, "u1", Points.EMPTIED)}
    await desk.stop()  # as if killed: the runs end without a verdict
    desk.fake.go.set()
    loop = PipelineLoop(PIPELINE, "u1", CONNECTION, desk.tools, lambda _: desk.link, lambda _: None)
    loop.configure(plan)
    turning = asyncio.create_task(loop.run())
    await until(lambda: loop.course is not None and not len(loop.course.agenda) and not loop.course.writer.waiting)
    turning.cancel()
    await asyncio.gather(turning, return_exceptions=True)
    ended = {one.window: one for one in await desk.ledger(plan.owner) if one.stage == "a"}
    assert {ended[mark.window].state for mark in marks} == {WindowState.SUCCESS}


async def test_a_suspended_pipeline_does_not_hold_up_the_backfill_that_mends_what_another_has_left_empty(
    desk: PipelineDesk,
) -> None:
    plan = await left_empty(desk)
    desk.fake.always.clear()
    first = desk.loop.course
    desk.loop.configure(replace(plan, suspended=True))
    await until(lambda: desk.loop.course is not first)
    assert desk.loop.course is not None
    assert {entry.state for entry in desk.loop.course.agenda.entries.values()} == {WindowState.FAILED}
    again = completed("u2", plan)
    spec = again.spec.model_copy(update={"reprocess": "Failed"})
    desk.loop.backfills.order(replace(again, key=Key(Kind.BACKFILL, "ns", "c"), spec=spec))
    desk.loop.wake.set()
    await until(lambda: settled(desk))
    mended = [one for one in await desk.ledger(plan.owner) if one.stage == "a"]
    assert [(one.state, one.backfill) for one in mended] == [(WindowState.SUCCESS, "u2")] * 4


async def test_a_window_that_was_to_run_again_is_let_be_when_its_source_has_begun_to_expire(desk: PipelineDesk) -> None:
    """It has what an earlier run made of all of its source; a run now would make it of a part. What is made of it need not wait."""
    stages = {"a": StageOf(source=Source("raw", "m", "v"), target=Target("other", "m")), "b": StageOf(after=("a",))}
    plan = hours(plan_of(stages), 4)
    desk.start(plan)
    await until(lambda: settled(desk))
    ran = len(desk.fake.ran)
    course = desk.loop.course
    assert course is not None
    window = course.plan.stages["a"].cadence.following(course.plan.stages["a"].cadence.latest(plan.begin))
    bucket = Bucket("1", desk.link.org_id, "raw", "user", "", 2 * 3600, 0)
    desk.link.snapshot.buckets["raw"] = bucket
    now = desk.tools.context.now()
    course.agenda.add("a", window, now, cause=Cause.LATE_DATA, revision=2)
    desk.loop.wake.set()
    await until(lambda: settled(desk))
    assert len(desk.fake.ran) == ran
    record = next(one for one in await desk.ledger(plan.owner) if one.window == window and one.stage == "a")
    assert (record.state, record.cause, record.source_count) == (WindowState.SUCCESS, Cause.LATE_DATA, None)
    reasons = [reason for reason, _ in desk.recorder.events]
    assert reasons.count("SourceExpired") == 1
    course.agenda.add("a", window, now, cause=Cause.REPAIR, revision=2)
    desk.loop.wake.set()
    await until(lambda: settled(desk))
    assert len(desk.fake.ran) == ran + 1, "what has no points has nothing to lose"
