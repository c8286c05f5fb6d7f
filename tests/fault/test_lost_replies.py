"""Creates whose reply never arrives: exactly one task each, and never a second one, not even for a moment."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from tests.fault.workloads import policy, task
from tests.support.faults import LOST, Rule
from tests.support.figures import note
from tests.support.history import Exchange
from tests.support.nursery import Nursery
from tests.support.oracles import View, ownership, summary
from tests.support.world import INSTANCE, World, shared_world

MANY = int(os.environ.get("INFLUXOPS_LOST_REPLIES", "1000"))


def first_create(exchange: Exchange) -> bool:
    """The first POST of each task or bucket."""
    return exchange.write_id.startswith("influx-post-") and exchange.write_id.endswith("-1")


async def make(world: World, count: int) -> None:
    """So many tasks, and a policy for each ten of them, a few at a time."""
    gate = asyncio.Semaphore(16)

    async def one(kind: str, name: str, spec: dict[str, Any]) -> None:
        async with gate:
            await world.admin.create(kind, name, spec)

    tasks = [one("InfluxTask", f"task{number}", task()) for number in range(count)]
    names = [f"policy{number}" for number in range(count // 10)]
    await asyncio.gather(*tasks, *(one("RetentionPolicy", name, policy(bucket=name)) for name in names))


def made_of(view: View, world: World) -> tuple[int, int]:
    """How many tasks and buckets InfluxDB has of us."""
    tasks = sum(one["id"] not in world.foreign for one in view.tasks)
    return tasks, sum(bucket["name"].startswith("policy") for bucket in view.buckets)


@pytest.mark.parametrize(
    "count",
    [25, pytest.param(MANY, marks=[pytest.mark.prove, pytest.mark.timeout(3600)], id="many")],
)
async def test_lost_replies_make_no_doubles(count: int, fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """InfluxDB creates every one of them and the proxy swallows every answer."""
    started = time.monotonic()
    async with shared_world(fault_stack, nursery, tmp_path) as made:
        rule = made.influx.add(Rule(first_create, LOST, times=None))
        await made.connect()
        made.start()
        await make(made, count)
        view = await made.rest(seconds=90 + 3.0 * count)
        counts = summary(made.history.writes())
        assert ownership(view, INSTANCE) == []
        assert made_of(view, made) == (count, count // 10)
        assert len(rule.struck) == count + count // 10
        assert set(counts.values()) == {1}
        assert len(counts) == count + count // 10
        assert made.faults_in_log() == []
        note(f"lost replies, {count} tasks", tasks=count, buckets=count // 10, seconds=time.monotonic() - started)
