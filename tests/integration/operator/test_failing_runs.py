"""Runs that fail or do not come: what the resource says of them."""

from __future__ import annotations

from tests.support.expect import condition
from tests.support.lab import CONNECTION, HOURLY, TASK, Lab

UNLUCKY = """\
import "array"

secretOfTheScript = 4711
array.from(rows: [{a: secretOfTheScript}])
    |> map(fn: (r) => ({r with b: die(msg: "no luck today")}))
"""


def test_a_failing_task_says_why_and_gets_well(lab: Lab) -> None:
    """The cause without the script, Failing with the count of slots, Ready all the same: Git is in sync."""
    lab.connect()
    lab.task("cpu", UNLUCKY, every="1s")
    item = lab.until(TASK, "cpu", "is Failing", lambda one: condition(one, "Failing"))
    run = item["status"]["lastRun"]
    assert run["state"] == "failed"
    assert "no luck today" in run["error"]
    assert "secretOfTheScript" not in str(item["status"])
    failing = condition(item, "Failing")
    assert (failing["status"], failing["reason"]) == ("True", "RunFailing")
    assert "no luck today" in failing["message"]
    assert condition(item)["status"] == "True"
    assert "lastSuccess" not in item["status"]
    assert item["status"]["consecutiveFailures"] >= 1
    lab.until(CONNECTION, "main", "counts it", lambda one: one["status"]["tasks"]["failing"] == 1)

    lab.patch(TASK, "cpu", flux=HOURLY)
    item = lab.until(
        TASK, "cpu", "is well again", lambda one: one["status"]["lastRun"]["state"] == "success" and rested(one)
    )
    assert item["status"]["consecutiveFailures"] == 0
    assert item["status"]["lastSuccess"]
    lab.until(CONNECTION, "main", "counts none", lambda one: one["status"]["tasks"]["failing"] == 0)


def rested(item: dict[str, object]) -> bool:
    """Whether neither Failing nor Late is there."""
    return not condition(item, "Failing") and not condition(item, "Late")


def test_failures_are_counted_by_slot(lab: Lab) -> None:
    """Two more failed slots, two more in the count; a run of the same slot by hand is no other slot."""
    lab.connect()
    lab.task("cpu", UNLUCKY, every="1s")
    task_id = lab.task_id("cpu")
    lab.until(TASK, "cpu", "is Failing", lambda one: condition(one, "Failing"))
    lab.patch(TASK, "cpu", suspend=True)
    lab.rests(TASK, "cpu", "Suspended")
    runs = lab.in_influx(
        "all runs have ended",
        lambda: lab.influx.runs(task_id),
        lambda found: found and all(run["status"] in {"failed", "success"} for run in found),
    )
    slots = {run["scheduledFor"] for run in runs}
    lab.sweeps(3)
    lab.annotate(TASK, "cpu", reconcile_requested_at="count")
    lab.until(TASK, "cpu", "counts slots", lambda one: one["status"]["consecutiveFailures"] == len(slots))


def test_a_task_without_success_is_late(lab: Lab) -> None:
    """Late names the slot; a run that succeeds ends it."""
    lab.connect()
    lab.task("cpu", UNLUCKY, every="1s", lateAfter="1s")
    item = lab.until(TASK, "cpu", "is Late", lambda one: condition(one, "Late"))
    late = condition(item, "Late")
    assert late["reason"] == "Late"
    assert "slot 20" in late["message"]
    assert "spec.lateAfter" in late["message"]
    lab.until(CONNECTION, "main", "counts it", lambda one: one["status"]["tasks"]["late"] == 1)
    lab.patch(TASK, "cpu", flux=HOURLY, lateAfter="20s")
    lab.until(TASK, "cpu", "is on time", lambda one: not condition(one, "Late"))


def test_without_late_after_nothing_is_late(lab: Lab) -> None:
    """No default decides what late is."""
    lab.connect()
    lab.task("cpu", UNLUCKY, every="1s")
    lab.until(TASK, "cpu", "is Failing", lambda one: condition(one, "Failing"))
    lab.sweeps()
    assert not condition(lab.synced(TASK, "cpu"), "Late")
