"""A real Flux CD applies manifests/samples with manifests/flux, waits, reverts what kubectl edits, and prunes."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.support.expect import condition, eventually
from tests.support.flux import Flux, kustomizations, repository
from tests.support.lab import CONNECTION, HOURLY, PIPELINE, POLICY, TASK, Lab

SAMPLES = "manifests/samples"
SYNC = "manifests/flux/sync.yaml"
ORDERED = "manifests/flux/ordered.yaml"
TASKS = ("cpu-downsample", "cpu-peak", "meter-broken")
POLICIES = ("hourly", "raw", "validated", "enriched", "daily", "alerts", "ledger")
BUCKETS = (*POLICIES[:-1], "influxops-ledger")


@pytest.fixture
def name(flux: Flux, lab: Lab) -> Iterator[str]:
    """A name for the Bucket and the Kustomization; whatever the test leaves is deleted."""
    lab.secret(token=lab.org.token)
    yield lab.namespace
    for part in ("influx-tasks", "demo-tasks", "demo-policies", "demo-connection"):
        flux.delete(f"{lab.namespace}-{part}")


def sync(flux: Flux, lab: Lab, files: dict[str, str]) -> tuple[str, str]:
    """Publish these files and apply sync.yaml; the name of the Kustomization, and the revision."""
    revision = flux.publish(lab.namespace, files)
    (one,) = kustomizations(files, SYNC, lab.namespace)
    assert one["spec"]["wait"]
    assert one["spec"]["prune"]
    flux.apply(one)
    return one["metadata"]["name"], revision


def with_task(files: dict[str, str], name: str, flux: str) -> dict[str, str]:
    """The files with one more task among the samples."""
    task = files[f"{SAMPLES}/task-broken.yaml"].replace("meter-broken", name)
    head, _, _ = task.partition("  flux: |\n")
    listed = files[f"{SAMPLES}/kustomization.yaml"]
    return files | {
        f"{SAMPLES}/task-{name}.yaml": f"{head}  flux: |\n    {flux.strip()}\n",
        f"{SAMPLES}/kustomization.yaml": f"{listed}  - task-{name}.yaml\n",
    }


def test_ready_means_that_influxdb_has_it_all(flux: Flux, lab: Lab, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples with `wait: true`; then what kubectl edits is taken back; then all is pruned, also in InfluxDB."""
    kustomization, revision = sync(flux, lab, repository(lab))
    assert name in kustomization
    flux.ready(kustomization, revision)
    # No waiting from here on: that is what `wait: true` has done.
    found = {(kind, item["metadata"]["name"]): item for kind, item in lab.objects()}
    tasks, policies = ((TASK, one) for one in TASKS), ((POLICY, one) for one in POLICIES)
    assert set(found) == {(CONNECTION, "main"), (PIPELINE, "climate"), *tasks, *policies}
    assert all(condition(item)["status"] == "True" for item in found.values())
    ids = {one: found[TASK, one]["status"]["taskID"] for one in TASKS}
    assert {task["id"] for task in lab.influx.tasks()} == set(ids.values())
    assert all(lab.influx.bucket(one) for one in BUCKETS)

    lab.stack.kubectl("-n", lab.namespace, "delete", "influxtask", "cpu-peak")
    edits = ("s/every: 15s/every: 1h/", "s/description: .*/description: edited/", "s/suspend: false/suspend: true/")
    monkeypatch.setenv("KUBE_EDITOR", "sed -i " + " ".join(f"-e '{edit}'" for edit in edits))
    lab.stack.kubectl("-n", lab.namespace, "edit", "influxtask", "cpu-downsample")
    lab.in_influx("edited", lambda: lab.influx.task(ids["cpu-downsample"]).get("description") == "edited")
    flux.reconcile(kustomization)
    item = lab.synced(TASK, "cpu-downsample")
    assert item["spec"]["every"] == "15s"
    assert item["spec"]["suspend"] is False
    lab.in_influx(
        "as in Git again",
        lambda: lab.influx.task(ids["cpu-downsample"]),
        lambda task: (
            (task["every"], task["status"], task["description"]) == ("15s", "active", "Mean CPU usage of each host")
        ),
    )
    assert lab.task_id("cpu-peak") != ids["cpu-peak"]

    flux.delete(kustomization)
    lab.in_influx("no task is left", lab.influx.tasks, lambda tasks: tasks == [])
    eventually("nothing is left", lab.objects, lambda left: left == [], story=lambda: lab.operator.tail(word=name))
    # The namespace was part of it, and the Secret with the token went in any order with the rest.
    eventually(
        "the namespace is gone", lambda: lab.call("GET", f"/api/v1/namespaces/{name}")[0], lambda code: code == 404
    )
    assert all(lab.influx.bucket(one) for one in BUCKETS)  # they hold data, and their default is Orphan


