"""Tasks that are in InfluxDB already: taken over when asked, with nothing changed but the header."""

from __future__ import annotations

import pytest

from tests.support.expect import condition, rests
from tests.support.lab import CONNECTION, HOURLY, TASK, Lab

OWN = 'option task = {name: "telemetry/cpu", every: 6h, offset: 5m}\n\n// kept as it is\n' + HOURLY


def body(flux: str) -> str:
    """A stored script without the header line."""
    assert flux.startswith("// influxops/v1 owner=")
    return flux.partition("\n")[2]


def test_a_task_of_the_name_is_adopted(lab: Lab) -> None:
    """Same id, same bytes behind the header, still active; then nothing is written any more."""
    stranger = lab.influx.new_task(OWN, "by hand")
    lab.connect()
    lab.task("cpu", OWN, every=None, description="by hand", adoption="Adopt")
    assert lab.task_id("cpu") == stranger["id"]
    stored = lab.influx.task(stranger["id"])
    assert body(stored["flux"]) == OWN
    assert (stored["status"], stored["description"], stored["every"]) == ("active", "by hand", "6h")
    assert stranger["id"] in lab.event("cpu", "Adopted", "Normal")["note"]
    lab.sweeps()
    assert lab.influx.task(stranger["id"]) == stored
    assert len(lab.influx.tasks()) == 1


def test_a_task_is_imported_by_its_id(lab: Lab) -> None:
    """Whatever its name is; it gets the one that the spec gives."""
    lab.influx.new_task(f'option task = {{name: "old", every: 6h}}\n{HOURLY}')
    wanted = lab.influx.new_task(f'option task = {{name: "old", every: 6h}}\n{HOURLY}')
    lab.connect()
    lab.task("cpu", importID=wanted["id"])
    assert lab.task_id("cpu") == wanted["id"]
    assert lab.influx.task(wanted["id"])["name"] == f"{lab.namespace}/cpu"
    assert len(lab.influx.tasks()) == 2


def test_which_of_two_is_not_guessed(lab: Lab) -> None:
    """Both ids are in the message, and importID decides."""
    ids = [lab.influx.new_task(OWN)["id"] for _ in range(2)]
    lab.connect()
    lab.task("cpu", OWN, every=None, adoption="Adopt")
    lab.rests(TASK, "cpu", "AlreadyExists", *ids, "spec.importID")
    assert {task["flux"] for task in lab.influx.tasks()} == {OWN}
    lab.patch(TASK, "cpu", importID=ids[1])
    assert lab.task_id("cpu") == ids[1]
    assert lab.influx.task(ids[0])["flux"] == OWN


def test_a_managed_task_is_not_taken(lab: Lab) -> None:
    """Neither by its id nor by its name."""
    lab.connect()
    lab.task("first")
    task_id = lab.task_id("first")
    before = lab.influx.task(task_id)
    lab.task("second", importID=task_id, adoption="Adopt")
    lab.rests(TASK, "second", "Conflict", task_id, f"{lab.namespace}/first")
    assert lab.influx.task(task_id) == before
    lab.delete(TASK, "second")
    lab.gone(TASK, "second")
    assert lab.influx.task(task_id) == before


def test_an_id_that_nobody_has(lab: Lab) -> None:
    """Nothing is created in its place."""
    lab.connect()
    lab.task("cpu", importID="00000000deadbeef")
    lab.rests(TASK, "cpu", "DependencyNotReady", "00000000deadbeef", "spec.importID")
    assert lab.influx.tasks() == []


def test_a_broken_script_is_not_adopted(lab: Lab) -> None:
    """It is checked first; the task in InfluxDB stays as it is."""
    stranger = lab.influx.new_task(f'option task = {{name: "x", every: 6h}}\n{HOURLY}')
    lab.connect()
    lab.task("cpu", "nonsense()\n", name="x", every="6h", adoption="Adopt")
    lab.rests(TASK, "cpu", "InvalidScript", "nonsense")
    assert lab.influx.task(stranger["id"]) == stranger


@pytest.mark.parametrize("deletion", ["Delete", "Orphan"])
def test_what_was_adopted_goes_as_the_spec_says(lab: Lab, deletion: str) -> None:
    """Orphan gives it back as it was, byte for byte."""
    stranger = lab.influx.new_task(OWN)
    lab.connect()
    lab.task("cpu", OWN, every=None, adoption="Adopt", deletion=deletion)
    lab.task_id("cpu")
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    left = lab.influx.task(stranger["id"])
    assert (left == {}) if deletion == "Delete" else (left["flux"] == OWN)


