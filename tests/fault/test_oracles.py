"""The oracles are tested too: an operator that is broken on purpose must not pass."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from influxops.core.marker import Owner, sha256, stamp_description, stamp_script
from tests.fault.workloads import ALL
from tests.support.crash import Plan, Result, run_plan
from tests.support.faults import KILL_AFTER, KILL_COMMITTED, LOST, Fault
from tests.support.nursery import Nursery
from tests.support.oracles import View, compare_summaries, ownership, picture
from tests.support.world import INSTANCE, world

OWNER = Owner(INSTANCE, "InfluxTask", "default", "alpha")


async def sabotaged(
    stack: Stack,
    nursery: Nursery,
    directory: Path,
    how: str,
    workload: str,
    write: str = "",
    fault: Fault | None = None,
) -> str:
    """The problems of a plan with an operator that is broken, beside the reference of one that is not."""
    async with world(stack, nursery, directory) as made:
        reference = await run_plan(Plan(ALL[workload]), made)
    assert not reference.problems, reference.problems
    async with world(stack, nursery, directory, sabotage=[f"tests.support.sabotage:{how}"]) as made:
        result: Result = await run_plan(Plan(ALL[workload], write, fault), made, reference, patience=15.0)
    return "\n".join(result.problems)


@pytest.mark.parametrize("fault", [KILL_COMMITTED, LOST], ids=lambda fault: fault.name)
async def test_doubles_are_caught_when_markers_are_not_looked_up(
    fault: Fault, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """Without the marker lookup, a create whose reply is lost makes a second task, and the suite says so."""
    found = await sabotaged(
        fault_stack, nursery, tmp_path, "ignore_markers", "create", "influx-post-task-alpha-1", fault
    )
    assert "DOUBLE: InfluxTask 'alpha' has 2 tasks" in found


async def test_orphans_are_caught(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """A task that outlives its resource unasked."""
    found = await sabotaged(
        fault_stack, nursery, tmp_path, "forget_to_delete", "delete", "kube-patch-task-alpha-metadata-1", KILL_AFTER
    )
    assert "ORPHAN: 1 marked tasks of InfluxTask 'alpha'" in found


async def test_unrest_is_caught(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """An operator that writes at every sweep never comes to rest."""
    async with world(fault_stack, nursery, tmp_path, sabotage=["tests.support.sabotage:never_quiet"]) as made:
        result = await run_plan(Plan(ALL["create"]), made, patience=10.0)
    assert "not at rest" in "\n".join(result.problems)


async def test_a_touched_stranger_is_caught(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Somebody else's task is deleted."""
    found = await sabotaged(fault_stack, nursery, tmp_path, "touch_strangers", "create")
    assert "FOREIGN: changed" in found


def task(name: str = "default/alpha", **fields: Any) -> dict[str, Any]:
    flux = stamp_script(OWNER, "uid-1", "x = 1\n")
    return {"id": "0" * 16, "name": name, "flux": flux, "status": "active", **fields}


def resource(**status: Any) -> dict[str, Any]:
    found = {"taskID": "0" * 16, "scriptHash": f"sha256:{sha256(task()['flux'])}", **status}
    return {
        "kind": "InfluxTask",
        "metadata": {"name": "alpha", "uid": "uid-1", "generation": 1},
        "spec": {"every": "1h"},
        "status": found,
    }


GOOD = View([resource()], [task()], [])


def test_a_good_end_is_no_problem() -> None:
    assert ownership(GOOD, INSTANCE) == []


@pytest.mark.parametrize(
    ("view", "problem"),
    [
        (View([resource()], [], []), "MISSING"),
        (View([], [task()], []), "ORPHAN"),
        (View([resource()], [task(), task(id="1" * 16)], []), "DOUBLE"),
        (View([resource(taskID="f" * 16)], [task()], []), "status.taskID"),
        (View([resource(scriptHash="sha256:0")], [task()], []), "status.scriptHash"),
        (View([resource()], [task(flux=task()["flux"] + "y = 2\n")], []), "does not fit"),
        (
            View([], [], [{"id": "b", "name": "raw", "description": stamp_description(OWNER, "uid-1", "")}]),
            "ORPHAN: bucket",
        ),
    ],
    ids=["missing", "orphan", "double", "other-id", "other-script", "edited", "orphaned-bucket"],
)
def test_each_kind_of_wrong_ownership_is_named(view: View, problem: str) -> None:
    assert any(problem in found for found in ownership(view, INSTANCE))


def test_others_tasks_are_no_orphans() -> None:
    """Neither another installation's mark nor an unmarked task is our business."""
    other = stamp_script(Owner("another", "InfluxTask", "default", "alpha"), "uid-1", "x = 1\n")
    assert ownership(View([], [task(flux=other), task(flux="x = 1")], []), INSTANCE) == []


def test_summaries_tell_a_healed_double_from_a_lost_one() -> None:
    reference = Counter({("task-alpha", "create"): 1})
    healed = Counter({("task-alpha", "create"): 2, ("task-alpha", "delete"): 1})
    assert compare_summaries(reference, reference) == []
    assert "HEALED: task-alpha was created 1 times too often" in compare_summaries(healed, reference)[0]
    assert "+1 creates and +0 deletes" in compare_summaries(Counter({("task-alpha", "create"): 2}), reference)[0]
    assert "+0 creates and +1 deletes" in compare_summaries(reference + Counter({("x", "delete"): 1}), reference)[0]


def test_pictures_hide_what_differs_from_run_to_run_and_nothing_else() -> None:
    again = copy.deepcopy(GOOD)
    again.objects[0]["metadata"]["uid"] = "uid-2"
    again.objects[0]["status"]["taskID"] = again.tasks[0]["id"] = "a" * 16
    again.tasks[0]["flux"] = again.tasks[0]["flux"].replace("uid-1", "uid-2").replace("default", "other")
    again.tasks[0]["name"] = "other/alpha"
    assert picture(again, {"other": "<ns>"}) == picture(GOOD, {"default": "<ns>"})
    again.tasks[0]["every"] = "1h"
    assert picture(again, {"other": "<ns>"}) != picture(GOOD, {"default": "<ns>"})