def test_a_stalled_task_fails_the_sync_at_once_and_one_that_is_taken_out_of_git_is_pruned(
    flux: Flux, lab: Lab, name: str
) -> None:
    """Not after the timeout of 3 min; the rest of the samples is in sync all the same."""
    files = repository(lab)
    lab.influx.new_bucket("hourly", 364 * 86400)  # so that no task has to wait for it
    begun = time.monotonic()
    kustomization, broken = sync(flux, lab, with_task(files, "wrong", 'from(bucket: "raw") |> nonsense()'))
    failed = flux.fails(kustomization, "HealthCheckFailed", broken)
    assert time.monotonic() - begun < 60
    assert f"InfluxTask/{name}/wrong" in condition(failed)["message"]
    assert "cpu-peak" not in condition(failed)["message"]
    for task in TASKS:
        lab.synced(TASK, task)
    assert condition(lab.get(TASK, "wrong") or {}, "Stalled")["reason"] == "InvalidScript"
    assert len(lab.influx.tasks()) == 3

    right = flux.publish(name, with_task(files, "wrong", HOURLY))
    flux.reconcile(kustomization)
    flux.ready(kustomization, right)
    assert len(lab.influx.tasks()) == 4
    task_id = lab.status(TASK, "wrong")["taskID"]

    pruned = flux.publish(name, files)
    flux.reconcile(kustomization)
    flux.ready(kustomization, pruned)
    lab.in_influx("the task is deleted", lambda: lab.influx.task(task_id) == {})
    lab.gone(TASK, "wrong")
    assert len(lab.influx.tasks()) == 3


def test_connection_then_policies_then_tasks(flux: Flux, lab: Lab, name: str) -> None:
    """With ordered.yaml, nothing that comes later is created before what comes earlier is Ready."""
    files = repository(lab)
    lab.call("DELETE", lab.path("secrets", "influx-token"))
    flux.publish(name, files)
    first, second, third = kustomizations(files, ORDERED, name)
    flux.apply(third, second, first)
    flux.fails(second["metadata"]["name"], "DependencyNotReady")
    flux.fails(third["metadata"]["name"], "DependencyNotReady")
    lab.rests(CONNECTION, "main", "DependencyNotReady", "influx-token")
    assert [kind for kind, _ in lab.objects()] == [CONNECTION]

    lab.secret(token=lab.org.token)
    eventually("policies are created", lambda: lab.call("GET", lab.path(POLICY))[1]["items"])
    assert condition(lab.get(CONNECTION, "main") or {})["status"] == "True"
    eventually("tasks are created", lambda: lab.call("GET", lab.path(TASK))[1]["items"])
    eventually("the pipeline is created", lambda: lab.get(PIPELINE, "climate"))
    assert all(condition(lab.get(POLICY, one) or {})["status"] == "True" for one in POLICIES)
    for one in (first, second, third):
        lab_name = one["metadata"]["name"]
        eventually("ready", lambda who=lab_name: condition(flux.get(who) or {}).get("status") == "True")
    assert len(lab.influx.tasks()) == 3
