"""The oracles are tested too: an operator that is broken on purpose must not pass."""

from __future__ import annotations

import asyncio
import copy
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from influxops.core.marker import Owner, sha256, stamp_description, stamp_script
from tests.fault.handover import hand_over
from tests.fault.workloads import ALL
from tests.support.crash import Plan, run_plan
from tests.support.exceptions import as_if_cleaned_up, let_go_of, not_deleted
from tests.support.faults import KILL_AFTER, KILL_COMMITTED, LOST
from tests.support.history import INFLUX, KUBE, Exchange
from tests.support.leadership import SHORT, judge
from tests.support.nursery import Nursery
from tests.support.operator import faults_in
from tests.support.oracles import View, compare_summaries, ownership, picture
from tests.support.pair import Loss
from tests.support.world import INSTANCE, world

OWNER = Owner(INSTANCE, "InfluxTask", "default", "alpha")


SABOTAGES: dict[str, tuple[Plan, str]] = {
    "ignore_markers": (
        Plan(ALL["create"], "influx-post-task-alpha-1", KILL_COMMITTED),
        "DOUBLE: InfluxTask 'alpha' has 2 tasks",
    ),
    "ignore_markers in one life": (
        Plan(ALL["create"], "influx-post-task-alpha-1", LOST),
        "DOUBLE: InfluxTask 'alpha' has 2 tasks",
    ),
    "forget_to_delete": (
        Plan(ALL["delete"], "kube-patch-task-alpha-metadata-1", KILL_AFTER),
        "ORPHAN: 1 marked tasks of InfluxTask 'alpha'",
    ),
    "touch_strangers": (Plan(ALL["create"]), "FOREIGN: changed"),
    "never_quiet": (Plan(ALL["create"]), "not at rest"),
}
"""Function of tests/support/sabotage.py -> a plan, and what the oracles must say of it."""


async def test_broken_operators_do_not_pass(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Without the marker lookup a lost create makes a second task, and the suite says so; so it does of the others."""

    async def problems(how: str, plan: Plan) -> str:
        sabotage = [f"tests.support.sabotage:{how.split(maxsplit=1)[0]}"]
        async with world(fault_stack, nursery, tmp_path, sabotage=sabotage) as made:
            return "\n".join((await run_plan(plan, made, patience=20.0)).problems)

    found = await asyncio.gather(*(problems(how, plan) for how, (plan, _) in SABOTAGES.items()))
    missed = {how: text for (how, (_, words)), text in zip(SABOTAGES.items(), found, strict=True) if words not in text}
    assert missed == {}


async def test_a_leader_without_the_fence_does_not_pass(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """It stands still beyond its lease and wakes up: with the fence it begins nothing more, without it is seen to."""

    async def problems(*sabotage: str) -> str:
        found = await hand_over(Loss.STOPPED, SHORT, fault_stack, nursery, tmp_path, sabotage=sabotage)
        return "\n".join(found.problems)

    whole, unfenced = await asyncio.gather(problems(), problems("tests.support.sabotage:ignore_fence"))
    assert whole == ""
    assert "AFTER DEADLINE" in unfenced


def claim(who: str, at: float, holder: str = "x") -> Exchange:
    """A renewal that is answered at once."""
    body = json.dumps({"spec": {"holderIdentity": holder}}).encode()
    return Exchange(
        0,
        KUBE,
        "PUT",
        "/apis/coordination.k8s.io/v1/namespaces/n/leases/l",
        "",
        body,
        at,
        who=who,
        status=200,
        ended=at,
    )


def wrote(who: str, at: float) -> Exchange:
    """A write to InfluxDB."""
    return Exchange(0, INFLUX, "PATCH", "/api/v2/tasks/1", "", b"{}", at, write_id="w", who=who, status=200, ended=at)


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([claim("a", 0.0), wrote("a", 3.0)], ""),
        ([claim("a", 0.0), claim("a", 2.0), wrote("a", 5.0), claim("b", 6.1), wrote("b", 6.2)], ""),
        ([claim("a", 0.0), wrote("a", 3.6)], "AFTER DEADLINE"),
        ([claim("a", 0.0), replace(claim("a", 2.0), fault="lost"), wrote("a", 4.0)], "AFTER DEADLINE"),
        ([claim("a", 0.0), claim("b", 2.0), wrote("a", 2.1)], "TWO LEADERS"),
        ([claim("a", 0.0), wrote("b", 1.0)], "NO LEASE"),
        ([claim("a", 0.0), claim("a", 1.0, ""), wrote("a", 1.5)], "NO LEASE"),
        ([claim("a", 0.0), wrote("", 3.0)], ""),
        ([claim("a", 0.0), wrote("", 3.6), claim("b", 6.1)], "NO LEASE"),
    ],
    ids=[
        "in time",
        "handed over",
        "late",
        "renewal not answered",
        "two",
        "never held",
        "given up",
        "of an unknown one in time",
        "of an unknown one between two leaders",
    ],
)
def test_the_judge_of_leases(history: list[Exchange], problem: str) -> None:
    """With a lease of 4 s and a deadline of 3 s."""
    found = judge(history, SHORT).problems
    assert [one.partition(":")[0] for one in found] == ([problem] if problem else [])


def test_a_token_in_a_log_is_found_and_not_repeated() -> None:
    """Whosever it is."""
    token = f"{'aB3_-' * 17}Z=="
    (found,) = faults_in(["all is well", f'{{"msg": "sent Token {token}"}}'])
    assert found.startswith("SECRET")
    assert token not in found


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


def test_what_a_restarted_operator_without_a_token_leaves_behind_is_forgiven_if_it_says_so() -> None:
    """Only of the objects that may, only as it was, and only with the deletions that could not be."""
    before, after = GOOD, View([], [task()], [])
    told = '{"kind": "InfluxTask", "name": "alpha", "reason": "OrphanedTask"}\n{"msg": "no OrphanedTask"}\n'
    may = {"InfluxTask/alpha": "task-alpha"}
    assert let_go_of("", may) == let_go_of(told, {}) == set()
    assert let_go_of(told, may) == {"InfluxTask/alpha"}
    assert as_if_cleaned_up(after, before, {"InfluxTask/alpha"}, INSTANCE) == (View([], [], []), [])
    assert as_if_cleaned_up(after, before, {"InfluxTask/beta"}, INSTANCE) == (after, [])
    assert as_if_cleaned_up(after, before, {"InfluxTask/alpha"}, "another") == (after, [])
    changed = View([], [task(status="inactive")], [])
    assert "LEFT BEHIND and changed" in as_if_cleaned_up(changed, before, {"InfluxTask/alpha"}, INSTANCE)[1][0]
    wanted = Counter({("task-alpha", "delete"): 1, ("task-beta", "delete"): 1})
    assert not_deleted(wanted, Counter(), {"task-alpha"}) == Counter(
        {("task-alpha", "delete"): 0, ("task-beta", "delete"): 1}
    )
    assert not_deleted(wanted, wanted, {"task-alpha"}) == wanted


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
