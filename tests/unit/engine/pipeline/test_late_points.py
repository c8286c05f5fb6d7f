"""Late points in a loop: their windows run again once, and a look that fails is told once and made again later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from influxops.core.pipeline.proofs.result import Source
from influxops.influx.errors import Forbidden
from tests.support.pipeline_desk import PipelineDesk, hours
from tests.support.pipeline_plans import StageOf, plan_of
from tests.support.until import until

PLAN = plan_of({"a": StageOf(source=Source("raw", "m", "f")), "b": StageOf(after=("a",))})


@pytest.fixture
async def desk() -> AsyncIterator[PipelineDesk]:
    made = PipelineDesk()
    yield made
    await made.stop()


def settled(desk: PipelineDesk) -> bool:
    """All that has closed has succeeded."""
    course = desk.loop.course
    return course is not None and not len(course.agenda) and not course.writer.waiting


async def test_a_late_point_runs_its_window_and_what_is_made_of_it_once_more(desk: PipelineDesk) -> None:
    plan = hours(PLAN, 3, allowed=86400, check_every=3600)
    desk.start(plan)
    await until(lambda: settled(desk))
    late = plan.begin + timedelta(minutes=90)
    await desk.fake.write_points(desk.link.org_id, "raw", [f"m f=1 {int(late.timestamp())}000000000"])
    for look in (1, 2):
        counted = desk.fake.count("count_by_time")
        desk.loop._aside._late.begin()
        desk.loop.wake.set()
        await until(lambda counted=counted: desk.fake.count("count_by_time") > counted)  # type: ignore[misc]
        await until(lambda: not desk.loop._aside._look or desk.loop._aside._look.done())
        await until(lambda: settled(desk))
        records = await desk.ledger(plan.owner)
        again = [(one.stage, one.window.start, one.source_count) for one in records if one.revision == 2]
        start = plan.begin + timedelta(hours=1)
        assert sorted(again) == [("a", start, 1), ("b", start, None)], f"after look {look}"
    assert len(desk.fake.ran) == 8


async def test_where_late_points_are_only_told_each_is_told_and_counted_once(desk: PipelineDesk) -> None:
    """Nothing runs again, so every look finds the same; another point is another change."""
    plan = hours(PLAN, 3, allowed=86400, check_every=3600, rerun_late=False)
    desk.start(plan)
    await until(lambda: settled(desk))
    late, counts = plan.begin + timedelta(minutes=90), []
    for second in (1, 1, 2, 2):
        point = int(late.timestamp()) + second
        await desk.fake.write_points(desk.link.org_id, "raw", [f"m f=1 {point}000000000"])
        counted = desk.fake.count("count_by_time")
        desk.loop._aside._late.begin()
        desk.loop.wake.set()
        await until(lambda counted=counted: desk.fake.count("count_by_time") > counted)  # type: ignore[misc]
        await until(lambda: not desk.loop._aside._look or desk.loop._aside._look.done())
        counts.append(desk.metrics.pipelines.late_windows_total.labels("ns/p", "a")._value.get())
    start = plan.begin + timedelta(hours=1)
    window = f"a {start:%Y-%m-%dT%H:%M:%SZ}"
    assert len(desk.fake.ran) == 6, "windows ran again"
    assert counts == [1, 1, 2, 2]
    assert [reason for reason, _ in desk.recorder.events] == ["LateData"] * 2
    assert [text.count(window) for _, text in desk.recorder.events] == [1, 1]
    assert all(
        text.endswith(
            "; they are not run again, for spec.lateness.onLate is Report. An InfluxBackfill of that range with reprocess: "
            "Completed runs them"
        )
        for _, text in desk.recorder.events
    )


async def test_another_source_of_a_stage_is_no_late_data(desk: PipelineDesk) -> None:
    """What its windows counted is not what would be counted now; what comes late for the former source is seen again with that."""
    plan = hours(PLAN, 3, allowed=86400, check_every=3600)
    wide = Source("raw", "m")
    other = replace(plan, stages={**plan.stages, "a": replace(plan.stages["a"], source=wide)})
    middle = int((plan.begin + timedelta(minutes=90)).timestamp())
    await desk.fake.write_points(desk.link.org_id, "raw", [f"m f=1,g=1 {middle}000000000"])
    desk.start(plan)
    await until(lambda: settled(desk))
    records = [one for one in await desk.ledger(plan.owner) if one.stage == "a"]
    assert [(one.source_count, one.source) for one in records] == [
        (n, Source("raw", "m", "f").digest) for n in (0, 1, 0)
    ]
    desk.loop.configure(other)
    counted = desk.fake.count("ledger_records")
    await until(lambda: desk.loop.course is not None and desk.loop.course.plan == other and settled(desk))
    await until(lambda: desk.fake.count("ledger_records") > counted and not _looking(desk))
    assert (len(desk.fake.ran), desk.recorder.events) == (6, [])
    await desk.fake.write_points(desk.link.org_id, "raw", [f"m f=1 {middle + 1}000000000"])
    desk.loop.configure(plan)
    await until(lambda: len(desk.fake.ran) == 8)
    assert [reason for reason, _ in desk.recorder.events] == ["LateData"]


def _looking(desk: PipelineDesk) -> bool:
    look = desk.loop._aside._look
    return look is not None and not look.done()


async def test_what_succeeds_while_a_look_counts_is_made_anew_all_the_same(desk: PipelineDesk) -> None:
    """A stage runs over a window for the first time while its parent's late point is being found: the ledger that the look has read
    does not know of that run, and it has read the parent's old points.
    """
    child, answer, counting = asyncio.Event(), asyncio.Event(), asyncio.Event()
    run, count, ran = desk.fake.run_script, desk.fake.count_by_time, 0

    async def slow_run(*arguments: Any, **named: Any) -> Any:
        nonlocal ran
        ran += 1
        if ran == 2:
            await child.wait()
        return await run(*arguments, **named)

    async def slow_count(*arguments: Any, **named: Any) -> Any:
        found = await count(*arguments, **named)
        counting.set()
        await answer.wait()
        return found

    desk.fake.run_script = slow_run  # type: ignore[method-assign]
    plan = hours(PLAN, 1, allowed=86400, check_every=3600)
    desk.start(plan)
    await until(lambda: ran == 2)
    course = desk.loop.course
    assert course is not None
    await until(lambda: not course.writer.waiting)
    await desk.fake.write_points(desk.link.org_id, "raw", [f"m f=1 {int(plan.begin.timestamp())}000000000"])
    desk.fake.count_by_time = slow_count  # type: ignore[method-assign]
    desk.loop._aside._late.begin()
    desk.loop.wake.set()
    await until(counting.is_set)
    child.set()
    await until(lambda: not len(course.agenda))
    answer.set()
    await until(lambda: desk.loop._aside._look is not None and desk.loop._aside._look.done())
    await until(lambda: settled(desk))
    records = await desk.ledger(plan.owner)
    assert sorted((one.stage, one.revision) for one in records) == [("a", 2), ("b", 2)]


async def test_a_look_that_fails_is_told_once_and_not_made_again_at_once(desk: PipelineDesk) -> None:
    plan = hours(PLAN, 1, allowed=86400, check_every=3600)
    desk.start(plan)
    await until(lambda: settled(desk))
    desk.fake.always["ledger_records"] = Forbidden("no", "read:buckets")
    read = desk.fake.count("ledger_records")
    desk.loop._aside._late.begin()
    for _ in range(5):
        desk.loop.wake.set()
        await until(lambda: not desk.loop.wake.is_set())
        await until(lambda: desk.fake.count("ledger_records") > read)
    assert desk.fake.count("ledger_records") == read + 1
    assert [reason for reason, _ in desk.recorder.events] == ["LateData"]
