"""The operator dies, or is not answered, as it asks for runs of slots: no slot ever has two runs that succeeded."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.workloads_consent import task
from tests.support.faults import CRASHES, KILL_COMMITTED, LOST, RESET, Fault, Rule
from tests.support.history import INFLUX, Exchange
from tests.support.nursery import Nursery
from tests.support.until import until_async
from tests.support.world import World, shared_world

STRIKES = 3
"""The first so many requests for a run are struck."""
STEP = timedelta(seconds=3)
WORKS = 'import "array"\narray.from(rows: [{a: 1}])\n'
FAILS_AT_FIRST = 'name = "la" + "ter"\nfrom(bucket: name) |> range(start: -1h)\n'
SOON = {"initial": "1s", "factor": 1, "max": "1s", "jitter": 0}

Slots = dict[datetime, list[str]]


def asks_for_a_run(exchange: Exchange) -> bool:
    """Of any slot."""
    return exchange.server == INFLUX and exchange.method == "POST" and exchange.path.endswith("/runs")


async def runs_of(made: World, task_id: str) -> list[dict[str, str]]:
    """The runs of a task. influxd 2.7.12 panics over this list now and then while several runs end."""
    for _ in range(10):
        with contextlib.suppress(AssertionError):
            found: list[dict[str, str]] = (await made.influxdb.call("GET", f"tasks/{task_id}/runs", limit="500"))[
                "runs"
            ]
            return found
    raise AssertionError("the runs cannot be listed")


async def slots_of(made: World) -> Slots:
    """Slot -> the states of its runs."""
    (one,) = [found for found in (await made.look()).tasks if found["id"] not in made.foreign]
    found: Slots = defaultdict(list)
    for run in await runs_of(made, one["id"]):
        found[datetime.fromisoformat(run["scheduledFor"])].append(run["status"])
    return found


async def suspend_over_five_slots(made: World, _: Rule) -> None:
    """What is missed is then to be caught up."""
    await made.connect()
    await made.admin.create("InfluxTask", "alpha", task(flux=WORKS, every="3s", catchUp={"policy": "All"}))
    await made.until(lambda view: bool(view.live("InfluxTask")["alpha"].get("status", {}).get("lastRun")))
    await made.admin.patch("InfluxTask", "alpha", suspend=True)
    await made.rest()
    last = max(await slots_of(made))

    async def passed() -> bool:
        return datetime.now().astimezone() - last > 6 * STEP

    await until_async(passed)
    await made.admin.patch("InfluxTask", "alpha", suspend=False)


async def fail_until_a_bucket_comes(made: World, rule: Rule) -> None:
    """Every slot fails until then, and its retries too."""
    await made.connect()
    spec = task(flux=FAILS_AT_FIRST, every="15s", retry={"limit": 10, "backoff": SOON})
    await made.admin.create("InfluxTask", "alpha", spec)

    async def struck() -> bool:
        return len(rule.struck) == STRIKES and bool(await slots_of(made))

    await made.until(lambda view: "taskID" in view.live("InfluxTask")["alpha"].get("status", {}))
    await until_async(struck, seconds=90.0)
    rules = [{"type": "expire", "everySeconds": 0}]
    await made.influxdb.call("POST", "buckets", {"orgID": made.org.org_id, "name": "later", "retentionRules": rules})


def caught_up(slots: Slots) -> bool:
    """No hole in the grid, from the first run to the last."""
    grid = sorted(slot for slot, states in slots.items() if "success" in states)
    return len(grid) > 7 and grid[-1] - grid[0] == (len(grid) - 1) * STEP


def healed(slots: Slots) -> bool:
    """Every slot that failed has succeeded."""
    return all("success" in states for states in slots.values())


FAULTS = [
    pytest.param(fault, id=fault.name, marks=() if fault is KILL_COMMITTED else pytest.mark.prove)
    for fault in (*CRASHES, LOST, RESET)
]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("act", "whole"),
    [(suspend_over_five_slots, caught_up), (fail_until_a_bucket_comes, healed)],
    ids=["catch-up", "retry"],
)
async def test_no_slot_succeeds_twice(
    act: Callable[[World, Rule], Awaitable[None]],
    whole: Callable[[Slots], bool],
    fault: Fault,
    fault_stack: Stack,
    nursery: Nursery,
    tmp_path: Path,
) -> None:
    """The first requests for a run are struck; in the end every slot has succeeded exactly once."""
    async with shared_world(fault_stack, nursery, tmp_path) as made:
        rule = made.influx.add(Rule(asks_for_a_run, fault, times=STRIKES))
        made.start()
        await act(made, rule)

        async def over() -> bool:
            await asyncio.sleep(0.2)
            return len(rule.struck) == STRIKES and whole(await slots_of(made))

        await until_async(over, seconds=100.0)
        await made.admin.patch("InfluxTask", "alpha", suspend=True)
        await made.rest()
        slots = await slots_of(made)
        assert {Counter(states)["success"] for states in slots.values()} <= {0, 1}, slots
        assert made.faults_in_log() == []
