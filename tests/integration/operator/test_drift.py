"""What somebody does in the InfluxDB UI or with the influx CLI is set right again, and other people's tasks are let be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.operator.test_pipeline import buckets, spec_of
from tests.support.expect import condition
from tests.support.fake_kube import MERGE
from tests.support.lab import CONNECTION, HOURLY, PIPELINE, POLICY, TASK, Lab

OTHER = 'from(bucket: "raw") |> range(start: -5m)\n'


@pytest.fixture
def task_id(lab: Lab) -> str:
    """A task in sync."""
    lab.connect()
    lab.task("cpu", description="as Git says")
    return lab.task_id("cpu")


def test_an_edited_script_is_set_back(lab: Lab, task_id: str) -> None:
    """Byte for byte, with an event that says so, and counted."""
    before = lab.influx.task(task_id)
    header = before["flux"].partition("\n")[0]
    count = lab.operator.metric("influxops_drift_corrected_total", kind="InfluxTask")
    lab.influx.edit_task(task_id, flux=f'{header}\noption task = {{name: "x", every: 2h}}\n{OTHER}')
    lab.in_influx("set back", lambda: lab.influx.task(task_id), lambda task: task["flux"] == before["flux"])
    note = lab.event("cpu", "Drifted")["note"]
    assert task_id in note
    assert "set back" in note
    lab.synced(TASK, "cpu")
    lab.in_influx(
        "active again",
        lambda: lab.influx.task(task_id),
        lambda task: (task["status"], task["every"]) == ("active", "1h"),
    )
    assert lab.operator.metric("influxops_drift_corrected_total", kind="InfluxTask") > count


def test_a_task_that_was_switched_off_is_on_again(lab: Lab, task_id: str) -> None:
    """Whoever wants it off sets spec.suspend."""
    lab.influx.edit_task(task_id, status="inactive")
    lab.in_influx("active", lambda: lab.influx.task(task_id)["status"], lambda status: status == "active")
    assert "status" in lab.event("cpu", "Drifted")["note"]


def test_a_suspended_task_that_was_switched_on_is_off_again(lab: Lab, task_id: str) -> None:
    """The other way round."""
    lab.patch(TASK, "cpu", suspend=True)
    lab.rests(TASK, "cpu", "Suspended")
    lab.influx.edit_task(task_id, status="active")
    lab.in_influx("inactive", lambda: lab.influx.task(task_id)["status"], lambda status: status == "inactive")


def test_a_renamed_task_gets_its_name_back(lab: Lab, task_id: str) -> None:
    """The server re-prints the whole script for that; it is the old one afterwards."""
    before = lab.influx.task(task_id)
    lab.influx.edit_task(task_id, name="renamed", status="active")
    lab.in_influx("the old name", lambda: lab.influx.task(task_id), lambda task: task["flux"] == before["flux"])
    assert lab.influx.task(task_id)["name"] == before["name"]
    assert len(lab.influx.tasks()) == 1


def test_a_changed_description_is_set_back(lab: Lab, task_id: str) -> None:
    """The description is part of the spec."""
    lab.influx.edit_task(task_id, description="by hand", status="active")
    lab.in_influx(
        "the description", lambda: lab.influx.task(task_id).get("description"), lambda text: text == "as Git says"
    )


def test_a_deleted_task_is_created_again(lab: Lab, task_id: str) -> None:
    """With another id, which status tells; one task, not two."""
    script = lab.influx.task(task_id)["flux"]
    lab.influx.call("DELETE", f"tasks/{task_id}")
    item = lab.until(TASK, "cpu", "has a new id", lambda one: one["status"].get("taskID") not in {None, task_id})
    tasks = lab.influx.tasks()
    assert [task["id"] for task in tasks] == [item["status"]["taskID"]]
    assert tasks[0]["flux"] == script


def test_a_lost_marker_is_mended_in_place(lab: Lab, task_id: str) -> None:
    """The id in status is the second key: the UI re-prints scripts and drops the header."""
    before = lab.influx.task(task_id)["flux"]
    lab.influx.edit_task(task_id, flux=before.partition("\n")[2])
    lab.in_influx("the marker", lambda: lab.influx.task(task_id), lambda task: task["flux"] == before)
    assert task_id in lab.event("cpu", "MarkerLost")["note"]
    assert len(lab.influx.tasks()) == 1
    assert lab.task_id("cpu") == task_id


def test_a_copy_with_our_marker_is_told_of_and_never_touched(lab: Lab, task_id: str) -> None:
    """Somebody cloned the task and changed the clone: not ours to change or delete."""
    script = lab.influx.task(task_id)["flux"]
    copy = lab.influx.new_task(script.replace("every: 1h", "every: 3h"), "a copy")
    note = lab.event("cpu", "CopiedMarker")["note"]
    assert copy["id"] in note
    lab.sweeps(3)
    assert lab.influx.task(copy["id"])["flux"] == copy["flux"]
    assert lab.influx.task(task_id)["flux"] == script
    assert condition(lab.synced(TASK, "cpu"))["status"] == "True"
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    assert [task["id"] for task in lab.influx.tasks()] == [copy["id"]]


def test_our_own_double_is_deleted(lab: Lab, task_id: str) -> None:
    """Marker, name and bytes equal what was rendered: a lost answer made it, and one is enough."""
    stored = lab.influx.task(task_id)
    lab.influx.new_task(stored["flux"], stored["description"])
    lab.in_influx("one task", lab.influx.tasks, lambda tasks: [task["id"] for task in tasks] == [task_id])
    assert lab.influx.task(task_id)["flux"] == stored["flux"]


def test_a_status_that_was_written_over_is_right_again(lab: Lab, task_id: str) -> None:
    """Somebody with rights enough, or a backup that was restored with its statuses: of every kind, without an edit of the spec."""
    lab.policy("kept", "kept", "30d")
    buckets(lab)
    lab.create(PIPELINE, "env", spec_of(datetime.now(UTC) - timedelta(hours=2)))
    objects = {
        (TASK, "cpu"): "taskID",
        (POLICY, "kept"): "bucketID",
        (PIPELINE, "env"): "",
        (CONNECTION, "main"): "orgID",
    }
    right = {one: lab.synced(*one)["status"] for one in objects}
    label = {"influxops.dev/shard": "Not_A_Shard"}
    lab.create(
        CONNECTION,
        "bad",
        {"url": "https://x.example", "org": "x", "tokenSecretRef": {"name": "x", "key": "x"}},
        labels=label,
    )
    objects[CONNECTION, "bad"] = ""
    right[CONNECTION, "bad"] = lab.rests(CONNECTION, "bad", "InvalidSpec")["status"]
    assert right[TASK, "cpu"]["taskID"] == task_id
    moment = "2020-01-01T00:00:00Z"
    wrong = {"type": "Ready", "status": "False", "reason": "Nonsense", "message": "-", "lastTransitionTime": moment}
    for one, field in objects.items():
        status = {"conditions": [wrong], "observedGeneration": 0, **({field: None} if field else {})}
        code, answer = lab.call("PATCH", f"{lab.path(*one)}/status", {"status": status}, MERGE)
        assert (code, answer["status"]["conditions"][0]["reason"]) == (200, "Nonsense")
    for one, field in objects.items():
        status = lab.rests(*one, condition({"status": right[one]})["reason"])["status"]
        assert status.get(field) == right[one].get(field)
        assert status["observedGeneration"] == right[one]["observedGeneration"]


def test_a_strangers_task_of_the_same_name_is_in_the_way(lab: Lab) -> None:
    """AlreadyExists names its id; it is not touched, and when it goes, ours comes."""
    flux = f'option task = {{name: "telemetry/cpu", every: 6h}}\n{OTHER}'
    stranger = lab.influx.new_task(flux)
    lab.connect()
    lab.task("cpu", name="telemetry/cpu")
    item = lab.rests(TASK, "cpu", "AlreadyExists", stranger["id"], "telemetry/cpu")
    assert condition(item, "Stalled")["reason"] == "AlreadyExists"
    lab.sweeps()
    assert [task["flux"] for task in lab.influx.tasks()] == [flux]
    lab.influx.call("DELETE", f"tasks/{stranger['id']}")
    task_id = lab.task_id("cpu")
    assert task_id != stranger["id"]


def test_another_installations_task_is_never_taken(lab: Lab) -> None:
    """Its marker names another owner: names need not be unique, so both live."""
    mark = "// influxops/v1 owner=elsewhere/InfluxTask/a/b uid=0b0e7cd3-0000-4000-8000-000000000000 sha256=" + "0" * 64
    flux = f'{mark}\noption task = {{name: "telemetry/cpu", every: 6h}}\n{HOURLY}'
    other = lab.influx.new_task(flux)
    lab.connect()
    lab.task("cpu", name="telemetry/cpu")
    task_id = lab.task_id("cpu")
    lab.sweeps()
    assert lab.influx.task(other["id"])["flux"] == flux
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    assert [task["id"] for task in lab.influx.tasks()] == [other["id"]]
    assert task_id != other["id"]
