"""One run of one window beside others."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from influxops.core.pipeline.proofs.result import Target
from influxops.engine.link import LiveLink
from influxops.engine.pipeline import window_run
from influxops.engine.pipeline.window_run import Abandoned, AttemptFailed, run_window
from influxops.influx.errors import Forbidden, Unavailable
from tests.support.pipeline_desk import PipelineDesk, hours
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.until import until


async def test_nobody_writes_into_a_bucket_while_a_delete_without_answer_may_be_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer is lost: the window waits before it gives the bucket back, and only then another writes there."""
    released = asyncio.Event()

    async def sleep(seconds: float) -> None:
        assert seconds == window_run.UNANSWERED
        await released.wait()

    monkeypatch.setattr(window_run, "asyncio", _Asyncio(sleep))
    desk = PipelineDesk()
    plan = hours(plan_of({"a": StageOf(target=Target("raw", "m"))}), 2)
    stage = plan.stages["a"]
    first = stage.cadence.latest(desk.tools.context.now())
    desk.fake.fail_next("delete_points", Unavailable("the connection was closed"), after_commit=True)
    lost = asyncio.create_task(run_window(desk.link, replace(stage, replace=True), first, lambda: None))
    await until(lambda: desk.fake.count("delete_points") == 1)
    other = asyncio.create_task(run_window(desk.link, stage, first, lambda: None))
    elsewhere = asyncio.create_task(
        run_window(desk.link, replace(stage, target=Target("other", "m")), first, lambda: None)
    )
    await elsewhere
    assert len(desk.fake.ran) == 1
    assert not other.done()
    released.set()
    with pytest.raises(Abandoned):
        await lost
    await other
    assert len(desk.fake.ran) == 2


@pytest.mark.parametrize("as_is", [False, True])
async def test_a_script_that_the_token_may_not_run_says_what_the_token_needs(as_is: bool) -> None:
    """InfluxDB names no right for a script's own reads and writes; where it names one, that is told."""
    desk = PipelineDesk()
    stage = replace(plan_of({"a": StageOf()}).stages["a"], as_is=as_is)
    window = stage.cadence.latest(desk.tools.context.now())
    for right, needs in (("", "to read and write the buckets of the script"), ("read:buckets", "read:buckets")):
        desk.fake.always["run_script"] = Forbidden("user not authorized to write", right)
        with pytest.raises(AttemptFailed) as failed:
            await run_window(desk.link, stage, window, lambda: None)
        assert str(failed.value) == f"user not authorized to write; the token needs {needs}"


async def test_a_cancelled_run_leaves_the_bucket_when_its_delete_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pipeline is deleted, or its connection handed on: InfluxDB goes on with the delete, so the next one waits for that."""
    desk = PipelineDesk()
    plan = hours(plan_of({"a": StageOf(target=Target("raw", "m"))}), 2)
    stage = plan.stages["a"]
    first = stage.cadence.latest(desk.tools.context.now())
    under_way, answer = asyncio.Event(), asyncio.Event()

    async def delete_points(*_: object) -> None:
        under_way.set()
        await answer.wait()

    monkeypatch.setattr(desk.fake, "delete_points", delete_points)
    cancelled = asyncio.create_task(run_window(desk.link, replace(stage, replace=True), first, lambda: None))
    await under_way.wait()
    cancelled.cancel()
    other = asyncio.create_task(run_window(desk.link, stage, first, lambda: None))
    elsewhere = asyncio.create_task(
        run_window(desk.link, replace(stage, target=Target("other", "m")), first, lambda: None)
    )
    await elsewhere
    assert not cancelled.done()
    assert not other.done()
    answer.set()
    await other
    assert cancelled.cancelled()
    assert len(desk.fake.ran) == 2


async def test_a_cancelled_run_whose_delete_was_not_sent_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for its turn, and nothing is deleted any more."""
    desk = PipelineDesk()
    stage = hours(plan_of({"a": StageOf(target=Target("raw", "m"))}), 2).stages["a"]
    first = stage.cadence.latest(desk.tools.context.now())
    waits = asyncio.Event()

    async def call(*_: object, **__: object) -> None:
        waits.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(LiveLink, "call", call)
    run = asyncio.create_task(run_window(desk.link, replace(stage, replace=True), first, lambda: None))
    await waits.wait()
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    assert run.cancelled()
    assert desk.fake.count("delete_points") == 0


class _Asyncio:
    """The module asyncio, but for this."""

    def __init__(self, sleep: object) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)
