"""A request of a former leader about a pipeline's window arrives after another has run that window."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.window_workloads import ALL, BEGIN, BLOCK, HOUR, SHAPE, create, create_replacing, seed_all
from tests.support.faults import Fault, Rule, Stage
from tests.support.figures import note
from tests.support.history import Exchange
from tests.support.leadership import SHORT, judge
from tests.support.nursery import Nursery
from tests.support.pair import FIRST, SECOND, Loss, Pair, pair
from tests.support.steps import step_of
from tests.support.until import until, until_async
from tests.support.window_crash import PIPELINE, at_rest, destinations, look
from tests.support.window_oracles import ledger, skipped, status
from tests.support.world import World, shared_world

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
async def two(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> AsyncIterator[Pair]:
    """The first leads, the second stands by."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made, pair(made, fault_stack) as both:
        await seed_all(made)
        yield both
        assert both.faults_in_logs() == []
        assert judge(both.made.history.exchanges, SHORT).problems == []


async def take_over_during(two: Pair, step: str) -> Rule:
    """Hold the first request of a step, and let the other operator become the leader and do all the work."""
    held = Fault("late", Stage.BEFORE, hold=two.later)
    rule = two.made.influx.add(Rule(lambda one: one.who == FIRST and step_of(one) == step, held))
    await (create_replacing if step == "delete" else create)(two.made)
    await until(lambda: bool(rule.struck), 60.0)
    two.lose(Loss.HELD)
    await two.taken_over()
    await all_done(two.made, SECOND)
    return rule


async def all_done(made: World, who: str, since: int = 0) -> None:
    """Wait until an operator has read the ledger, the ledger has all windows, and nothing runs any more."""

    def has_read() -> bool:
        found = made.history.exchanges[since:]
        return any(one.who == who and step_of(one) == "ledger-read" and one.status == 200 for one in found)

    async def whole() -> bool:
        seen = await look(made, ALL["catchup"])
        return not [*skipped(SHAPE, seen), *ledger(SHAPE, seen.ledger), *status(SHAPE, seen.status)]

    await until(has_read, 60.0)
    await until_async(whole, 60.0)
    await at_rest(made, ALL["catchup"])


async def arrives(two: Pair, rule: Rule) -> Exchange:
    """Let it reach InfluxDB; what became of it."""
    two.later.set()
    (late,) = rule.struck
    await until(lambda: late.ended is not None, 30.0)
    return late


async def next_life(made: World) -> None:
    """Another operator, which knows only what is in the ledger."""
    assert made.operator is not None
    made.operator.kill()
    await made.operator.wait()
    since = len(made.history.exchanges)
    made.start()
    await all_done(made, "", since)


@pytest.mark.parametrize(
    "step", [*(pytest.param(name, marks=pytest.mark.prove) for name in ("run", "ledger-write")), "mark-write"]
)
async def test_what_arrives_late_changes_nothing(two: Pair, step: str) -> None:
    """A run writes the same points once more, a record tells of the same end; also the next life finds all done."""
    made = two.made
    rule = await take_over_during(two, step)
    before = await destinations(made)
    assert before
    late = await arrives(two, rule)
    assert late.committed
    assert await destinations(made) == before
    ran = sum(step_of(one) == "run" for one in made.history.exchanges)
    await next_life(made)
    assert await destinations(made) == before
    again = sum(step_of(one) == "run" for one in made.history.exchanges) - ran
    assert again <= 1
    assert late.ended is not None
    note(
        f"late {step}: seconds after the lease was lost, windows that ran again",
        late=late.ended - two.lost,
        again=again,
    )


@pytest.mark.prove
async def test_a_late_delete_of_replace_takes_what_its_successor_wrote(two: Pair) -> None:
    """Not promised: InfluxDB deletes whenever the request arrives. One window of one stage is lost, no other, and a backfill brings it back."""
    made = two.made
    rule = await take_over_during(two, "delete")
    before = await destinations(made)
    assert (await arrives(two, rule)).committed
    lost = set(before.splitlines()) - set((await destinations(made)).splitlines())
    assert lost
    assert {line.split()[0] for line in lost} == {"clean"}
    hour = f"{BEGIN:%Y-%m-%dT%H:}"
    assert all(f"('_time', '{hour}" in line for line in lost), lost
    span = {"start": f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}", "stop": f"{BEGIN + max(BLOCK, HOUR):%Y-%m-%dT%H:%M:%SZ}"}
    await made.admin.create(
        "InfluxBackfill", "again", {"pipelineRef": {"name": PIPELINE}, **span, "reprocess": "Completed"}
    )

    async def back() -> bool:
        return await destinations(made) == before

    await until_async(back, 60.0)