def test_a_manual_adoption_waits(lab: Lab) -> None:
    """The plan says adopt, and shows that no line of the script changes."""
    stranger = lab.influx.new_task(OWN)
    lab.connect()
    lab.task("cpu", OWN, every=None, adoption="Adopt", approval="Manual")
    item = lab.rests(TASK, "cpu", "PlanPending", f"adopt {stranger['id']}")
    assert condition(item, "Reconciling")["reason"] == "PlanPending"
    (action,) = item["status"]["plan"]["actions"]
    assert action["action"] == "adopt"
    assert "diff" not in action
    assert lab.influx.task(stranger["id"]) == stranger


def test_an_adoption_with_another_schedule_takes_one_approval(lab: Lab) -> None:
    """It is paused, changed and marked; one approval covers both steps, and it counts as adoption, not as drift."""
    stranger = lab.influx.new_task(OWN)
    lab.connect()
    lab.task("cpu", importID=stranger["id"], every="2h", approval="Manual")
    plan = lab.rests(TASK, "cpu", "PlanPending", f"adopt {stranger['id']}")["status"]["plan"]
    body = {"metadata": {"annotations": {"influxops.dev/approve": plan["hash"]}}}
    lab.call("PATCH", lab.path(TASK, "cpu"), body, "application/merge-patch+json")
    assert lab.task_id("cpu") == stranger["id"]
    stored = lab.influx.task(stranger["id"])
    assert (stored["every"], stored["status"]) == ("2h", "active")
    assert lab.event("cpu", "Adopted", "Normal")


def test_an_imported_task_that_is_deleted_by_hand_comes_back(lab: Lab) -> None:
    """importID has done its work by then."""
    stranger = lab.influx.new_task(OWN)
    lab.connect()
    lab.task("cpu", OWN, every=None, importID=stranger["id"])
    assert lab.task_id("cpu") == stranger["id"]
    lab.influx.call("DELETE", f"tasks/{stranger['id']}")
    lab.until(TASK, "cpu", "has a new id", lambda one: one["status"].get("taskID") not in {None, stranger["id"]})
    assert len(lab.influx.tasks()) == 1


def test_a_task_whose_mark_was_lost_is_not_taken_by_another_object(lab: Lab) -> None:
    """Its own object still knows its id."""
    lab.connect()
    lab.task("mine", drift="Warn")
    task_id = lab.task_id("mine")
    bare = body(lab.influx.task(task_id)["flux"])
    lab.influx.edit_task(task_id, flux=bare)
    lab.until(TASK, "mine", "Drifted", lambda one: condition(one, "Drifted"))
    lab.task("thief", importID=task_id)
    lab.rests(TASK, "thief", "Conflict", f"{lab.namespace}/mine")
    assert lab.influx.task(task_id)["flux"] == bare


def test_of_those_that_name_the_same_task_at_once_one_has_it(lab: Lab) -> None:
    """The others say Conflict; nothing is created."""
    stranger = lab.influx.new_task(OWN)
    lab.connection(suspend=True)
    names = [f"cpu-{number}" for number in range(6)]
    for name in names:
        lab.task(name, OWN, every=None, importID=stranger["id"])
        lab.rests(TASK, name, "Suspended")
    lab.patch(CONNECTION, "main", suspend=False)
    lab.sweeps()
    reasons = []
    for name in names:
        item = lab.until(TASK, name, "rests", lambda one: any(rests(one, why) for why in ("Synced", "Conflict")))
        reasons.append(condition(item, "Ready")["reason"])
    assert sorted(reasons) == ["Conflict"] * 5 + ["Synced"]
    lab.sweeps()
    assert [task["id"] for task in lab.influx.tasks()] == [stranger["id"]]


def test_a_task_younger_than_the_last_sweep_is_adopted_or_in_the_way(lab: Lab) -> None:
    """No sweep comes between the task and the objects: one is refused, and nothing is created; the other takes it over."""
    lab.connect(syncInterval="1h")
    stranger = lab.influx.new_task(OWN)
    lab.task("never", OWN, every=None)
    lab.rests(TASK, "never", "AlreadyExists", stranger["id"])
    assert lab.influx.tasks() == [stranger]
    lab.task("cpu", OWN, every=None, adoption="Adopt")
    assert lab.task_id("cpu") == stranger["id"]
    assert [task["id"] for task in lab.influx.tasks()] == [stranger["id"]]
