"""One run of one window beside others."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from influxops.core.pipeline.result import Target
from influxops.engine.pipeline import window_run
from influxops.engine.pipeline.window_run import Abandoned, run_window
from influxops.influx.errors import Unavailable
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


class _Asyncio:
    """What the module uses of asyncio."""

    def __init__(self, sleep: object) -> None:
        self.sleep = sleep
