"""A task of another InfluxDB user becomes one of the token's: a new one in its place, and no slot twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from devstack.stack import Stack
from tests.support.command import influxops
from tests.support.expect import condition
from tests.support.lab import CONNECTION, TASK, Lab

TICK = 'import "array"\narray.from(rows: [{_time: now(), _value: 0}])\n'


@pytest.fixture
def other_user(lab: Lab, stack: Stack) -> Iterator[tuple[str, str]]:
    """Id and token of a second user of the organization."""
    org_id = lab.org.org_id
    user_id = stack.influx.call("POST", "/api/v2/users", {"name": f"{lab.org.org}-second"})["id"]
    stack.influx.call("POST", f"/api/v2/orgs/{org_id}/members", {"id": user_id})
    kinds = ("tasks", "buckets")
    rights = [{"action": a, "resource": {"type": t, "orgID": org_id}} for a in ("read", "write") for t in kinds]
    rights += [{"action": "read", "resource": {"type": "orgs", "id": org_id}}]
    rights += [{"action": "read", "resource": {"type": "users", "id": user_id}}]
    yield user_id, stack.influx.new_token(org_id, user_id, rights)
    lab.secret(token=lab.org.token)
    stack.influx.call("DELETE", f"/api/v2/users/{user_id}")


def slots(lab: Lab, *task_ids: str) -> list[datetime]:
    """The slots of every run of these tasks, also of one that is gone."""
    rows = lab.influx.rows(
        'from(bucket: "_tasks") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "runs" and r._field == '
        '"scheduledFor") |> group() |> keep(columns: ["taskID", "_value"])'
    )
    return sorted(datetime.fromisoformat(row["_value"]) for row in rows if row["taskID"] in task_ids)


def mismatch(lab: Lab) -> str:
    """The message of OwnerMismatch; empty when there is none."""
    return str(condition(lab.get(CONNECTION, "main") or {}, "OwnerMismatch").get("message", ""))


def test_a_task_moves_to_the_tokens_user(lab: Lab, other_user: tuple[str, str]) -> None:
    """It runs on without a slot too many or too few, under another id, and the condition goes."""
    lab.connect()
    lab.task("cpu", TICK, every="10s")
    old = lab.task_id("cpu")
    flux = lab.influx.task(old)["flux"]
    lab.in_influx("it runs", lambda: lab.influx.runs(old))
    lab.secret(token=other_user[1])
    lab.until(CONNECTION, "main", "OwnerMismatch", lambda one: condition(one, "OwnerMismatch"))
    assert f"{lab.namespace}/cpu is one" in mismatch(lab)
    assert "influxops recreate" in mismatch(lab)
    done = influxops("recreate", "cpu", "--yes", "-n", lab.namespace, KUBECONFIG=str(lab.stack.kubeconfig))
    assert done.returncode == 0, done.stderr
    lab.until(TASK, "cpu", "has another id", lambda one: one["status"].get("taskID") not in {None, old})
    new = lab.task_id("cpu")
    (stored,) = lab.influx.tasks()
    assert (stored["id"], stored["ownerID"], stored["flux"], stored["status"]) == (new, other_user[0], flux, "active")
    event = lab.event("cpu", "Updating", "Normal")
    assert old in event["note"]
    assert new in event["note"]
    lab.in_influx("the new one runs", lambda: slots(lab, new), lambda found: len(found) >= 2)
    found = slots(lab, old, new)
    assert [later - earlier for earlier, later in itertools.pairwise(found)] == [timedelta(seconds=10)] * (
        len(found) - 1
    ), found
    lab.in_influx("no OwnerMismatch", lambda: mismatch(lab), lambda text: not text)
    # The annotation is still there, and names a task that is gone.
    lab.sweeps(2)
    assert [task["id"] for task in lab.influx.tasks()] == [new]


def test_many_go_one_by_one(lab: Lab) -> None:
    """Those that wait stay Ready; each is finished before the next is begun."""
    lab.connect()
    names = [f"t{number}" for number in range(6)]
    for name in names:
        lab.task(name, every="8760h")
    old = {name: lab.task_id(name) for name in names}
    for name in names:
        lab.annotate(TASK, name, recreate=old[name])
    for name in names:
        lab.until(TASK, name, "has another id", lambda one: one["status"]["taskID"] not in old.values())
    lines = lab.operator.lines(namespace=lab.namespace, action="recreate")
    steps = [line["step"] for line in lines]
    assert steps == ["create", "fill", "retire", "activate"] * len(names)
    told = [line["name"] for line in lines]
    assert told[::4] == told[1::4] == told[2::4] == told[3::4]
    assert len(lab.influx.tasks()) == len(names)
    assert all(task["status"] == "active" for task in lab.influx.tasks())


def test_it_waits_for_approval_once(lab: Lab, other_user: tuple[str, str]) -> None:
    """The plan says from whom to whom; one approval covers all of its steps."""
    lab.connect()
    lab.task("cpu", every="8760h")
    old = lab.task_id("cpu")
    lab.secret(token=other_user[1])
    lab.until(CONNECTION, "main", "OwnerMismatch", lambda one: condition(one, "OwnerMismatch"))
    lab.patch(TASK, "cpu", approval="Manual")
    lab.annotate(TASK, "cpu", recreate=old)
    plan = lab.rests(TASK, "cpu", "PlanPending", f"recreate {old} (owner)")["status"]["plan"]
    moved = {"field": "owner", "old": lab.org.user_id, "new": other_user[0]}
    assert plan["actions"] == [{"action": "recreate", "id": old, "changes": [moved]}]
    done = influxops("plan", "--cluster", "-n", lab.namespace, KUBECONFIG=str(lab.stack.kubeconfig))
    assert "will be replaced by a new task" in done.stdout
    assert "1 to recreate" in done.stdout
    lab.sweeps()
    assert [task["id"] for task in lab.influx.tasks()] == [old]
    lab.annotate(TASK, "cpu", approve=plan["hash"])
    lab.until(TASK, "cpu", "has another id", lambda one: one["status"].get("taskID") not in {None, old})
    assert "plan" not in lab.synced(TASK, "cpu")["status"]
    (stored,) = lab.influx.tasks()
    assert stored["ownerID"] == other_user[0]


def test_another_id_means_nothing(lab: Lab) -> None:
    """The annotation names the very task that is to go; a suspended one waits until it is resumed."""
    lab.connect()
    lab.task("cpu", every="8760h")
    old = lab.task_id("cpu")
    lab.annotate(TASK, "cpu", recreate="0123456789abcdef")
    lab.sweeps()
    assert lab.task_id("cpu") == old
    lab.patch(TASK, "cpu", suspend=True)
    lab.annotate(TASK, "cpu", recreate=old)
    lab.rests(TASK, "cpu", "Suspended")
    lab.sweeps()
    assert [task["id"] for task in lab.influx.tasks()] == [old]
    lab.patch(TASK, "cpu", suspend=False)
    lab.until(TASK, "cpu", "has another id", lambda one: one["status"].get("taskID") not in {None, old})
    assert lab.influx.task(lab.task_id("cpu"))["status"] == "active"
    assert len(lab.influx.tasks()) == 1
