"""A request of a former leader arrives after another has taken over: what it does, and for how long."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.workloads import OTHER, policy
from tests.fault.workloads_consent import one_task, task
from tests.support.faults import Fault, Rule, Stage
from tests.support.figures import note
from tests.support.history import Exchange
from tests.support.leadership import SHORT, judge
from tests.support.nursery import Nursery
from tests.support.oracles import View, ownership
from tests.support.pair import FIRST, Loss, Pair, by, pair
from tests.support.until import until, until_async
from tests.support.world import INSTANCE, World, shared_world

pytestmark = [pytest.mark.timeout(240), pytest.mark.prove]

SOON = 10.0
"""Seconds, with a sweep every second, in which what a late write did is put right."""


@pytest.fixture
async def two(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> AsyncIterator[Pair]:
    """The first leads, the second stands by."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made, pair(made, fault_stack) as both:
        yield both
        assert both.faults_in_logs() == []
        assert judge(both.made.history.exchanges, SHORT).problems == []


class Late:
    """One write of the first leader that is on its way while the second takes over."""

    def __init__(self, two: Pair, write_id: str) -> None:
        self.two = two
        held = Fault("late", Stage.BEFORE, hold=two.later)
        door = two.made.influx if write_id.startswith("influx-") else two.doors[FIRST]
        self.rule = door.add(Rule(by(FIRST, write_id), held))

    async def passed_on(self) -> None:
        """Wait for the write, and then let the second become the leader."""
        await until(lambda: bool(self.rule.struck), 30.0)
        self.two.lose(Loss.HELD)
        await self.two.taken_over()

    async def arrives(self) -> Exchange:
        """Let it reach the server; what became of it."""
        self.two.later.set()
        (late,) = self.rule.struck
        await until(lambda: late.ended is not None, 30.0)
        assert late.ended is not None
        return late

    async def until_right(self, right: Callable[[View], bool]) -> float:
        """Seconds from the arrival until something holds of both servers, and goes on to hold."""
        (late,) = self.rule.struck
        made = self.two.made

        async def is_right() -> bool:
            return right(await made.look())

        await until_async(is_right, SOON)
        assert late.ended is not None
        took = time.monotonic() - late.ended
        assert right(await made.rest())
        return took


def ours(view: View, made: World) -> list[dict[str, object]]:
    """The tasks that are not of others."""
    return [one for one in view.tasks if one["id"] not in made.foreign]


async def test_a_late_create_is_found_by_its_mark(two: Pair) -> None:
    """The task is there twice, until the next sweep sees the mark: the older one stays, which status names."""
    made = two.made
    await made.connect()
    await made.rest(sweeps=0)
    late = Late(two, "influx-post-task-alpha")
    await made.admin.create("InfluxTask", "alpha", task())
    await late.passed_on()
    (known,) = ours(await made.rest(), made)
    assert (await late.arrives()).status == 201
    took = await late.until_right(lambda view: [one["id"] for one in ours(view, made)] == [known["id"]])
    assert ownership(await made.look(), INSTANCE) == []
    note("late create: seconds that the double lived, sweep 1 s", seconds=took)


async def test_a_late_create_of_a_former_spec_is_told_of(two: Pair) -> None:
    """The spec has changed meanwhile, so nobody can tell it from a copy that somebody has made: it stays, and an event names it."""
    made = two.made
    await made.connect()
    await made.rest(sweeps=0)
    late = Late(two, "influx-post-task-alpha")
    await made.admin.create("InfluxTask", "alpha", task())
    await until(lambda: bool(late.rule.struck), 30.0)
    await made.admin.patch("InfluxTask", "alpha", flux=OTHER)
    await late.passed_on()
    (known,) = ours(await made.rest(), made)
    assert (await late.arrives()).status == 201
    (copy,) = [one for one in ours(await made.look(), made) if one["id"] != known["id"]]

    async def told() -> bool:
        path = f"/apis/events.k8s.io/v1/namespaces/{made.namespace}/events"
        found = (await made.admin.call("GET", path))["items"]
        return any(one["reason"] == "CopiedMarker" and str(copy["id"]) in one["note"] for one in found)

    await until_async(told)
    (stays,) = [one for one in ours(await made.rest(), made) if one["id"] == known["id"]]
    assert "mem" in str(stays["flux"])


