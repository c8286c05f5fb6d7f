"""SIGTERM while work is under way: what was begun is finished, the lease is given up, and the exit status is 0."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from tests.fault.workloads import connected, one_task, task
from tests.support.faults import Fault, Rule, Stage, request_to, slow, write_named
from tests.support.history import INFLUX
from tests.support.nursery import Nursery
from tests.support.oracles import ownership, summary
from tests.support.until import until
from tests.support.world import INSTANCE, World, shared_world

GRACE = 25.0
"""Seconds in which it must have ended: the default of --shutdown-grace and a few for the rest."""


async def lease_of(made: World) -> dict[str, Any]:
    """The Lease as it stands."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{made.namespace}/leases/influxops"
    found: dict[str, dict[str, Any]] = await made.admin.call("GET", path)
    return found["spec"]


async def end(made: World) -> float:
    """Send SIGTERM and wait for a clean end; seconds that it took."""
    assert made.operator is not None
    began = time.monotonic()
    made.operator.terminate()
    assert await made.operator.wait(GRACE) == 0, made.operator.tail()
    assert made.faults_in_log() == []
    assert not (await lease_of(made)).get("holderIdentity"), "the lease is still held"
    return time.monotonic() - began


async def test_at_rest_it_ends_at_once(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Nothing is under way, watches are open: it ends within five seconds."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start()
        await one_task(made)
        await made.rest(sweeps=0)
        assert await end(made) < 5.0


@pytest.mark.parametrize("stage", [Stage.BEFORE, Stage.COMMITTED])
async def test_a_create_in_flight_is_finished(
    stage: Stage, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """The request that creates a task hangs when SIGTERM comes: its answer is awaited, and its id is in status."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start()
        await connected(made)
        await made.rest(sweeps=0)
        gate = asyncio.Event()
        rule = made.influx.add(Rule(write_named("influx-post-task-alpha-1"), Fault("held", stage, hold=gate)))
        await made.admin.create("InfluxTask", "alpha", task())
        await until(lambda: bool(rule.struck), 30.0)
        ending = asyncio.create_task(end(made))
        await asyncio.sleep(0.5)  # the signal is to arrive while the request hangs
        gate.set()
        assert await ending < GRACE
        view = await made.look()
        assert ownership(view, INSTANCE) == []
        await _comes_back(made, {("task-alpha", "create"): 1})


async def test_a_change_of_schedule_is_not_left_half_done(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Between the request that pauses the task and the one that resumes it: it must not stay paused."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start()
        await one_task(made)
        await made.rest(sweeps=0)
        made.history.recount()
        gate = asyncio.Event()
        rule = made.influx.add(
            Rule(write_named("influx-patch-task-alpha-1"), Fault("held", Stage.COMMITTED, hold=gate))
        )
        await made.admin.patch("InfluxTask", "alpha", every="12h")
        await until(lambda: bool(rule.struck), 30.0)
        ending = asyncio.create_task(end(made))
        await asyncio.sleep(0.5)
        gate.set()
        await ending
        (found,) = [one for one in (await made.look()).tasks if one["id"] not in made.foreign]
        assert (found["status"], found["every"]) == ("active", "12h")
        await _comes_back(made, {("task-alpha", "create"): 1})


async def test_many_creates_under_way(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Forty creates and a slow InfluxDB: those under way end well, the rest is made by the next operator, none twice."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start()
        await connected(made)
        await made.rest(sweeps=0)
        rule = made.influx.add(Rule(request_to(INFLUX, "POST", "/api/v2/tasks"), slow(0.3), times=None))
        names = [f"task{number}" for number in range(40)]
        await asyncio.gather(*(made.admin.create("InfluxTask", name, task()) for name in names))
        await until(lambda: len(rule.struck) >= 10, 30.0)
        await end(made)
        assert not [write for write in made.history.writes() if write.ended is None], "a write was cut off"
        committed = len(summary(made.history.writes()))
        assert 10 <= committed < 40
        await _comes_back(made, {(f"task-{name}", "create"): 1 for name in names})


async def test_a_server_that_hangs_does_not_hold_up_the_end(
    fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """The answer to a create never comes: the grace ends, so does the operator, and the next one finds the task."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start("--shutdown-grace", "2")
        await connected(made)
        await made.rest(sweeps=0)
        gate = asyncio.Event()
        rule = made.influx.add(Rule(write_named("influx-post-task-alpha-1"), Fault("held", Stage.COMMITTED, hold=gate)))
        await made.admin.create("InfluxTask", "alpha", task())
        await until(lambda: bool(rule.struck), 30.0)
        assert 2.0 <= await end(made) < 8.0
        gate.set()
        await _comes_back(made, {("task-alpha", "create"): 1})


async def test_the_next_operator_need_not_wait_for_the_lease(
    fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """A lease that was given up is taken at once, not when it would have run out."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        made.start()
        await one_task(made)
        await made.rest(sweeps=0)
        await end(made)
        following = made.start()
        await made.admin.patch("InfluxTask", "alpha", suspend=True)
        await made.rest(sweeps=0)
        assert (await lease_of(made))["holderIdentity"]
        assert "is lost" not in following.tail(200)


async def _comes_back(made: World, wanted: dict[tuple[str, str], int]) -> None:
    """The next operator finds everything as it should be."""
    made.start()
    view = await made.rest(sweeps=0)
    assert ownership(view, INSTANCE) == []
    assert summary(made.history.writes()) == wanted
