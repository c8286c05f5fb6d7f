"""The loop of a pipeline: nothing that takes long, fails or changes may hold up the rest, skip a window or run it twice."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from influxops.core.pipeline.agenda.circuit import CircuitState
from influxops.core.pipeline.ledger import Mark
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.proofs.result import QueryResult, Source
from influxops.core.pipeline.record import Cause, WindowState
from influxops.core.record import pack
from influxops.engine.pipeline import aside as aside_module
from influxops.engine.pipeline import late_look, ledger_writer
from influxops.engine.pipeline import loop as loop_module
from influxops.engine.pipeline.registry import Pipelines
from influxops.engine.pipeline.window_run import Outcome
from influxops.influx.errors import Forbidden, NotFound, ScriptFailed, Unavailable
from influxops.reconcile.pipeline_state import PipelineState
from tests.support.pipeline_desk import CONNECTION, LEDGER, PIPELINE, PipelineDesk, hours
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.until import until

PLAN = plan_of({"a": StageOf(), "b": StageOf(after=("a",))})
WATCHED = plan_of({"a": StageOf(source=Source("raw", "", ""))})


def answered(desk: PipelineDesk) -> bool:
    """Every run of six that is not under way has been taken in."""
    course = desk.loop.course
    return course is not None and len(course.agenda) == 6 - len(desk.fake.ran) + desk.fake.under_way


def settled(desk: PipelineDesk) -> bool:
    """All that has closed has succeeded."""
    course = desk.loop.course
    return course is not None and not len(course.agenda) and not course.writer.waiting


def gauge(desk: PipelineDesk, name: str, **labels: str) -> float | None:
    """The value of a metric of the pipeline; None when there is none."""
    return desk.metrics.registry.get_sample_value(name, {"pipeline": "ns/p", **labels})


async def goes_on_in(desk: PipelineDesk, owner: str, bucket: str) -> bool:
    """The watermark stands in this ledger, and no window has run a second time."""
    course = desk.loop.course
    kept = await desk.fake.ledger_watermark(desk.link.org_id, bucket, owner, datetime.now(UTC) + timedelta(days=1))
    return course is not None and kept.last == Mark(course.watermark, course.plan.begin) and len(desk.fake.ran) == 4


async def test_windows_run_and_stand_in_the_ledger_once(desk: PipelineDesk) -> None:
    plan = hours(PLAN, 5)
    desk.start(plan)
    await until(lambda: settled(desk))
    records = await desk.ledger(plan.owner)
    assert [one.state for one in records] == [WindowState.SUCCESS] * 10
    assert len(desk.fake.ran) == 10
    assert 1 < desk.fake.most <= 4
    assert desk.loop.course is not None
    assert desk.loop.course.watermark == plan.begin.replace(tzinfo=plan.begin.tzinfo) + 5 * (
        records[0].window.stop - records[0].window.start
    )


async def test_the_next_query_is_sent_while_an_answer_is_taken_in(desk: PipelineDesk) -> None:
    """With maxActiveWindows 1 InfluxDB has one query at a time; answers that pile up are waited for, and all ends as usual."""
    desk.fake.counted.clear()
    plan = replace(hours(plan_of({"a": StageOf()}), 5), max_active=1)
    desk.start(plan)
    await until(lambda: len(desk.fake.ran) == 2)
    course = desk.loop.course
    assert course is not None
    await until(lambda: not course.agenda.admits("", 1) and not desk.fake.under_way)
    assert (len(desk.fake.ran), len(course.agenda)) == (2, 5)
    desk.fake.counted.set()
    await until(lambda: settled(desk))
    assert desk.fake.most == 1
    assert len(await desk.ledger(plan.owner)) == 5


async def test_a_loop_with_nothing_to_start_does_not_spin(desk: PipelineDesk) -> None:
    """All lanes are full, or all is settled: the turns can be counted on one hand."""
    turns = 0
    turn = desk.loop._turn

    async def counted() -> float:
        nonlocal turns
        turns += 1
        return await turn()

    desk.loop._turn = counted  # type: ignore[method-assign]
    desk.fake.go.clear()
    desk.start(hours(PLAN, 9))
    await until(lambda: desk.fake.under_way == 4)
    begun, turns = time.monotonic(), 0
    await until(lambda: time.monotonic() > begun + 2)
    assert turns <= 4


async def test_a_new_plan_begins_as_soon_as_the_last_run_of_the_old_one_has_ended(desk: PipelineDesk) -> None:
    """The wake of the last run comes before the run is off the list: it must not be slept through."""
    desk.fake.go.clear()
    plan = hours(PLAN, 1)
    desk.start(plan)
    await until(lambda: desk.fake.under_way == 1)
    desk.loop.configure(replace(plan, max_active=2))
    await asyncio.sleep(0.05)
    desk.fake.go.set()
    await until(lambda: desk.loop.course is not None and desk.loop.course.plan.max_active == 2, 8.0)


async def test_a_ledger_whose_bucket_is_gone_does_not_keep_a_plan_with_another_one_from_beginning(
    desk: PipelineDesk,
) -> None:
    plan = hours(PLAN, 2)
    desk.start(plan)
    await until(lambda: settled(desk))
    desk.fake.always["write_points"] = NotFound("no such bucket")
    assert desk.loop.course is not None
    desk.loop.retry_failed()
    desk.loop.course.writer.watermark(Mark(desk.loop.course.watermark), desk.tools.context.now())
    desk.loop.configure(replace(plan, bucket="other"))
    await until(lambda: desk.loop.course is not None and desk.loop.course.plan.bucket == "other", 15.0)
    del desk.fake.always["write_points"]
    await until(lambda: settled(desk))
    assert await goes_on_in(desk, plan.owner, "other")


async def test_a_plan_that_changes_its_ledger_while_the_former_one_is_closed_writes_into_its_own(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second edit comes while the first is about to begin: no record goes to the ledger that nobody reads."""
    plan = hours(PLAN, 2)
    desk.start(plan)
    await until(lambda: settled(desk))
    first, second = replace(plan, max_active=3), replace(plan, bucket="other")
    close = desk.loop._close_ledger

    async def slowly(wanted: PipelinePlan) -> bool:
        done = await close(wanted)
        if wanted is first:
            desk.loop.configure(second)
        return done

    monkeypatch.setattr(desk.loop, "_close_ledger", slowly)
    desk.loop.configure(first)
    await until(lambda: desk.loop.course is not None and desk.loop.course.plan is second and settled(desk))
    assert await goes_on_in(desk, plan.owner, "other")


