"""From kubectl to InfluxDB and back: what a user does with tasks, and what comes of it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from tests.support.expect import condition
from tests.support.lab import CONNECTION, HOURLY, TASK, Lab

DOWNSAMPLE = """\
import "strings"

from(bucket: "raw")
    |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
    |> filter(fn: (r) => r._measurement == "cpu")
    |> aggregateWindow(every: 1s, fn: mean, createEmpty: false)
    |> map(fn: (r) => ({r with host: strings.toUpper(v: r.host)}))
    |> to(bucket: "down")
"""


def test_a_connection_tells_what_it_leads_to(lab: Lab) -> None:
    """Version, organization and user stand in the status; so does the generation that they are of."""
    item = lab.connect()
    status = item["status"]
    assert status["version"].lstrip("v").startswith("2.7")
    assert status["orgID"] == lab.org.org_id
    assert status["user"] == lab.org.user
    assert status["breaker"] == "Closed"
    assert status["tasks"] == {"managed": 0, "drifted": 0, "failing": 0, "late": 0}
    assert condition(item)["status"] == "True"
    assert condition(item)["observedGeneration"] == item["metadata"]["generation"]
    assert {one["type"] for one in status["conditions"]} == {"Ready"}


def test_a_task_comes_into_being_with_header_option_and_prelude(lab: Lab) -> None:
    """The stored script: our mark, the user's import, `option task`, `option v`, and the user's text as it is."""
    lab.influx.new_bucket("down")
    lab.connect()
    lab.task("cpu", DOWNSAMPLE, every="1h", offset="10m", description="means")
    item = lab.synced(TASK, "cpu")
    stored = lab.influx.task(item["status"]["taskID"])
    first, *rest = stored["flux"].split("\n")
    assert first.startswith("// influxops/v1 owner=")
    assert f"/InfluxTask/{lab.namespace}/cpu uid={item['metadata']['uid']}" in first
    text = "\n".join(rest)
    assert text.index('import "strings"') < text.index("option task = {") < text.index("option v = {")
    assert DOWNSAMPLE.partition("\n\n")[2] in text
    assert stored["name"] == f"{lab.namespace}/cpu"
    assert stored["every"] == "1h"
    assert stored["offset"] in {"10m", "10m0s"}
    assert stored["status"] == "active"
    assert stored["description"] == "means"
    assert item["status"]["schedule"] == "1h +10m"
    assert item["status"]["scriptHash"].startswith("sha256:")
    assert item["metadata"]["finalizers"] == ["influxops.dev/cleanup"]
    assert datetime.fromisoformat(item["status"]["nextRun"]).minute == 10
    assert item["status"]["nextRun"] > datetime.now(UTC).isoformat()
    lab.until(CONNECTION, "main", "counts its task", lambda one: one["status"]["tasks"]["managed"] == 1)
    assert lab.event("cpu", "Creating", "Normal")["note"].startswith("created task ")


def test_runs_come_back_and_their_rows_are_there(lab: Lab) -> None:
    """A downsample really writes; its latest runs stand in status, newest first, and no more than asked for."""
    lab.influx.new_bucket("down")
    now = int(time.time())
    lab.influx.write("raw", *(f"cpu,host=a usage={k % 5} {now + k}" for k in range(-10, 120)))
    lab.connect()
    lab.task("cpu", DOWNSAMPLE, every="1s", window={"period": "5s", "align": "1s"}, runHistoryLimit=3)
    first = lab.until(TASK, "cpu", "has a run", lambda one: one["status"].get("lastRun"))["status"]["lastRun"]
    lab.in_influx("five runs", lambda: lab.influx.runs(first_id(lab, "cpu")), lambda runs: len(runs) >= 5)
    # Runs that change nothing but themselves come at most once in 30 s; nobody asks for more here than for the next time.
    item = lab.until(
        TASK,
        "cpu",
        "has three runs",
        lambda one: (
            len((one.get("status") or {}).get("history") or []) == 3
            and one["status"]["history"][0]["scheduledFor"] > first["scheduledFor"]
        ),
        seconds=50,
    )
    status = item["status"]
    slots = [run["scheduledFor"] for run in status["history"]]
    assert slots == sorted(slots, reverse=True)
    assert status["history"][0] == status["lastRun"]
    for run in status["history"]:
        assert run["state"] == "success"
        slot, start, end = (datetime.fromisoformat(run[key]) for key in ("scheduledFor", "startedAt", "finishedAt"))
        assert slot <= start <= end
        assert run["duration"].endswith("s")
        assert float(run["duration"][:-1]) >= 0
    assert status["consecutiveFailures"] == 0
    assert status["lastSuccess"]
    assert status["nextRun"] > slots[0]
    rows = lab.influx.rows('from(bucket: "down") |> range(start: -5m) |> filter(fn: (r) => r.host == "A")')
    assert rows
    assert rows[0]["_measurement"] == "cpu"


def first_id(lab: Lab, name: str) -> str:
    """The id of a task that is known to be there."""
    return str(lab.status(TASK, name)["taskID"])


def test_a_changed_script_is_updated_in_place(lab: Lab) -> None:
    """Same task id, new bytes, new hash."""
    lab.connect()
    lab.task("cpu")
    before = lab.synced(TASK, "cpu")["status"]
    lab.patch(TASK, "cpu", flux=HOURLY + '    |> filter(fn: (r) => r.host == "b")\n')
    after = lab.synced(TASK, "cpu")["status"]
    assert after["taskID"] == before["taskID"]
    assert after["scriptHash"] != before["scriptHash"]
    assert 'r.host == "b"' in lab.influx.task(after["taskID"])["flux"]
    assert after["observedGeneration"] == before["observedGeneration"] + 1
    assert len(lab.influx.tasks()) == 1


def test_name_and_description_follow_the_spec(lab: Lab) -> None:
    """Rename and describe in place, also back to nothing."""
    lab.connect()
    lab.task("cpu", name="telemetry/cpu hourly", description="one")
    task_id = lab.task_id("cpu")
    assert lab.influx.task(task_id)["name"] == "telemetry/cpu hourly"
    lab.patch(TASK, "cpu", name="telemetry/cpu", description="two")
    assert lab.task_id("cpu") == task_id
    stored = lab.influx.task(task_id)
    assert (stored["name"], stored["description"]) == ("telemetry/cpu", "two")
    lab.patch(TASK, "cpu", name=None, description=None)
    assert lab.task_id("cpu") == task_id
    stored = lab.influx.task(task_id)
    assert stored["name"] == f"{lab.namespace}/cpu"
    assert stored.get("description", "") == ""


def test_a_shorter_schedule_makes_no_burst_of_runs(lab: Lab) -> None:
    """InfluxDB would fire every slot since creation at once; what runs are those after the change."""
    lab.connect()
    lab.task("cpu", every="1h")
    task_id = lab.task_id("cpu")
    created = datetime.fromisoformat(lab.influx.task(task_id)["createdAt"])
    # Slots must lie between creation and the change, or a burst would have nothing to fire.
    lab.in_influx("four seconds have passed", lambda: (datetime.now(UTC) - created).total_seconds() > 4)
    changed = datetime.now(UTC)
    lab.patch(TASK, "cpu", every="1s")
    lab.synced(TASK, "cpu")
    runs = lab.in_influx("three runs", lambda: lab.influx.runs(task_id), lambda found: len(found) >= 3)
    slots = sorted(datetime.fromisoformat(run["scheduledFor"]) for run in runs)
    assert slots[0] >= changed.replace(microsecond=0), slots
    assert len(set(slots)) == len(slots)
    assert lab.influx.task(task_id)["status"] == "active"


def test_suspend_and_resume(lab: Lab) -> None:
    """A suspended task is inactive in InfluxDB and says so; it comes back by itself."""
    lab.connect()
    lab.task("cpu", every="1s")
    task_id = lab.task_id("cpu")
    lab.patch(TASK, "cpu", suspend=True)
    item = lab.rests(TASK, "cpu", "Suspended", task_id)
    assert condition(item)["status"] == "True"
    assert "nextRun" not in item["status"]
    assert lab.influx.task(task_id)["status"] == "inactive"
    lab.patch(TASK, "cpu", suspend=False)
    assert lab.task_id("cpu") == task_id
    assert lab.influx.task(task_id)["status"] == "active"
    lab.until(TASK, "cpu", "runs again", lambda one: one["status"].get("lastRun") and one["status"].get("nextRun"))


def test_created_suspended_means_nothing_in_influxdb(lab: Lab) -> None:
    """The server runs a task that is created inactive, so none is created before it is resumed."""
    lab.connect()
    lab.task("cpu", every="1s", suspend=True)
    item = lab.rests(TASK, "cpu", "Suspended")
    lab.sweeps()
    assert lab.influx.tasks() == []
    assert "taskID" not in item["status"]
    lab.patch(TASK, "cpu", suspend=False)
    assert lab.influx.task(lab.task_id("cpu"))["status"] == "active"


def test_a_script_that_brings_its_own_option_task(lab: Lab) -> None:
    """It names and schedules itself; status shows its schedule, and it is stored as it is."""
    flux = '// mine\noption task = {name: "my own", cron: "*/5 * * * *", offset: 30s}\n\n' + HOURLY
    lab.connect()
    lab.task("own", flux, every=None)
    item = lab.synced(TASK, "own")
    stored = lab.influx.task(item["status"]["taskID"])
    assert stored["name"] == "my own"
    assert stored["cron"] == "*/5 * * * *"
    assert stored["flux"].partition("\n")[2] == flux
    assert item["status"]["schedule"] == "*/5 * * * * +30s"


def test_deleting_the_object_deletes_the_task(lab: Lab) -> None:
    """And nothing else of the organization."""
    other = lab.influx.new_task(f'option task = {{name: "by hand", every: 1h}}\n{HOURLY}')
    lab.connect()
    lab.task("cpu")
    lab.task_id("cpu")
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    assert [task["id"] for task in lab.influx.tasks()] == [other["id"]]


def test_deletion_orphan_leaves_the_task_without_our_mark(lab: Lab) -> None:
    """It goes on running as nobody's, with the very script, and is not counted any more."""
    lab.connect()
    lab.task("cpu", deletion="Orphan")
    task_id = lab.task_id("cpu")
    script = lab.influx.task(task_id)["flux"]
    lab.delete(TASK, "cpu")
    lab.gone(TASK, "cpu")
    stored = lab.influx.task(task_id)
    assert stored["status"] == "active"
    assert stored["flux"] == script.partition("\n")[2]


def test_deletion_beats_suspend(lab: Lab) -> None:
    """A suspended task goes with its object, too; one that never was is simply let go."""
    lab.connect()
    lab.task("was")
    task_id = lab.task_id("was")
    lab.patch(TASK, "was", suspend=True)
    lab.task("never", suspend=True)
    lab.rests(TASK, "was", "Suspended", task_id)
    lab.rests(TASK, "never", "Suspended")
    for name in ("was", "never"):
        lab.delete(TASK, name)
        lab.gone(TASK, name)
    assert lab.influx.tasks() == []