async def test_a_late_update_is_drift(two: Pair) -> None:
    """The task is for a moment as an older spec wanted it."""
    made = two.made
    await one_task(made)
    await made.rest(sweeps=0)
    made.history.recount()
    late = Late(two, "influx-patch-task-alpha")
    await made.admin.patch("InfluxTask", "alpha", description="the former leader's")
    await late.passed_on()
    await made.admin.patch("InfluxTask", "alpha", description="the next leader's")
    before = ours(await made.rest(), made)
    assert before[0]["description"] == "the next leader's"
    assert (await late.arrives()).status == 200
    took = await late.until_right(lambda view: ours(view, made)[0]["description"] == "the next leader's")
    note("late update: seconds that the older spec stood, sweep 1 s", seconds=took)


async def test_a_late_delete_hits_nothing(two: Pair) -> None:
    """The object went with the next leader's deletion, and came back: its new task has another id."""
    made = two.made
    await one_task(made)
    await made.rest(sweeps=0)
    made.history.recount()
    late = Late(two, "influx-delete-task-alpha")
    await made.admin.delete("InfluxTask", "alpha")
    await late.passed_on()
    await made.gone("InfluxTask", "alpha")
    await made.admin.create("InfluxTask", "alpha", task())
    before = ours(await made.rest(), made)
    assert (await late.arrives()).status == 404
    assert ours(await made.rest(), made) == before


async def test_a_late_change_of_a_bucket_is_drift(two: Pair) -> None:
    """A longer retention that the next leader's spec took back is taken back again."""
    made = two.made
    await made.connect()
    await made.admin.create("RetentionPolicy", "keep", policy(dataLossApproval="30d"))
    await made.rest(sweeps=0)
    made.history.recount()
    late = Late(two, "influx-patch-bucket-managed")
    await made.admin.patch("RetentionPolicy", "keep", description="the former leader's")
    await late.passed_on()
    await made.admin.patch("RetentionPolicy", "keep", description="the next leader's")

    def right(view: View) -> bool:
        (found,) = [one for one in view.buckets if one["name"] == "managed"]
        return str(found["description"]).startswith("the next leader's")

    assert right(await made.rest())
    assert (await late.arrives()).status == 200
    took = await late.until_right(right)
    note("late change of a bucket: seconds that it stood, sweep 1 s", seconds=took)


async def test_a_late_create_of_a_bucket_is_refused(two: Pair) -> None:
    """Names of buckets are unique."""
    made = two.made
    await made.connect()
    await made.rest(sweeps=0)
    late = Late(two, "influx-post-bucket-managed")
    await made.admin.create("RetentionPolicy", "keep", policy())
    await late.passed_on()
    before = (await made.rest()).buckets
    assert (await late.arrives()).status == 422
    assert (await made.rest()).buckets == before


@pytest.mark.parametrize("what", ["status", "metadata"])
async def test_a_late_write_to_kubernetes_is_refused(two: Pair, what: str) -> None:
    """It names the version, or the uid and the version, that it was decided on."""
    made = two.made
    await made.connect()
    await made.rest(sweeps=0)
    late = Late(two, f"kube-patch-task-alpha-{what}")
    await made.admin.create("InfluxTask", "alpha", task())
    await late.passed_on()
    await made.admin.patch("InfluxTask", "alpha", description="changed")
    await made.rest()
    before = await made.admin.get("InfluxTask", "alpha")
    assert (await late.arrives()).status in {409, 422}
    await made.rest()
    after = await made.admin.get("InfluxTask", "alpha")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
