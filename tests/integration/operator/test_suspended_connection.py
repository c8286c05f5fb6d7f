"""A suspended InfluxConnection: influxops lets go of the wheel, says so, and takes everything up again afterwards."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.command import influxops
from tests.support.expect import condition, eventually, rests
from tests.support.gate import Gate
from tests.support.lab import CONNECTION, HOURLY, POLICY, TASK, Lab

DAY = 86400
TICK = 'import "array"\narray.from(rows: [{_time: now(), _value: 0}])\n'


def command(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the lab's namespace."""
    return influxops(*arguments, "-n", lab.namespace, KUBECONFIG=str(lab.stack.kubeconfig))


def ask(lab: Lab, kind: str, name: str, when: str) -> None:
    """Ask for a visit, and wait until it has been made."""
    lab.annotate(kind, name, reconcile_requested_at=when)
    lab.until(kind, name, "handled", lambda one: one["status"].get("lastHandledReconcileAt") == when)


def test_nothing_is_read_or_written_before_it_is_resumed(lab: Lab) -> None:
    """Drift stays, changes wait and say for what, native tasks run on; resumed, all of it is done."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("right", TICK, every="1s")
        lab.task("changed")
        lab.task("own", suspend=True)
        lab.policy("kept", "kept", "30d")
        right, changed = lab.task_id("right"), lab.task_id("changed")
        lab.rests(TASK, "own", "Suspended", "nothing is created")
        lab.synced(POLICY, "kept")

        assert command(lab, "suspend", "influxconnection/main").returncode == 0
        assert condition(lab.rests(CONNECTION, "main", "Suspended", "spec.suspend"))["status"] == "True"
        for kind, name in ((TASK, "right"), (TASK, "own"), (POLICY, "kept")):
            item = lab.rests(kind, name, "Suspended", f"InfluxConnection {lab.namespace}/main")
            assert condition(item)["status"] == "True", item
        count = len(gate.seen)
        lab.patch(TASK, "changed", description="changed while suspended")
        item = lab.rests(TASK, "changed", "Suspended", "main")
        assert (condition(item)["status"], condition(item, "Reconciling")["status"]) == ("False", "True")
        lab.task("new")
        lab.rests(TASK, "new", "Suspended", "main")
        lab.influx.edit_task(right, description="by hand", status="active")
        lab.influx.edit_bucket("kept", 60 * DAY, DAY)
        runs = len(lab.influx.runs(right))
        lab.in_influx("it runs on", lambda: len(lab.influx.runs(right)), lambda now: now > runs)
        for number, (kind, name) in enumerate(((CONNECTION, "main"), (TASK, "right"), (POLICY, "kept"))):
            ask(lab, kind, name, f"2026-01-01T00:00:0{number}Z")
        assert gate.seen[count:] == []
        assert lab.influx.task(changed).get("description", "") == ""

        assert command(lab, "resume", "influxconnection/main").returncode == 0
        lab.synced(CONNECTION, "main")
        for name in ("right", "changed", "new"):
            assert not condition(lab.synced(TASK, name), "Reconciling")
        lab.rests(TASK, "own", "Suspended", "nothing is created")
        lab.rests(POLICY, "kept", "DataLossGuard", "60d")
        assert lab.influx.task(right).get("description", "") == ""
        assert lab.influx.task(changed)["description"] == "changed while suspended"
        assert len(lab.influx.tasks()) == 3
        # and what ran meanwhile is told
        lab.until(TASK, "right", "tells of its runs", lambda one: one["status"].get("lastRun", {}).get("state"))


def test_suspended_is_said_when_no_write_is_under_way(lab: Lab) -> None:
    """The task that is being created at that moment is created; from then on nothing is."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        creates: list[bytes] = []

        def slows(body: bytes) -> bool:
            held = b'"query"' not in body and b"slow one" in body
            if held:
                creates.append(body)
            return held

        gate.delay, gate.slows, gate.mode = 2.0, slows, "slow"
        lab.task("cpu", name="slow one")
        eventually("the create is under way", lambda: creates)
        lab.patch(CONNECTION, "main", suspend=True)
        lab.rests(CONNECTION, "main", "Suspended")
        assert [task["name"] for task in lab.influx.tasks()] == ["slow one"]
        item = lab.rests(TASK, "cpu", "Suspended")
        assert item["status"]["taskID"] == lab.influx.tasks()[0]["id"]
        assert len(creates) == 1
        lab.patch(CONNECTION, "main", suspend=False)
        lab.synced(TASK, "cpu")
        assert len(lab.influx.tasks()) == 1