async def test_a_ledger_that_cannot_be_read_is_told_once_and_tried_less_and_less(desk: PipelineDesk) -> None:
    desk.fake.always["ledger_watermark"] = Forbidden("no", "read:buckets")
    desk.start(hours(PLAN, 1))
    await until(lambda: bool(desk.loop.facts.ledger_trouble))
    begun = time.monotonic()
    await until(lambda: time.monotonic() > begun + 5)
    assert desk.told == 1
    assert desk.fake.count("ledger_watermark") == 2
    desk.fake.always.clear()
    desk.loop.wake.set()
    await until(lambda: settled(desk))
    desk.loop._published = float("-inf")
    desk.loop.wake.set()
    await until(lambda: not desk.loop.facts.ledger_trouble)


async def test_a_stage_that_waits_for_something_starts_nothing_and_counts_go_on_from_the_status(
    desk: PipelineDesk,
) -> None:
    """Its windows stay, and say for what they wait; the next plan without it runs them."""
    plan = hours(plan_of({"a": StageOf(), "b": StageOf()}), 3)
    held = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], waits="no bucket 'x'")})
    told = {"windows": {"succeeded": 7}, "lateWindows": 2}
    desk.tools.context.pipelines[PIPELINE] = PipelineState("u1", packed_status=pack(told))
    desk.start(held)
    await until(lambda: desk.loop.facts.succeeded == 10)
    assert desk.loop.facts.late_windows == 2
    assert [(one["stage"], one["reason"], one["message"]) for one in desk.loop.facts.exceptions] == [
        ("a", "DependencyNotReady", "no bucket 'x'")
    ] * 3
    desk.loop.configure(plan)
    await until(lambda: desk.loop.facts.succeeded == 13)
    assert len(desk.fake.ran) == 6


