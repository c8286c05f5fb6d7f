"""Argo CD's part without Argo CD: its actions sent to the API server, and its sync waves by its own rule."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from devstack.stack import Stack
from tests.support import argocd
from tests.support.expect import eventually
from tests.support.flux import repository
from tests.support.lab import CONNECTION, MERGE, PIPELINE, PLURALS, POLICY, TASK, Influx, Lab

WAVE = "argocd.argoproj.io/sync-wave"
Object = dict[str, Any]


def act(lab: Lab, kind: str, name: str, action: str) -> Object:
    """Click on an action; the object as it then is."""
    item = lab.get(kind, name)
    assert item is not None
    assert action in argocd.offered(item)
    code, answer = lab.call("PATCH", lab.path(kind, name), argocd.action_patch(item, action), MERGE)
    assert code == 200, answer
    return answer


def test_actions_on_tasks_and_policies(lab: Lab) -> None:
    """approve applies the plan, suspend and resume stop and start the task, reconcile is echoed."""
    lab.connect()
    lab.task("cpu", approval="Manual")
    lab.policy("kept", "kept", "30d", approval="Manual")
    lab.rests(TASK, "cpu", "PlanPending")
    lab.rests(POLICY, "kept", "PlanPending")
    assert lab.influx.tasks() == []
    act(lab, TASK, "cpu", "approve")
    act(lab, POLICY, "kept", "approve")
    task_id = lab.task_id("cpu")
    assert "approve" not in argocd.offered(lab.synced(POLICY, "kept"))
    lab.patch(TASK, "cpu", approval="Auto")
    act(lab, TASK, "cpu", "suspend")
    lab.in_influx("inactive", lambda: lab.influx.task(task_id)["status"] == "inactive")
    lab.rests(TASK, "cpu", "Suspended")
    act(lab, TASK, "cpu", "resume")
    lab.in_influx("active", lambda: lab.influx.task(task_id)["status"] == "active")
    for kind, name in ((TASK, "cpu"), (POLICY, "kept"), (CONNECTION, "main")):
        wanted = act(lab, kind, name, "reconcile")["metadata"]["annotations"]["influxops.dev/reconcile-requested-at"]
        lab.until(kind, name, "handled", lambda one, at=wanted: one["status"].get("lastHandledReconcileAt") == at)


def test_accept_goes_on_with_the_new_organization(lab: Lab, stack: Stack) -> None:
    """The id is that of status.foundOrgID, so nobody has to copy it out of a message."""
    lab.connect()
    other = stack.influx.new_org()
    lab.secret(token=stack.influx.token)
    lab.patch(CONNECTION, "main", org=other.org)
    lab.rests(CONNECTION, "main", "TargetChanged")
    act(lab, CONNECTION, "main", "accept")
    assert lab.synced(CONNECTION, "main")["status"]["orgID"] == other.org_id
    lab.task("cpu")
    assert lab.task_id("cpu") in {task["id"] for task in Influx(other, token=stack.influx.token).tasks()}
    lab.clear()
    stack.influx.drop_org(other)


def test_sync_waves(lab: Lab, tmp_path: Path) -> None:
    """Wave by wave, each when the one before is Healthy: no wave needs a later one, and no task has to wait for a bucket."""
    for path, text in repository(lab).items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    lab.secret(token=lab.org.token)
    built = lab.stack.kubectl("kustomize", str(tmp_path / "manifests/argocd/waves")).stdout
    ordered = sorted(yaml.safe_load_all(built), key=_wave)
    kinds = []
    for _, group in groupby(ordered, key=_wave):
        wave = list(group)
        ours = [(one["kind"], one["metadata"]["name"]) for one in wave if one["kind"] in PLURALS]
        assert all(lab.get(kind, name) is None for kind, name in ours)
        apply = ("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-")
        lab.stack.kubectl(*apply, input=yaml.safe_dump_all(wave))
        for kind, name in ours:
            eventually(
                f"{kind} {name} is Healthy",
                lambda kind=kind, name=name: argocd.health(lab.get(kind, name) or {}),
                lambda seen: seen[0] == "Healthy" or seen[1].startswith("RunFailing"),  # as meter-broken is to
                story=lambda: lab.operator.tail(word=lab.namespace),
            )
        kinds.append(sorted({kind for kind, _ in ours}))
    assert kinds == [[CONNECTION], [POLICY], [PIPELINE, TASK]]
    assert len(lab.influx.tasks()) == 3
    for name in ("cpu-downsample", "cpu-peak", "meter-broken", "climate"):
        assert "DependencyNotReady" not in {event["reason"] for event in lab.events(name)}


def _wave(item: Object) -> int:
    return int((item["metadata"].get("annotations") or {}).get(WAVE, 0))
