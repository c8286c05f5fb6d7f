"""A real API server with the CRDs, the namespaces that the manifests speak of, and the operator's own installation."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from devstack.stack import Stack

NAMESPACES = ("influxops-demo", "influxdb", "team-a", "argocd", "flux-system", "restricted")

# Argo CD and Flux CD are not here; of their kinds only name, version and scope are, without any schema. So their manifests
# are checked for being well-formed Kubernetes objects, not for the fields of Argo CD or Flux CD.
STAND_INS = (
    ("argoproj.io", "v1alpha1", "Application", "applications"),
    ("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations"),
    ("source.toolkit.fluxcd.io", "v1", "GitRepository", "gitrepositories"),
)

Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def _stand_in(group: str, version: str, kind: str, plural: str) -> dict[str, object]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }


def _namespace(name: str) -> dict[str, object]:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"} if name == "restricted" else {}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@pytest.fixture(scope="session")
def cluster() -> Iterator[Stack]:
    """A control plane of its own, in which manifests/install is installed: that must not touch the shared one."""
    with Stack.start() as stack:
        objects = [*(_namespace(name) for name in NAMESPACES), *(_stand_in(*kind) for kind in STAND_INS)]
        stack.kubectl("create", "-f", "-", input=yaml.safe_dump_all(objects))
        root = Path(__file__).parents[2]
        stack.kubectl("apply", "--server-side", "-k", str(root / "manifests/install"))
        stack.kubectl("apply", "--server-side", "-f", str(root / "manifests/install/namespaced/role.yaml"))
        stack.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        yield stack


@pytest.fixture(scope="session")
def kubectl(cluster: Stack) -> Kubectl:
    """Kubectl as the admin of that control plane."""
    return cluster.kubectl