async def test_a_look_for_late_data_that_takes_long_or_fails_holds_up_no_window(desk: PipelineDesk) -> None:
    plan = hours(WATCHED, 3, allowed=86400, check_every=3600)
    desk.start(plan)
    await until(lambda: settled(desk))
    late, never = desk.loop._aside._late, asyncio.Event()
    looked = asyncio.Event()

    async def look(*_: object) -> None:
        looked.set()
        await never.wait()

    late.look = look  # type: ignore[assignment]
    late.begin()
    desk.loop.wake.set()
    await looked.wait()
    assert desk.loop.course is not None
    before = len(desk.fake.ran)
    for record in await desk.ledger(plan.owner):
        desk.loop.course.agenda.add("a", record.window, desk.tools.context.now(), cause=Cause.UPSTREAM, revision=2)
    desk.loop.wake.set()
    await until(lambda: len(desk.fake.ran) == before + 3)


async def test_a_look_for_late_data_that_waits_for_the_ledger_says_so(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It compares with what stands there; the first failure is told, not each."""
    monkeypatch.setattr(aside_module, "PATIENCE", 0.1)
    monkeypatch.setattr(late_look, "AGAIN", timedelta(seconds=0.1))
    desk.fake.always["write_points"] = Forbidden("may not write", "write:buckets")
    desk.start(hours(WATCHED, 3, allowed=86400, check_every=3600))
    await until(lambda: any("may not write" in text for _, text in desk.recorder.events))
    begun = time.monotonic()
    await until(lambda: time.monotonic() > begun + 1)
    assert [reason for reason, text in desk.recorder.events if "may not write" in text] == ["LateData"]


async def test_a_source_that_may_not_be_counted_is_a_failed_attempt_and_not_tried_for_ever(desk: PipelineDesk) -> None:
    desk.fake.always["count_by_time"] = Forbidden("no", "read:buckets")
    plan = hours(WATCHED, 1, allowed=86400)
    desk.start(replace(plan, retry=replace(plan.retry, limit=0)))
    await until(lambda: any(reason == "RunFailing" for reason, _ in desk.recorder.events))
    records = await desk.ledger(plan.owner) or []
    await until(lambda: desk.loop.course is not None and not desk.loop.course.writer.waiting)
    records = await desk.ledger(plan.owner)
    assert [one.state for one in records] == [WindowState.FAILED]
    assert "read:buckets" in records[0].error


async def test_a_request_to_retry_that_comes_before_the_ledger_is_read_is_not_lost(desk: PipelineDesk) -> None:
    plan = hours(plan_of({"a": StageOf()}), 1)
    plan = replace(plan, retry=replace(plan.retry, limit=0), breaker_failures=9)
    desk.fake.always["run_script"] = ScriptFailed("broken")
    desk.start(plan)
    await until(lambda: bool(desk.recorder.events))
    await desk.stop()
    del desk.fake.always["run_script"]
    again = PipelineDesk()
    again.fake = again.link.port = desk.fake  # type: ignore[assignment]
    again.loop.retry_failed()
    again.start(plan)
    await until(lambda: settled(again))
    records = await again.ledger(plan.owner)
    assert [(one.state, one.revision) for one in records] == [(WindowState.SUCCESS, 2)]
    await again.stop()


async def test_the_trial_of_a_circuit_counts_although_its_window_has_to_run_once_more(desk: PipelineDesk) -> None:
    """Otherwise the circuit stays half open, and the stage is left alone for ever."""
    desk.fake.go.clear()
    desk.start(hours(plan_of({"a": StageOf()}), 1))
    await until(lambda: desk.fake.under_way == 1)
    course = desk.loop.course
    assert course is not None
    circuit, entry = course.circuits["a"], next(iter(course.agenda.entries.values()))
    circuit.state = CircuitState.HALF_OPEN
    course.agenda.add(*entry.place, desk.tools.context.now(), cause=Cause.LATE_DATA)
    desk.loop._verdicts.succeeded(course, entry, Outcome(QueryResult(1, 1, 1, "")), None, 0.1, desk.tools.context.now())
    assert circuit.state is CircuitState.CLOSED
    assert entry.state is WindowState.READY
    for task in desk.loop._runs:
        task.cancel()


async def test_an_outage_costs_no_attempt_and_runs_go_on_after_it(desk: PipelineDesk) -> None:
    desk.fake.always["run_script"] = Unavailable("down")
    plan = hours(plan_of({"a": StageOf()}), 3)
    desk.start(plan)
    await until(lambda: len(desk.fake.ran) >= 3)
    desk.fake.always.clear()

    def over() -> bool:
        desk.link.breaker.succeeded()  # the last of the failures may be counted only now
        return settled(desk)

    await until(over)
    assert {one.attempt for one in await desk.ledger(plan.owner)} == {1}


async def test_runs_are_cut_off_at_the_end_and_what_ended_before_is_in_the_ledger(desk: PipelineDesk) -> None:
    plan = hours(plan_of({"a": StageOf()}), 6)
    desk.start(plan)
    await until(lambda: len(desk.fake.ran) >= 2)
    desk.fake.go.clear()
    await until(lambda: (desk.fake.under_way > 0 and answered(desk)) or settled(desk))
    under_way, ran = desk.fake.under_way, len(desk.fake.ran)
    await desk.stop()
    assert desk.fake.cut_off == under_way
    assert len(await desk.ledger(plan.owner)) == ran - under_way


async def test_the_next_loop_of_a_key_begins_when_the_former_one_has_ended(desk: PipelineDesk) -> None:
    """Two at a time would run windows twice, and a late record of the former would take the place of a newer one."""
    pipelines = Pipelines(desk.tools, lambda _: desk.link)
    plan = hours(PLAN, 3)
    slow, written = asyncio.Event(), desk.fake.write_points

    async def write(*arguments: object) -> None:
        await slow.wait()
        await written(*arguments)  # type: ignore[arg-type]

    desk.fake.write_points = write  # type: ignore[assignment, method-assign]
    pipelines.configure(PIPELINE, "u1", CONNECTION, plan)
    former = pipelines._loops[PIPELINE]
    await until(lambda: former.course is not None and not len(former.course.agenda))
    read = desk.fake.count("ledger_watermark")
    for _ in range(2):
        pipelines.stop(PIPELINE)
        pipelines.configure(PIPELINE, "u1", CONNECTION, plan)
        await asyncio.sleep(0.1)
    assert desk.fake.count("ledger_watermark") == read, "the former loop still writes"
    slow.set()
    await until(lambda: desk.fake.count("ledger_watermark") == read + 1)
    later = pipelines._loops[PIPELINE]
    await until(lambda: later.course is not None and not len(later.course.agenda))
    assert len(desk.fake.ran) == 6, "no window ran twice"
    await pipelines.end_all()


async def test_a_gauge_of_a_state_without_windows_goes_back_to_nought(desk: PipelineDesk) -> None:
    desk.fake.go.clear()
    desk.start(hours(PLAN, 2))
    await until(lambda: gauge(desk, "influxops_agenda_windows", state="RUNNING") == 2)
    desk.fake.go.set()
    await until(lambda: gauge(desk, "influxops_agenda_windows", state="RUNNING") == 0)


async def test_gauges_of_a_pipeline_that_must_not_begin_do_not_stand_still(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its spec is no longer valid: what was running has ended, and how far it is behind grows with time."""
    monkeypatch.setattr(loop_module, "IDLE", 0.1)
    desk.fake.go.clear()
    desk.start(hours(PLAN, 2))
    await until(lambda: gauge(desk, "influxops_agenda_windows", state="RUNNING") == 2)
    desk.loop.configure(None)
    desk.fake.go.set()
    await until(lambda: gauge(desk, "influxops_agenda_windows", state="RUNNING") == 0)
    desk.ahead = timedelta(days=1)
    await until(lambda: (gauge(desk, "influxops_watermark_lag_seconds") or 0) > 86_400)


async def test_a_batch_that_the_ledger_does_not_take_at_once_is_repeated_in_order(desk: PipelineDesk) -> None:
    desk.fake.fail_next("write_points", Unavailable("down"))
    plan = hours(PLAN, 4)
    desk.start(plan)
    await until(lambda: settled(desk))
    sent = [list(arguments[2]) for name, arguments in desk.fake.calls if name == "write_points"]
    assert sent[0] == sent[1][: len(sent[0])], "what was refused comes first"
    assert len(await desk.ledger(plan.owner, LEDGER)) == 8


async def test_waiting_for_the_ledger_ends_although_more_records_keep_coming(desk: PipelineDesk) -> None:
    desk.start(hours(PLAN, 1))
    await until(lambda: settled(desk))
    assert desk.loop.course is not None
    course, now = desk.loop.course, desk.tools.context.now

    async def flood() -> None:
        while True:
            course.writer.watermark(Mark(course.watermark), now())
            await asyncio.sleep(0)

    task = asyncio.create_task(flood())
    assert await course.writer.settle(5.0)
    task.cancel()
    desk.fake.always["write_points"] = NotFound("gone")
    course.writer.watermark(Mark(course.watermark), now())
    assert not await course.writer.settle(0.3)


async def test_another_plan_that_waits_for_the_ledger_says_so(desk: PipelineDesk) -> None:
    """What has run must stand in the ledger before it is read anew; a token that may not write it holds everything up."""
    plan = hours(plan_of({"a": StageOf()}), 4)
    desk.start(plan)
    desk.fake.always["write_points"] = Forbidden("may not write", "write:buckets")
    await until(lambda: len(desk.fake.ran) == 4)
    changed = replace(plan, max_active=plan.max_active + 1)
    desk.loop.configure(changed)
    await until(lambda: "may not write" in desk.loop.facts.ledger_trouble, 20)
    desk.fake.always.clear()
    await until(lambda: desk.loop.course is not None and desk.loop.course.plan == changed, 40)
    await until(lambda: settled(desk))
    assert len(desk.fake.ran) == 4


async def test_no_watermark_is_told_that_the_ledger_does_not_have(desk: PipelineDesk) -> None:
    """Who comes next begins with what was told, if the ledger has none: it would take for settled what no record tells of."""
    desk.fake.always["write_points"] = Forbidden("may not write", "write:buckets")
    plan = hours(plan_of({"a": StageOf()}), 4)
    desk.start(plan)
    await until(lambda: desk.loop.facts.succeeded == 4)
    assert desk.loop.course is not None
    assert desk.loop.course.watermark > plan.begin
    assert desk.loop.facts.watermark == plan.begin
    desk.fake.always.clear()
    await until(lambda: settled(desk))
    end = desk.loop.course.watermark
    await until(lambda: desk.loop.facts.watermark == end)


async def test_a_ledger_that_takes_nothing_is_told_soon(desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The watermark stands still then, and somebody has to know why; a single refusal is not worth a word."""
    monkeypatch.setattr(ledger_writer, "STRUGGLES", 1.0)
    monkeypatch.setattr(loop_module, "REFRESH", 0.5)
    desk.fake.always["write_points"] = Forbidden("may not write", "write:buckets")
    desk.start(hours(plan_of({"a": StageOf()}), 4))
    await until(lambda: desk.loop.facts.succeeded == 4)
    assert desk.loop.facts.ledger_trouble == ""
    await until(lambda: "may not write" in desk.loop.facts.ledger_trouble, 20)
    desk.fake.always.clear()
    await until(lambda: desk.loop.facts.ledger_trouble == "", 20)
    await until(lambda: settled(desk))


async def test_a_ledger_that_is_taken_back_is_closed(desk: PipelineDesk) -> None:
    """The other one cannot be read; when the first is named again, it is read anew, by a writer that the loop knows."""
    plan = hours(plan_of({"a": StageOf()}), 4)
    desk.start(plan)
    await until(lambda: settled(desk))
    first = desk.loop.course
    desk.fake.always["ledger_watermark"] = Forbidden("no", "read:buckets")
    desk.loop.configure(replace(plan, bucket="elsewhere"))
    await until(lambda: bool(desk.loop.facts.ledger_trouble), 20)
    desk.fake.always.clear()
    desk.loop.configure(plan)
    await until(lambda: desk.loop.course is not None and desk.loop.course is not first, 20)
    assert desk.loop.course is not None
    assert desk.loop.course.writer is desk.loop._writer
    assert len(desk.fake.ran) == 4


async def test_windows_that_a_clock_that_was_ahead_has_run_run_again_when_they_close(desk: PipelineDesk) -> None:
    """It is set back by three hours while the operator lives: the watermark goes back to what has closed, and from there all goes on."""
    desk.ahead = timedelta(hours=3)
    plan = hours(plan_of({"a": StageOf()}), 4)
    desk.start(plan)
    await until(lambda: settled(desk) and len(desk.fake.ran) == 7)
    first, wrong = desk.loop.course, max(desk.fake.ran)
    desk.ahead = timedelta()
    desk.loop.wake.set()
    await until(lambda: desk.loop.course is not first and settled(desk))
    assert desk.loop.course is not None
    assert desk.loop.course.watermark == wrong - timedelta(hours=3)
    early = len(desk.fake.ran)
    desk.ahead = timedelta(hours=1)
    desk.loop.wake.set()
    await until(lambda: len(desk.fake.ran) == early + 1 and settled(desk))
    assert desk.fake.ran[-1] == wrong - timedelta(hours=2)
    await until(lambda: desk.loop.facts.watermark == wrong - timedelta(hours=2))
