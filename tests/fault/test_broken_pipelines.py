"""The oracles of pipelines and of stale views are tested too: an operator that is broken on purpose must not pass."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.stale_workloads import ALL as STALE
from tests.fault.window_tasks import ALL as TASKS
from tests.fault.window_workloads import ALL, nothing
from tests.support.crash import Plan
from tests.support.faults import KILL_COMMITTED
from tests.support.nursery import Nursery
from tests.support.operator import SOON
from tests.support.stale import StalePlan, run_stale_plan
from tests.support.watch_faults import How, WatchFault
from tests.support.window_crash import Ended, always, run_window_plan
from tests.support.world import world

pytestmark = pytest.mark.timeout(300)

AT_REST = replace(ALL["late"], name="at-rest", act=nothing, done=always, extra=0)
"""All windows have run, and only looks for late data come. No kill explains a further run then."""
KILLED_AT_REST = Plan(AT_REST, "time-count-1", KILL_COMMITTED)
SABOTAGES: dict[str, tuple[Plan, str]] = {
    "never_quiet_ledger": (Plan(ALL["catchup"]), "something was changed"),
    "forget_the_ledger": (KILLED_AT_REST, "TWICE"),
    "delete_of_others": (Plan(ALL["replace"]), "VALUES"),
}
"""Function of tests/support/sabotage.py -> a plan, and what the oracles must say of it."""


async def test_broken_pipelines_do_not_pass(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """A ledger that is written for ever, one that is not read, and a delete that takes the points of others."""

    async def ended(plan: Plan, *sabotage: str, clean: Ended | None = None, usual: Ended | None = None) -> Ended:
        async with world(fault_stack, nursery, tmp_path, sabotage=sabotage) as made:
            made.arguments = SOON
            return await run_window_plan(plan, made, clean, usual, patience=30.0 if sabotage else 60.0)

    clean, rest = await asyncio.gather(ended(Plan(ALL["clean"])), ended(Plan(AT_REST)))
    assert (clean.problems, rest.problems) == ([], [])

    async def problems(how: str, plan: Plan) -> str:
        against = {"usual": rest} if plan.workload is AT_REST else {"clean": clean}
        return "\n".join((await ended(plan, f"tests.support.sabotage:{how}", **against)).problems)

    sound, *found = await asyncio.gather(
        ended(KILLED_AT_REST, usual=rest), *(problems(how, plan) for how, (plan, _) in SABOTAGES.items())
    )
    assert sound.problems == []
    missed = {how: text for (how, (_, words)), text in zip(SABOTAGES.items(), found, strict=True) if words not in text}
    assert missed == {}


@pytest.mark.prove
async def test_who_asks_for_a_slot_without_a_look_does_not_pass(
    fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """A run that the operator asked for before it died is there: one more of the slot is found in InfluxDB's own records."""

    async def ended(plan: Plan, usual: Ended | None, *sabotage: str) -> Ended:
        async with world(fault_stack, nursery, tmp_path, sabotage=sabotage) as made:
            made.arguments = SOON
            return await run_window_plan(plan, made, None, usual)

    usual = await ended(Plan(TASKS["native"]), None)
    assert usual.problems == []
    plan = Plan(TASKS["native"], "run-request-2", KILL_COMMITTED)
    found = await ended(plan, usual, "tests.support.sabotage:ask_without_a_look")
    assert any(problem.startswith("TWICE: clean") for problem in found.problems), found.problems


@pytest.mark.prove
async def test_who_trusts_the_watch_does_not_pass(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """A deletion that no watch tells of is found by the comparison, and by nothing else."""
    plan = StalePlan(STALE["delete"], seen=WatchFault(How.HIDDEN, "InfluxTask", "alpha", 1))
    async with world(fault_stack, nursery, tmp_path, sabotage=["tests.support.sabotage:trust_the_watch"]) as made:
        found = await run_stale_plan(plan, made)
    assert found.problems, "it must be waited for in vain"
