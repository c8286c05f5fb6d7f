"""The operator with the rights of manifests/install and no others: all it does goes through, and nothing is too much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.stack import Stack
from influxops.core.conditions import rfc3339
from tests.support import stack as support
from tests.support.beside import beside
from tests.support.expect import eventually
from tests.support.history import KUBE, History
from tests.support.lab import BACKFILL, CONNECTION, HOURLY, PIPELINE, PLURALS, POLICY, TASK, Lab
from tests.support.operator import OperatorProcess
from tests.support.proxy import FaultProxy
from tests.support.watch_faults import Event

MANIFESTS = Path(__file__).parents[3] / "manifests"
SYSTEM = "influxops-system"
ACCOUNT = f"system:serviceaccount:{SYSTEM}:influxops"
SAMPLES = [
    path
    for path in sorted((MANIFESTS / "samples").glob("*.yaml"))
    if path.name != "kustomization.yaml" and "namespace" not in path.name
]
Right = tuple[str, str, str]
"""Group, resource (with subresource) and verb."""
UNSEEN = "unseen"
"""No watch tells of objects of this name: only the comparison of cache and cluster finds them, and reads them one by one."""


@pytest.fixture(scope="session")
def installed() -> Iterator[Stack]:
    """A control plane with everything of manifests/install; the Deployment's Pod has no node to run on."""
    with Stack.start() as stack:
        stack.kubectl("apply", "--server-side", "-k", str(MANIFESTS / "install"))
        support.install_crds(stack)
        yield stack


@pytest.fixture
def served(installed: Stack, tmp_path: Path) -> Iterator[Lab]:
    """A lab whose operator acts as the ServiceAccount of the Deployment, with the Deployment's arguments."""

    def blinkered() -> FaultProxy:
        proxy = FaultProxy(KUBE, installed.kube.host, History(), ca_pem=installed.kube.ca)
        proxy.lines = lambda _, line: None if Event.of(line).name == UNSEEN else line
        return proxy

    arguments = ("--lease-namespace", SYSTEM, "--relist-seconds", "3")
    with (
        support.fresh_namespace(installed) as namespace,
        support.fresh_org(installed) as org,
        beside(blinkered) as proxy,
    ):
        kubeconfig = installed.service_account_kubeconfig(SYSTEM, "influxops", host=proxy.url)
        with OperatorProcess(kubeconfig, tmp_path / "operator.log", *arguments) as process:
            process.leads(60)
            lab = Lab(installed, process, namespace, org)
            yield lab
            lab.clear()
            lab.close()
            assert process.stop() == 0
            assert "forbidden" not in process.text().lower(), process.tail(word="orbidden")
            assert "Traceback" not in process.text(), process.tail()


def test_its_rights_suffice_and_none_is_too_much(served: Lab, installed: Stack) -> None:
    """Every kind of work; then the audit log: no request was refused, and each right that it has was used."""
    lab = served
    guest = f"{lab.namespace}-guest"
    lab.call("POST", "/api/v1/namespaces", {"metadata": {"name": guest, "labels": {"team": "blue"}}})
    lab.connect(allowedNamespaces={"selector": {"matchLabels": {"team": "blue"}}})
    lab.policy("kept", "kept", "30d", deletion="Delete")
    lab.configmap("templates", flux=HOURLY)
    lab.task("template", None, template={"configMapKeyRef": {"name": "templates", "key": "flux"}})
    lab.task("runs", every="1s")
    lab.task("bad", "nonsense(")
    reference = {"name": "main", "namespace": lab.namespace}
    lab.create(TASK, "guest", {"connectionRef": reference, "every": "1h", "flux": HOURLY}, guest)
    lab.synced(POLICY, "kept")
    lab.synced(TASK, "template")
    lab.rests(TASK, "bad", "InvalidScript")
    lab.until(TASK, "runs", "has run", lambda one: one["status"].get("lastRun"))
    eventually("the guest", lambda: lab.status(TASK, "guest", guest), lambda status: status.get("taskID"))
    lab.event("bad", "InvalidScript")
    # an event that repeats is patched
    lab.patch(TASK, "bad", description="x")
    for number in range(3):
        lab.influx.edit_task(lab.task_id("template"), status="inactive")
        lab.in_influx(
            f"mended {number}",
            lambda: lab.influx.task(lab.task_id("template"))["status"],
            lambda status: status == "active",
        )
    eventually("an event series", lambda: [e for e in lab.events("template") if e.get("series")])
    _pipeline_with_a_backfill(lab)
    _not_seen_by_a_watch(lab)
    lab.delete(TASK, "guest", guest)
    eventually("the guest is gone", lambda: lab.get(TASK, "guest", guest), lambda item: item is None)
    for kind, name in ((TASK, "template"), (POLICY, "kept")):
        lab.delete(kind, name)
        lab.gone(kind, name)
    assert lab.clear() == []
    assert lab.operator.process.poll() is None

    eventually(
        "every right is used",
        lambda: sorted(_granted(installed) - _uses(_requests(installed))),
        lambda rest: rest == [],
    )
    requests = _requests(installed)
    refused = [f"{one['verb']} {one['requestURI']}" for one in requests if one["responseStatus"]["code"] in {401, 403}]
    assert refused == []
    assert _uses(requests) <= _granted(installed)


