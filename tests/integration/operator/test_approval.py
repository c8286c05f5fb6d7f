"""Nothing changes before somebody has said so: approval of plans, and drift that is only told of."""

from __future__ import annotations

from typing import Any

from tests.support.expect import condition
from tests.support.gate import Gate
from tests.support.lab import HOURLY, POLICY, TASK, Lab

APPROVE = "influxops.dev/approve"
DAY = 86400


def approve(lab: Lab, kind: str, name: str, plan: str) -> None:
    """Set the annotation, as the condition's message tells."""
    code, answer = lab.call(
        "PATCH",
        lab.path(kind, name),
        {"metadata": {"annotations": {APPROVE: plan}}},
        "application/merge-patch+json",
    )
    assert code == 200, answer


def pending(lab: Lab, kind: str, name: str, *parts: str) -> dict[str, Any]:
    """The plan that waits."""
    plan: dict[str, Any] = lab.rests(kind, name, "PlanPending", *parts)["status"]["plan"]
    return plan


def test_a_task_is_created_when_its_plan_is_approved(lab: Lab) -> None:
    """Before that nothing is in InfluxDB; afterwards the plan is gone from status."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    plan = pending(lab, TASK, "cpu", "create")
    assert lab.influx.tasks() == []
    assert "+from(" in plan["actions"][0]["diff"]
    message = condition(lab.get(TASK, "cpu") or {})["message"]
    assert f"{APPROVE}={plan['hash']}" in message
    approve(lab, TASK, "cpu", plan["hash"])
    item = lab.synced(TASK, "cpu")
    assert "plan" not in item["status"]
    assert len(lab.influx.tasks()) == 1


def test_another_hash_is_no_approval(lab: Lab) -> None:
    """Nor is one of an earlier plan."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    first = pending(lab, TASK, "cpu", "create")["hash"]
    approve(lab, TASK, "cpu", "0123456789abcdef")
    lab.sweeps()
    assert lab.influx.tasks() == []
    lab.patch(TASK, "cpu", description="changed meanwhile")
    second = lab.until(
        TASK, "cpu", "has another plan", lambda item: item["status"].get("plan", {}).get("hash") not in {None, first}
    )["status"]["plan"]["hash"]
    approve(lab, TASK, "cpu", first)
    lab.sweeps()
    assert lab.influx.tasks() == []
    approve(lab, TASK, "cpu", second)
    lab.synced(TASK, "cpu")
    assert [task["description"] for task in lab.influx.tasks()] == ["changed meanwhile"]


def test_a_changed_schedule_takes_one_approval(lab: Lab) -> None:
    """It is two steps in InfluxDB, paused and then changed, and one plan."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    lab.patch(TASK, "cpu", every="2h", approval="Manual")
    plan = pending(lab, TASK, "cpu", "update", "script")
    assert "every: 2h" in plan["actions"][0]["diff"]
    assert lab.influx.task(task_id)["every"] == "1h"
    approve(lab, TASK, "cpu", plan["hash"])
    lab.synced(TASK, "cpu")
    stored = lab.influx.task(task_id)
    assert (stored["every"], stored["status"]) == ("2h", "active")


def test_a_plan_of_several_steps_takes_one_approval(lab: Lab) -> None:
    """Our double is deleted, the task is paused and then changed: shown as one plan, approved as one."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    approve(lab, TASK, "cpu", pending(lab, TASK, "cpu")["hash"])
    task_id = lab.task_id("cpu")
    double = lab.influx.new_task(lab.influx.task(task_id)["flux"])["id"]
    pending(lab, TASK, "cpu", f"delete {double}")
    lab.patch(TASK, "cpu", every="2h", description="new")
    plan = pending(lab, TASK, "cpu", f"delete {double}", f"update {task_id}", "description")
    assert [action["action"] for action in plan["actions"]] == ["delete", "update"]
    lab.sweeps()
    assert lab.influx.task(double)
    approve(lab, TASK, "cpu", plan["hash"])
    lab.synced(TASK, "cpu")
    (stored,) = lab.influx.tasks()
    assert (stored["id"], stored["every"], stored["description"], stored["status"]) == (task_id, "2h", "new", "active")


