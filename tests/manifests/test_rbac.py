"""The operator's account may do what it needs and nothing else, as the API server's own authorizer judges."""

from __future__ import annotations

import pytest
import yaml

from tests.manifests.conftest import Kubectl
from tests.manifests.support import MANIFESTS, documents

ACCOUNT = "system:serviceaccount:influxops-system:influxops"
KINDS = ("influxconnections", "influxtasks", "retentionpolicies")

NEEDED = [
    *((verb, f"{kind}.influxops.dev") for kind in KINDS for verb in ("get", "list", "watch", "patch")),
    *(("patch", f"{kind}.influxops.dev/status") for kind in KINDS),
    ("get", "secrets"),
    ("get", "configmaps"),
    ("get", "namespaces"),
    ("create", "events.events.k8s.io"),
    ("patch", "events.events.k8s.io"),
]
DENIED = [
    *((verb, f"{kind}.influxops.dev") for kind in KINDS for verb in ("create", "update", "delete", "deletecollection")),
    *((verb, "secrets") for verb in ("list", "watch", "create", "patch", "delete")),
    *((verb, "configmaps") for verb in ("list", "watch", "create", "patch")),
    *((verb, "namespaces") for verb in ("list", "watch", "patch")),
    ("get", "customresourcedefinitions.apiextensions.k8s.io"),
    ("create", "pods"),
    ("get", "leases.coordination.k8s.io"),
    ("create", "leases.coordination.k8s.io"),
    ("*", "*"),
]


def allowed(kubectl: Kubectl, verb: str, resource: str, namespace: str) -> bool:
    resource, _, sub = resource.partition("/")
    resource = resource.replace(":", "/")  # resource:name
    extra = ["--subresource", sub] if sub else []
    done = kubectl("auth", "can-i", verb, resource, *extra, "-n", namespace, "--as", ACCOUNT, check=False)
    answer = done.stdout.strip().splitlines()[-1]
    assert answer in {"yes", "no"}, done.stderr
    return answer == "yes"


@pytest.mark.parametrize(("verb", "resource"), NEEDED)
def test_what_it_needs_is_allowed_everywhere(verb: str, resource: str, kubectl: Kubectl) -> None:
    """In a namespace that has nothing to do with the operator."""
    assert allowed(kubectl, verb, resource, "flux-system")


@pytest.mark.parametrize(("verb", "resource"), DENIED)
def test_everything_else_is_denied(verb: str, resource: str, kubectl: Kubectl) -> None:
    """Above all, to list Secrets."""
    assert not allowed(kubectl, verb, resource, "flux-system")


def test_the_lease_is_limited_to_its_name_in_its_own_namespace(kubectl: Kubectl) -> None:
    """Only create cannot be limited by name."""
    lease = "leases.coordination.k8s.io"
    assert allowed(kubectl, "create", lease, "influxops-system")
    assert not allowed(kubectl, "get", lease, "influxops-system")
    assert allowed(kubectl, "update", f"{lease}:influxops", "influxops-system")
    assert not allowed(kubectl, "update", f"{lease}:other", "influxops-system")


def test_no_rule_has_a_wildcard() -> None:
    """Neither here nor in the samples."""
    for file in MANIFESTS.rglob("*role*.yaml"):
        for document in documents(file.read_text()):
            for rule in document.get("rules", []):
                assert not any("*" in item for values in rule.values() for item in values), file


def test_the_namespaced_role_is_the_cluster_role_without_namespaces() -> None:
    """A Role cannot grant the reading of Namespaces."""
    cluster = yaml.safe_load((MANIFESTS / "install/clusterrole.yaml").read_text())["rules"]
    role = documents((MANIFESTS / "install/namespaced/role.yaml").read_text())[0]["rules"]
    assert role == [rule for rule in cluster if rule["resources"] != ["namespaces"]]