def _pipeline_with_a_backfill(lab: Lab) -> None:
    """Windows of yesterday run, and the object that asked for them is deleted by the operator."""
    lab.influx.new_bucket("influxops-ledger")
    today = _midnight()
    stage = {"name": "hourly", "flux": 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'}
    spec = {"connectionRef": {"name": "main"}, "window": {"every": "1h"}, "begin": rfc3339(today), "stages": [stage]}
    lab.create(PIPELINE, "climate", spec)
    lab.synced(PIPELINE, "climate")
    span = {"start": rfc3339(today - timedelta(hours=3)), "stop": rfc3339(today)}
    backfill = {"pipelineRef": {"name": "climate"}, **span, "ttlSecondsAfterFinished": 3}
    lab.create(BACKFILL, "older", backfill)
    lab.until(BACKFILL, "older", "is done", lambda one: one["status"].get("phase") == "Succeeded")
    lab.gone(BACKFILL, "older")


def _not_seen_by_a_watch(lab: Lab) -> None:
    """One object of each kind that no watch tells of is worked all the same, and another one of its kind beside it."""
    lab.connection(UNSEEN)
    lab.policy(UNSEEN, UNSEEN, "30d")
    lab.task(UNSEEN)
    lab.create(PIPELINE, UNSEEN, lab.get(PIPELINE, "climate")["spec"])
    today = _midnight()
    span = {"start": rfc3339(today - timedelta(hours=3)), "stop": rfc3339(today)}
    lab.create(BACKFILL, UNSEEN, {"pipelineRef": {"name": UNSEEN}, **span})
    for kind in (CONNECTION, POLICY, TASK, PIPELINE):
        lab.synced(kind, UNSEEN)
    lab.until(BACKFILL, UNSEEN, "is done", lambda one: one["status"].get("phase") == "Succeeded")
    for kind in (BACKFILL, PIPELINE, TASK, POLICY):
        lab.delete(kind, UNSEEN)
        lab.gone(kind, UNSEEN)


def _midnight() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _requests(stack: Stack) -> list[dict[str, Any]]:
    """What the operator asked for, without the discovery that every client does."""
    assert stack.audit_log is not None
    lines = stack.audit_log.read_text(encoding="utf-8").splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("\n")]
    return [
        one for one in events if one["user"]["username"] == ACCOUNT and "objectRef" in one and "responseStatus" in one
    ]


def _uses(requests: list[dict[str, Any]]) -> set[Right]:
    used = set()
    for one in requests:
        reference = one["objectRef"]
        sub = f"/{reference['subresource']}" if "subresource" in reference else ""
        used.add((reference.get("apiGroup", ""), reference["resource"] + sub, one["verb"]))
    return used


def _granted(stack: Stack) -> set[Right]:
    """The rules of the ClusterRole and of the Role for the Lease."""
    role = yaml.safe_load(stack.kubectl("get", "clusterrole", "influxops", "-o", "yaml").stdout)
    lease = yaml.safe_load(stack.kubectl("get", "role", "influxops-lease", "-n", SYSTEM, "-o", "yaml").stdout)
    return {
        (group, resource, verb)
        for rule in [*role["rules"], *lease["rules"]]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_every_sample_becomes_ready(served: Lab) -> None:
    """Each file of manifests/samples by itself and in any order, with the Secret that its README asks for."""
    lab = served
    assert len(SAMPLES) >= 6
    text = "\n---\n".join(path.read_text(encoding="utf-8") for path in SAMPLES if "secret" not in path.name)
    documents = [one for one in yaml.safe_load_all(text) if one]
    names = []
    for body in documents:
        body["metadata"].pop("namespace", None)
        if body["kind"] == CONNECTION:
            body["spec"] |= {"url": lab.org.url, "org": lab.org.org, "syncInterval": "1s"}
        if body["kind"] in PLURALS:
            names.append((body["kind"], body["metadata"]["name"]))
    lab.secret(token=lab.org.token)
    whole = yaml.safe_dump_all(reversed(documents))
    lab.stack.kubectl("apply", "--server-side", "-n", lab.namespace, "-f", "-", input=whole)
    assert len(names) == 12
    for kind, name in names:
        lab.synced(kind, name)
