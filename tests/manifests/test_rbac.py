"""The operator's account may do what it needs and nothing else, as the API server's own authorizer judges."""

from __future__ import annotations

import pytest
import yaml

from tests.manifests.conftest import Kubectl
from tests.manifests.support import MANIFESTS, documents

ACCOUNT = "system:serviceaccount:influxops-system:influxops"
WITH_FINALIZER = ("influxconnections", "influxtasks", "retentionpolicies")
KINDS = (*WITH_FINALIZER, "influxpipelines", "influxbackfills")

OURS = "influxops.dev"
LEASE = "leases.coordination.k8s.io"
EVENTS = "events.events.k8s.io"
ELSEWHERE = "flux-system"
HOME = "influxops-system"

# (namespace, verb, resource[.group][/subresource][:name])
NEEDED = [
    *((ELSEWHERE, verb, f"{kind}.{OURS}") for kind in KINDS for verb in ("get", "list", "watch")),
    *((ELSEWHERE, "patch", f"{kind}.{OURS}") for kind in WITH_FINALIZER),
    *((ELSEWHERE, "patch", f"{kind}.{OURS}/status") for kind in KINDS),
    (ELSEWHERE, "delete", f"influxbackfills.{OURS}"),  # when its time to live is over
    *((ELSEWHERE, "get", resource) for resource in ("secrets", "configmaps", "namespaces")),
    *((ELSEWHERE, verb, EVENTS) for verb in ("create", "patch")),
    (HOME, "create", LEASE),
    *((HOME, "get", f"{LEASE}:{name}") for name in ("influxops", "influxops-team-a")),
    (HOME, "update", f"{LEASE}:influxops"),
]
DENIED = [
    *((ELSEWHERE, "patch", f"{kind}.{OURS}") for kind in KINDS if kind not in WITH_FINALIZER),
    *(
        (ELSEWHERE, verb, f"{kind}.{OURS}")
        for kind in KINDS
        for verb in ("create", "update", "delete", "deletecollection")
        if (kind, verb) != ("influxbackfills", "delete")
    ),
    *((ELSEWHERE, verb, f"{kind}.{OURS}/status") for kind in KINDS for verb in ("update", "get")),
    *((ELSEWHERE, verb, "secrets") for verb in ("list", "watch", "create", "patch", "delete")),
    *((ELSEWHERE, verb, "configmaps") for verb in ("list", "watch", "create", "patch")),
    *((ELSEWHERE, verb, "namespaces") for verb in ("list", "watch", "patch")),
    *((ELSEWHERE, verb, LEASE) for verb in ("create", "get", "update")),
    (HOME, "update", f"{LEASE}:influxops-team-a"),  # manifests/install/shard is not installed here
    *((HOME, verb, LEASE) for verb in ("list", "watch", "delete")),
    (ELSEWHERE, "get", "customresourcedefinitions.apiextensions.k8s.io"),
    (ELSEWHERE, "create", "pods"),
    (ELSEWHERE, "*", "*.*"),
]

Question = tuple[str, str, str]


def _review(question: Question) -> dict[str, object]:
    namespace, verb, text = question
    text, _, name = text.partition(":")
    text, _, sub = text.partition("/")
    resource, _, group = text.partition(".")
    attributes = {
        "namespace": namespace,
        "verb": verb,
        "group": group,
        "resource": resource,
        "subresource": sub,
        "name": name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": ACCOUNT,
            "groups": ["system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{HOME}"],
            "resourceAttributes": attributes,
        },
    }


@pytest.fixture(scope="session")
def verdicts(kubectl: Kubectl) -> dict[Question, bool]:
    """All questions in one request each, from one kubectl."""
    asked = [*NEEDED, *DENIED]
    reviews = yaml.safe_dump_all(map(_review, asked))
    answers = kubectl("create", "-f", "-", "-o", "jsonpath={.status.allowed}{' '}", input=reviews).stdout.split()
    assert len(answers) == len(asked)
    assert set(answers) <= {"true", "false"}
    return {question: answer == "true" for question, answer in zip(asked, answers, strict=True)}


@pytest.mark.parametrize("question", NEEDED, ids=" ".join)
def test_what_it_needs_is_allowed(question: Question, verdicts: dict[Question, bool]) -> None:
    """In a namespace that has nothing to do with the operator, and the Lease beside it."""
    assert verdicts[question]


@pytest.mark.parametrize("question", DENIED, ids=" ".join)
def test_everything_else_is_denied(question: Question, verdicts: dict[Question, bool]) -> None:
    """Above all, to list Secrets."""
    assert not verdicts[question]


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
