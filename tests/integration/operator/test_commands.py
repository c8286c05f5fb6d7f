"""Commands on objects of a cluster, as processes, with the operator at work."""

from __future__ import annotations

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from influxops.core.conditions import rfc3339
from tests.integration.operator.test_pipeline import buckets, spec_of
from tests.support import command
from tests.support.command import PLUGIN, PROGRAM
from tests.support.expect import condition, observed
from tests.support.gate import Gate
from tests.support.lab import BACKFILL, CONNECTION, PIPELINE, POLICY, TASK, Lab


def influxops(lab: Lab, *arguments: str, stdin: str = "", program: Path = PROGRAM) -> subprocess.CompletedProcess[str]:
    """Run a command in the lab's namespace."""
    kubeconfig = str(lab.stack.kubeconfig)
    return command.influxops(*arguments, "-n", lab.namespace, stdin=stdin, program=program, KUBECONFIG=kubeconfig)


def test_approve_shows_the_plan_and_asks(lab: Lab) -> None:
    """No is no; yes applies it."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    plan = lab.rests(TASK, "cpu", "PlanPending")["status"]["plan"]
    done = influxops(lab, "approve", "cpu", stdin="n\n")
    assert done.returncode != 0
    assert "+from(bucket" in done.stdout
    lab.sweeps()
    assert lab.influx.tasks() == []
    done = influxops(lab, "approve", "cpu", stdin="y\n")
    assert done.returncode == 0, done.stderr
    assert plan["hash"] in done.stdout
    lab.synced(TASK, "cpu")
    done = influxops(lab, "approve", "cpu", "--yes")
    assert done.returncode == 2
    assert "nothing to approve" in done.stderr


def test_suspend_and_resume(lab: Lab) -> None:
    """Also as a kubectl plugin, and for other kinds by KIND/NAME."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    assert influxops(lab, "suspend", "cpu", program=PLUGIN).returncode == 0
    lab.in_influx("inactive", lambda: lab.influx.task(task_id)["status"], lambda status: status == "inactive")
    assert influxops(lab, "resume", "influxtasks/cpu").returncode == 0
    lab.in_influx("active", lambda: lab.influx.task(task_id)["status"], lambda status: status == "active")
    lab.policy("kept", "kept", "30d")
    lab.synced(POLICY, "kept")
    assert influxops(lab, "suspend", "retentionpolicy/kept").returncode == 0
    lab.until(POLICY, "kept", "suspended", lambda one: one["status"]["conditions"][0]["reason"] == "Suspended")


def test_pipelines_and_backfills_are_suspended_resumed_and_visited(lab: Lab) -> None:
    """A suspended backfill starts no window and says so; resumed it is worked off; a visit is echoed also when it is over."""
    buckets(lab)
    lab.connect()
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lab.create(PIPELINE, "env", spec_of(today))
    lab.synced(PIPELINE, "env")
    assert influxops(lab, "suspend", "pipeline/env").returncode == 0
    lab.rests(PIPELINE, "env", "Suspended")
    assert influxops(lab, "resume", "ipl/env").returncode == 0
    lab.synced(PIPELINE, "env")

    span = {"start": rfc3339(today - timedelta(days=2)), "stop": rfc3339(today)}
    lab.create(BACKFILL, "older", {"pipelineRef": {"name": "env"}, **span, "suspend": True})
    lab.rests(BACKFILL, "older", "Suspended")
    assert lab.status(BACKFILL, "older")["progress"] == "0/98"
    for name in ("pipeline/env", "backfill/older"):
        _visited(lab, name)
    assert influxops(lab, "resume", "backfill/older").returncode == 0
    lab.rests(BACKFILL, "older", "Succeeded", seconds=60)
    assert influxops(lab, "suspend", "ibf/older").returncode == 0
    lab.until(BACKFILL, "older", "the change is seen", observed)
    _visited(lab, "backfill/older")
    item = lab.get(BACKFILL, "older") or {}
    assert (condition(item)["reason"], item["status"]["progress"]) == ("Succeeded", "98/98")


def _visited(lab: Lab, name: str) -> None:
    done = influxops(lab, "reconcile", name)
    assert done.returncode == 0, done.stderr
    kind = PIPELINE if name.startswith("pipeline") else BACKFILL
    wanted = done.stdout.split()[-1]
    lab.until(
        kind, name.partition("/")[2], "handled", lambda one: one["status"].get("lastHandledReconcileAt") == wanted
    )


def test_reconcile_is_echoed(lab: Lab) -> None:
    """In status.lastHandledReconcileAt."""
    lab.connect()
    lab.task("cpu")
    lab.synced(TASK, "cpu")
    done = influxops(lab, "reconcile", "cpu")
    assert done.returncode == 0, done.stderr
    wanted = done.stdout.split()[-1]
    lab.until(TASK, "cpu", "handled", lambda one: one["status"].get("lastHandledReconcileAt") == wanted)


def test_release_leaves_the_task_without_the_mark(lab: Lab) -> None:
    """The object goes; the task stays as the user wrote it, and runs."""
    lab.connect()
    lab.task("cpu")
    task_id = lab.task_id("cpu")
    stored = lab.influx.task(task_id)["flux"]
    done = influxops(lab, "release", "cpu", stdin="y\n")
    assert done.returncode == 0, done.stderr
    lab.gone(TASK, "cpu")
    left = lab.influx.task(task_id)
    assert left["flux"] == stored.partition("\n")[2]
    assert left["status"] == "active"