def test_a_change_that_is_half_done_is_finished(lab: Lab) -> None:
    """A task that is paused for the change of its schedule does not stay paused for the whole maintenance."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("cpu")
        task_id = lab.task_id("cpu")
        pauses: list[bytes] = []

        def slows(body: bytes) -> bool:
            held = body == b'{"status": "inactive"}'
            if held:
                pauses.append(body)
            return held

        gate.delay, gate.slows, gate.mode = 2.0, slows, "slow"
        lab.patch(TASK, "cpu", every="2h")
        eventually("the task is being paused", lambda: pauses)
        lab.patch(CONNECTION, "main", suspend=True)
        lab.rests(CONNECTION, "main", "Suspended")
        stored = lab.influx.task(task_id)
        assert (stored["every"], stored["status"]) == ("2h", "active")
        assert condition(lab.rests(TASK, "cpu", "Suspended"))["status"] == "True"


def test_deletion_beats_suspend(lab: Lab) -> None:
    """Tasks are deleted, or let go of; then nothing is asked any more, and a connection may go as well."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("gone")
        lab.task("let-go", deletion="Orphan")
        lab.policy("kept", "kept", "30d")
        gone, let_go = lab.task_id("gone"), lab.task_id("let-go")
        lab.synced(POLICY, "kept")
        lab.patch(CONNECTION, "main", suspend=True)
        lab.rests(CONNECTION, "main", "Suspended")
        for kind, name in ((TASK, "gone"), (TASK, "let-go"), (POLICY, "kept")):
            lab.delete(kind, name)
            lab.gone(kind, name)
        assert lab.influx.task(gone) == {}
        assert lab.influx.task(let_go)["flux"].endswith(HOURLY)
        assert "influxops/v1" not in lab.influx.task(let_go)["flux"]
        assert "influxops/v1" not in lab.influx.bucket("kept").get("description", "")
        ask(lab, CONNECTION, "main", "one more turn")
        count = len(gate.seen)
        ask(lab, CONNECTION, "main", "another turn")
        assert gate.seen[count:] == []
        lab.delete(CONNECTION, "main")
        lab.gone(CONNECTION, "main")


def test_an_outage_at_the_end_is_no_suspension(lab: Lab) -> None:
    """Resumed while InfluxDB is away, the objects do not go on saying that they are suspended."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("cpu")
        task_id = lab.task_id("cpu")
        lab.patch(CONNECTION, "main", suspend=True)
        lab.rests(TASK, "cpu", "Suspended")
        gate.mode = "broken"
        lab.patch(CONNECTION, "main", suspend=False)
        lab.rests(CONNECTION, "main", "ConnectionNotReady")
        lab.rests(TASK, "cpu", "ConnectionNotReady")
        gate.mode = "pass"
        assert lab.task_id("cpu") == task_id


def test_a_plan_shows_what_resuming_will_do(lab: Lab) -> None:
    """And says that the connection is suspended."""
    lab.connect()
    lab.patch(CONNECTION, "main", suspend=True)
    lab.rests(CONNECTION, "main", "Suspended")
    lab.task("cpu")
    lab.rests(TASK, "cpu", "Suspended")
    done = command(lab, "plan", "--cluster")
    assert done.returncode == 0, done.stderr
    assert "main is suspended" in done.stdout
    assert "1 to create" in done.stdout


@pytest.mark.parametrize("kind", [CONNECTION, TASK, POLICY])
def test_reconcile_now_is_echoed_by_every_kind(lab: Lab, kind: str) -> None:
    """The annotation has the object looked at, long before the next sweep, and status tells of it."""
    lab.connect(syncInterval="10m")
    lab.task("cpu")
    lab.policy("kept", "kept", "30d")
    task_id = lab.task_id("cpu")
    lab.synced(POLICY, "kept")
    lab.influx.edit_task(task_id, description="by hand", status="active")
    lab.influx.edit_bucket("kept", 20 * DAY, DAY)
    name = {CONNECTION: "main", TASK: "cpu", POLICY: "kept"}[kind]
    ask(lab, kind, name, "2026-01-01T00:00:00Z")
    if kind in {CONNECTION, TASK}:
        lab.in_influx("mended", lambda: lab.influx.task(task_id).get("description", ""), lambda text: text == "")
    if kind in {CONNECTION, POLICY}:
        lab.in_influx(
            "mended", lambda: lab.influx.bucket("kept")["retentionRules"][0]["everySeconds"], lambda s: s == 30 * DAY
        )
    assert rests(lab.get(kind, name), "Synced")
