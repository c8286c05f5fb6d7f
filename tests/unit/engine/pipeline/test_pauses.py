"""Stages whose attempts come to no verdict: left alone for longer and longer, told of once, and nobody else waits for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from influxops.core.keys import Key, Kind
from influxops.core.pipeline.plan import NativeTask
from influxops.engine.pipeline import pauses as pauses_module
from influxops.engine.pipeline.pauses import LONGEST, SHORTEST, Pauses
from influxops.influx.errors import Unauthorized
from tests.support.pipeline_desk import PipelineDesk, hours
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.until import until


def test_each_pause_is_longer_than_the_one_before() -> None:
    """What ends together counts once; a verdict ends it all."""
    clock = [100.0]
    pauses = Pauses(lambda: clock[0])
    assert not pauses.holds("a")
    assert pauses.left() is None
    lengths = []
    for _ in range(8):
        pauses.begin("a")
        left = pauses.left()
        pauses.begin("a")  # another run of the same moment
        assert pauses.left() == left
        assert pauses.holds("a")
        assert not pauses.holds("b")
        assert left is not None
        lengths.append(left)
        clock[0] += left
        assert not pauses.holds("a")
    assert lengths == [min(LONGEST, SHORTEST * 2**number) for number in range(8)]
    pauses.over("a")
    pauses.begin("a")
    assert pauses.left() == SHORTEST


async def test_a_stage_whose_task_is_gone_holds_up_no_other(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody makes it anew, as with approval Manual: each of its windows waits, first in the order, and the other stage runs all of its own."""
    monkeypatch.setattr(pauses_module, "SHORTEST", 0.05)
    plan = hours(plan_of({"a": StageOf(), "b": StageOf()}), 8)
    native = NativeTask(Key(Kind.TASK, "ns", "t"), "00000000000000ff", 0)
    plan = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], native=native)})
    desk.start(plan)
    await until(lambda: len(desk.fake.ran) == 8)
    await until(lambda: any(reason == "Retrying" for reason, _ in desk.recorder.events))
    await until(lambda: any(one["reason"] == "Retrying" for one in desk.loop.facts.exceptions))
    shown = next(one for one in desk.loop.facts.exceptions if one["reason"] == "Retrying")
    assert shown["stage"] == "a"
    assert "task 00000000000000ff of InfluxTask ns/t is not there" in shown["message"]
    assert shown["attempt"] == 0


async def test_a_window_that_never_comes_to_a_verdict_is_told_of_although_others_of_its_stage_do(
    desk: PipelineDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy before InfluxDB that lets the one long query not through, for example."""
    monkeypatch.setattr(pauses_module, "SHORTEST", 0.02)
    plan = hours(plan_of({"a": StageOf()}), 8)
    run_script, odd = desk.fake.run_script, plan.begin + timedelta(hours=3)

    async def run(org_id: str, flux: str, now: datetime, timeout: float, **more: Any) -> Any:
        if now == odd:
            raise Unauthorized("a proxy wants to know who asks")
        return await run_script(org_id, flux, now, timeout, **more)

    desk.fake.run_script = run  # type: ignore[method-assign]
    desk.start(plan)
    await until(lambda: any(one["reason"] == "Retrying" for one in desk.loop.facts.exceptions))
    (shown,) = desk.loop.facts.exceptions
    assert (shown["reason"], shown["attempt"]) == ("Retrying", 0)
    assert len(desk.fake.ran) == 7
    ((reason, text),) = desk.recorder.events
    assert reason == "Retrying"
    assert "a proxy wants to know who asks" in text
    desk.fake.run_script = run_script  # type: ignore[method-assign]
    await until(lambda: desk.loop.facts.exceptions == () and len(desk.fake.ran) == 8, 30)