def test_an_approval_counts_once(lab: Lab) -> None:
    """The same change by hand, made again after it was mended, waits again."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    approve(lab, TASK, "cpu", pending(lab, TASK, "cpu")["hash"])
    task_id = lab.task_id("cpu")
    hashes = []
    for _ in range(2):
        lab.influx.edit_task(task_id, description="by hand", status="active")
        plan = pending(lab, TASK, "cpu", "description")
        hashes.append(plan["hash"])
        lab.sweeps()
        assert lab.influx.task(task_id)["description"] == "by hand"
        approve(lab, TASK, "cpu", plan["hash"])
        lab.synced(TASK, "cpu")
        assert lab.influx.task(task_id).get("description", "") == ""
    assert hashes[0] != hashes[1]


def test_deleting_needs_no_approval(lab: Lab) -> None:
    """Whoever deletes the object has said so."""
    lab.connect()
    lab.task("cpu")
    lab.task_id("cpu")
    lab.patch(TASK, "cpu", approval="Manual")
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    assert lab.influx.tasks() == []


def test_a_bucket_waits_for_approval(lab: Lab) -> None:
    """To be created, and to be changed."""
    lab.connect()
    lab.policy("kept", "kept", "30d", approval="Manual")
    plan = pending(lab, POLICY, "kept", "create")
    assert {"field": "retention", "old": "", "new": "30d"} in plan["actions"][0]["changes"]
    assert lab.influx.bucket("kept") == {}
    approve(lab, POLICY, "kept", plan["hash"])
    lab.synced(POLICY, "kept")
    lab.patch(POLICY, "kept", retention="60d")
    plan = pending(lab, POLICY, "kept", "update", "retention")
    assert lab.influx.bucket("kept")["retentionRules"][0]["everySeconds"] == 30 * DAY
    approve(lab, POLICY, "kept", plan["hash"])
    item = lab.synced(POLICY, "kept")
    assert item["status"]["appliedRetention"] == "60d"
    assert "plan" not in item["status"]


def test_an_approval_is_no_consent_to_lose_data(lab: Lab) -> None:
    """Shortening a retention needs spec.dataLossApproval as well."""
    lab.connect()
    lab.policy("kept", "kept", "30d", approval="Manual")
    approve(lab, POLICY, "kept", pending(lab, POLICY, "kept")["hash"])
    lab.synced(POLICY, "kept")
    lab.patch(POLICY, "kept", retention="7d")
    lab.rests(POLICY, "kept", "DataLossGuard", "spec.dataLossApproval")
    lab.patch(POLICY, "kept", dataLossApproval="7d")
    plan = pending(lab, POLICY, "kept", "retention")
    assert lab.influx.bucket("kept")["retentionRules"][0]["everySeconds"] == 30 * DAY
    approve(lab, POLICY, "kept", plan["hash"])
    lab.synced(POLICY, "kept")
    assert lab.influx.bucket("kept")["retentionRules"][0]["everySeconds"] == 7 * DAY


# Drift that is only told of


def test_drift_is_warned_of_and_left_alone(lab: Lab) -> None:
    """Ready stays True, Drifted says what differs, and it goes when the change is taken back by hand."""
    lab.connect()
    lab.task("cpu", drift="Warn")
    task_id = lab.task_id("cpu")
    right = lab.influx.task(task_id)["flux"]
    wrong = right.replace("-1h", "-2h")
    assert wrong != right
    found = lab.operator.metric("influxops_drift_detected_total", kind="InfluxTask")
    lab.influx.edit_task(task_id, flux=wrong)
    item = lab.until(TASK, "cpu", "Drifted", lambda one: condition(one, "Drifted"))
    assert condition(item)["status"] == "True"
    diff = item["status"]["plan"]["actions"][0]["diff"]
    assert "-2h" in diff
    assert "-1h" in diff
    assert lab.event("cpu", "Drifted")
    assert lab.operator.metric("influxops_drift_detected_total", kind="InfluxTask") == found + 1
    lab.sweeps(3)
    assert lab.influx.task(task_id)["flux"] == wrong
    assert lab.operator.metric("influxops_drift_detected_total", kind="InfluxTask") == found + 1
    lab.influx.edit_task(task_id, flux=right)
    item = lab.until(TASK, "cpu", "no longer Drifted", lambda one: not condition(one, "Drifted"))
    assert "plan" not in item["status"]


def test_a_warned_deletion_is_left_alone(lab: Lab) -> None:
    """The task is not made again; a change of spec is a new wish, and makes it."""
    lab.connect()
    lab.task("cpu", drift="Warn")
    task_id = lab.task_id("cpu")
    lab.influx.call("DELETE", f"tasks/{task_id}")
    lab.until(TASK, "cpu", "Drifted", lambda one: condition(one, "Drifted"))
    lab.sweeps(2)
    assert lab.influx.tasks() == []
    lab.patch(TASK, "cpu", drift="Correct")
    lab.until(TASK, "cpu", "has a new id", lambda one: one["status"].get("taskID") not in {None, task_id})
    assert len(lab.influx.tasks()) == 1


def test_a_change_of_spec_is_no_drift(lab: Lab) -> None:
    """Warn holds nothing back that Git asks for."""
    lab.connect()
    lab.task("cpu", drift="Warn")
    task_id = lab.task_id("cpu")
    lab.patch(TASK, "cpu", description="new", flux=HOURLY.replace("-1h", "-3h"))
    lab.synced(TASK, "cpu")
    assert "-3h" in lab.influx.task(task_id)["flux"]


def test_warned_drift_is_mended_when_approved(lab: Lab) -> None:
    """The plan in status has a hash as any other."""
    lab.connect()
    lab.task("cpu", drift="Warn")
    task_id = lab.task_id("cpu")
    lab.influx.edit_task(task_id, description="by hand", status="active")
    item = lab.until(TASK, "cpu", "Drifted", lambda one: condition(one, "Drifted"))
    approve(lab, TASK, "cpu", item["status"]["plan"]["hash"])
    lab.until(TASK, "cpu", "no longer Drifted", lambda one: not condition(one, "Drifted"))
    assert lab.influx.task(task_id).get("description", "") == ""


def test_a_buckets_drift_is_warned_of(lab: Lab) -> None:
    """Longer by hand: it stays, and the policy says so; back by hand: all is well again."""
    lab.connect()
    lab.policy("kept", "kept", "30d", drift="Warn")
    lab.synced(POLICY, "kept")
    lab.influx.edit_bucket("kept", 60 * DAY, DAY)
    item = lab.until(POLICY, "kept", "Drifted", lambda one: condition(one, "Drifted"))
    assert item["status"]["plan"]["actions"][0]["changes"] == [{"field": "retention", "old": "60d", "new": "30d"}]
    lab.sweeps(2)
    assert lab.influx.bucket("kept")["retentionRules"][0]["everySeconds"] == 60 * DAY
    lab.influx.edit_bucket("kept", 30 * DAY, DAY)
    lab.until(POLICY, "kept", "no longer Drifted", lambda one: not condition(one, "Drifted"))


def test_switching_a_task_on_is_shown_and_is_another_plan(lab: Lab) -> None:
    """A task that somebody paused does not run again by an approval that was asked for before."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    lab.patch(TASK, "cpu", approval="Manual", description="new")
    first = pending(lab, TASK, "cpu", "description")["hash"]
    lab.influx.edit_task(task_id, status="inactive")
    item = lab.until(
        TASK, "cpu", "has another plan", lambda one: one["status"].get("plan", {}).get("hash") not in {None, first}
    )
    changes = item["status"]["plan"]["actions"][0]["changes"]
    assert {"field": "status", "old": "inactive", "new": "active"} in changes
    approve(lab, TASK, "cpu", first)
    lab.sweeps(2)
    assert lab.influx.task(task_id)["status"] == "inactive"


