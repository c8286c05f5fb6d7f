"""Creates whose reply never arrives: exactly one task each, and never a second one, not even for a moment."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.workloads import policy, task
from tests.support.faults import LOST, Rule
from tests.support.history import Exchange
from tests.support.nursery import Nursery
from tests.support.oracles import ownership, summary
from tests.support.world import INSTANCE, World, world

MANY = int(os.environ.get("INFLUXOPS_LOST_REPLIES", "1000"))


def first_create(exchange: Exchange) -> bool:
    """The first POST of each task or bucket."""
    return exchange.write_id.startswith("influx-post-") and exchange.write_id.endswith("-1")


async def make(world: World, count: int) -> None:
    """Create the resources, a few at a time."""
    gate = asyncio.Semaphore(16)

    async def one(number: int) -> None:
        async with gate:
            if number % 10 == 9:
                name = f"policy{number}"
                await world.admin.create("RetentionPolicy", name, policy(bucket=name))
            else:
                await world.admin.create("InfluxTask", f"task{number}", task())

    await asyncio.gather(*(one(number) for number in range(count)))


@pytest.mark.parametrize(
    "count",
    [30, pytest.param(MANY, marks=[pytest.mark.prove, pytest.mark.timeout(3600)], id="many")],
)
async def test_lost_replies_make_no_doubles(
    count: int, fault_stack: Stack, nursery: Nursery, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """InfluxDB creates every one of them and the proxy swallows every answer."""
    started = time.monotonic()
    async with world(fault_stack, nursery, tmp_path) as made:
        rule = made.influx.add(Rule(first_create, LOST, times=None))
        await made.connect()
        made.start()
        await make(made, count)
        view = await made.rest(seconds=60 + 2.0 * count)
        counts = summary(made.history.writes())
        assert ownership(view, INSTANCE) == []
        assert len(view.tasks) + sum(bucket["name"].startswith("policy") for bucket in view.buckets) == count
        assert len(rule.struck) == count
        assert set(counts.values()) == {1}
        assert len(counts) == count
        assert made.faults_in_log() == []
    record_property("seconds", round(time.monotonic() - started, 1))