def test_release_waits_for_influxdb(lab: Lab) -> None:
    """What keeps the mark would count as an orphan; with --force it is let go all the same, and an event says so."""
    with Gate(lab.org.url) as gate:
        lab.connect(url=gate.url)
        lab.task("cpu")
        task_id = lab.task_id("cpu")
        gate.mode = "broken"
        lab.rests(CONNECTION, "main", "ConnectionNotReady")
        done = influxops(lab, "release", "cpu", "--yes")
        assert done.returncode == 2
        assert "--force" in done.stderr
        assert "deletionTimestamp" not in (lab.get(TASK, "cpu") or {})["metadata"]
        done = influxops(lab, "release", "cpu", "--yes", "--force")
        assert done.returncode == 0, done.stderr
        lab.gone(TASK, "cpu")
        assert task_id in lab.event("cpu", "OrphanedTask")["note"]
    assert "influxops/v1" in lab.influx.task(task_id)["flux"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("approve", "nobody"), "does not exist"),
        (("suspend", "pod/x"), "no kind of influxops"),
        (("release", "influxconnection/main"), "delete it with kubectl"),
        (("recreate", "retentionpolicy/kept"), "is no InfluxTask"),
        (("recreate", "nobody"), "does not exist"),
    ],
)
def test_mistakes_are_one_sentence(lab: Lab, arguments: tuple[str, ...], words: str) -> None:
    """And exit status 2."""
    done = influxops(lab, *arguments)
    assert done.returncode == 2
    assert words in done.stderr


def test_orphans_are_listed_and_cleared(lab: Lab) -> None:
    """A task whose object was torn away is deleted; a bucket stays with its points and loses the mark."""
    lab.connect()
    lab.task("lost")
    lab.task("kept")
    lab.policy("raw2", "raw2", "30d")
    lost, kept = lab.task_id("lost"), lab.task_id("kept")
    script = lab.influx.task(lost)["flux"]
    copy = lab.influx.new_task(script.replace("every: 1h", "every: 3h"), "a copy in use")["id"]
    lab.synced(POLICY, "raw2")
    for kind, name in ((TASK, "lost"), (POLICY, "raw2")):
        # The operator sleeps while somebody tears the finalizer off: it would put it back.
        lab.operator.process.send_signal(signal.SIGSTOP)
        lab.call("PATCH", lab.path(kind, name), {"metadata": {"finalizers": None}}, "application/merge-patch+json")
        lab.delete(kind, name)
        lab.operator.process.send_signal(signal.SIGCONT)
    assert lab.get(TASK, "lost") is None
    instance = lab.influx.task(lost)["flux"].split("owner=")[1].partition("/")[0]

    def orphans(*arguments: str, stdin: str = "") -> str:
        given = {"KUBECONFIG": str(lab.stack.kubeconfig), "INFLUXOPS_INSTANCE_ID": instance}
        return command.influxops("orphans", *arguments, stdin=stdin, **given).stdout

    listed = orphans("list")
    assert lost in listed
    assert "raw2" in listed
    assert kept not in listed
    assert lab.influx.task(lost)
    found = json.loads(orphans("list", "-o", "json"))
    assert found["notes"] == []
    assert {"task": "lost", "bucket": "raw2"}.items() <= {
        item["what"]: item["owner"]["name"] for item in found["items"]
    }.items()
    assert next(item for item in found["items"] if item["id"] == lost)["changedByHand"] is False
    for arguments in (("delete", "--yes"), ("delete", "--all"), ("delete", "--yes", lost, "0123456789abcdef")):
        orphans(*arguments, stdin="n\n")
        assert lab.influx.task(lost)
    told = orphans("delete", "--yes", lost, copy, lab.influx.bucket("raw2")["id"])
    assert f"task {lost}" in told
    assert "deleted" in told
    assert lab.influx.task(lost) == {}
    assert lab.influx.task(kept)
    assert "somebody has changed it" in told
    assert "influxops/v1" not in lab.influx.task(copy)["flux"]
    assert lab.influx.task(copy)["status"] == "active"
    assert "influxops/v1" not in lab.influx.bucket("raw2").get("description", "")


def test_a_second_bucket_of_an_owner_is_an_orphan_and_a_renamed_one_is_not(lab: Lab) -> None:
    """The one with the owner's name is the owner's; while there is none, the renamed one is, and nobody takes its mark off."""
    lab.connect()
    lab.policy("raw2", "raw2", "30d")
    bucket_id = lab.synced(POLICY, "raw2")["status"]["bucketID"]
    mark = lab.influx.bucket("raw2")["description"]
    instance = mark.split("owner=")[1].partition("/")[0]

    def orphans(*arguments: str) -> str:
        given = {"KUBECONFIG": str(lab.stack.kubeconfig), "INFLUXOPS_INSTANCE_ID": instance}
        done = command.influxops("orphans", *arguments, **given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    lab.influx.call("PATCH", f"buckets/{bucket_id}", {"name": "renamed"})
    lab.rests(POLICY, "raw2", "Conflict", "'renamed'")
    assert bucket_id not in orphans("list")
    lab.influx.call("PATCH", f"buckets/{bucket_id}", {"name": "raw2"})
    lab.synced(POLICY, "raw2")
    second = lab.influx.new_bucket("second", description=mark)["id"]
    listed = orphans("list")
    assert second in listed
    assert bucket_id not in listed
    assert "the mark is taken off" in orphans("delete", "--yes", second)
    assert "influxops/v1" not in lab.influx.bucket("second").get("description", "")
    assert lab.influx.bucket("raw2")["description"] == mark
    assert second not in orphans("list")