def test_a_script_changed_by_hand_stays_when_something_else_of_the_spec_changes(lab: Lab) -> None:
    """The wanted script is still the one that was stored: the other one is somebody's, and Warn leaves it."""
    lab.connect()
    lab.task("cpu", drift="Warn")
    task_id = lab.task_id("cpu")
    wrong = lab.influx.task(task_id)["flux"].replace("-1h", "-2h")
    lab.influx.edit_task(task_id, flux=wrong)
    lab.until(TASK, "cpu", "Drifted", lambda one: condition(one, "Drifted"))
    lab.patch(TASK, "cpu", runHistoryLimit=7)
    lab.until(
        TASK,
        "cpu",
        "is seen",
        lambda one: one["status"]["observedGeneration"] == one["metadata"]["generation"] and condition(one, "Drifted"),
    )
    lab.sweeps(2)
    assert lab.influx.task(task_id)["flux"] == wrong


def test_a_plan_that_waits_asks_nothing_of_influxdb(lab: Lab) -> None:
    """Sweep after sweep, as long as nothing changes."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("cpu")
        task_id = lab.task_id("cpu")
        lab.patch(TASK, "cpu", approval="Manual", description="new")
        pending(lab, TASK, "cpu")
        lab.sweeps(2)
        count = len(gate.seen)
        lab.sweeps(3)
        asked = [one.path for one in gate.seen[count:] if task_id in one.path]
    assert asked == []
