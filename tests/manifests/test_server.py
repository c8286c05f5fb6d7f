"""The real API server takes every manifest of the repository, and the Pods pass Pod Security `restricted`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from influxops.api.kinds import KINDS
from tests.manifests.conftest import Kubectl
from tests.manifests.support import FILES, OVERLAYS, ROOT, documents, name_of


@pytest.mark.parametrize("overlay", OVERLAYS, ids=name_of)
def test_every_kustomization_is_accepted(overlay: Path, kubectl: Kubectl) -> None:
    """As `kubectl apply -k` sends it."""
    done = kubectl("apply", "--server-side", "--dry-run=server", "-k", str(overlay))
    assert "serverside-applied (server dry run)" in done.stdout


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_every_file_is_accepted_by_itself(file: Path, kubectl: Kubectl) -> None:
    """With strict fields, and without a warning."""
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict")
    done = kubectl(*apply, "-n", _namespace(file), "-f", str(file), check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.count("(server dry run)") == len(documents(file.read_text()))


def test_crds_can_be_applied_as_a_folder_and_as_a_kustomization(kubectl: Kubectl) -> None:
    """Both ways are used: `-f crds/` by people, `-k` by manifests/install."""
    for way in ("-f", "-k"):
        done = kubectl("apply", "--server-side", "--dry-run=server", way, str(ROOT / "crds"))
        assert len(done.stdout.splitlines()) == len(KINDS)


def _namespace(file: Path) -> str:
    first = documents(file.read_text())[0]
    return str(first["metadata"].get("namespace") or ("influxdb" if "influxdb" in file.parts else "influxops-demo"))


def _pods() -> list[Any]:
    every = (document for file in FILES for document in documents(file.read_text()))
    return [pytest.param(one, id=one["metadata"]["name"]) for one in every if one["kind"] in {"Deployment", "Job"}]


def _pod(template: dict[str, Any]) -> str:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-pod", "namespace": "restricted", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    }
    return yaml.safe_dump(pod)


@pytest.mark.parametrize("workload", _pods())
def test_pods_pass_pod_security_restricted(workload: dict[str, Any], kubectl: Kubectl) -> None:
    """Admission looks at Pods: a Deployment would be taken and its Pods refused later."""
    done = kubectl("create", "--dry-run=server", "-f", "-", input=_pod(workload["spec"]["template"]), check=False)
    assert done.returncode == 0, done.stderr


def test_pod_security_is_at_work_here(kubectl: Kubectl) -> None:
    """Or the test before would prove nothing."""
    template = {"metadata": {"labels": {}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    done: subprocess.CompletedProcess[str] = kubectl(
        "create", "--dry-run=server", "-f", "-", input=_pod(template), check=False
    )
    assert done.returncode != 0
    assert 'violates PodSecurity "restricted' in done.stderr


def test_the_namespace_of_the_operator_enforces_restricted(kubectl: Kubectl) -> None:
    """Whatever else is put there."""
    done = kubectl("get", "namespace", "influxops-system", "-o", "yaml")
    assert yaml.safe_load(done.stdout)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
