"""The CRDs on the real API server: accepted whole, documented whole, with their names and columns."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from influxops.api.kinds import KINDS, Kind
from influxops.api.template import MAX_SCRIPT
from tests.support.crdcases import read_case
from tests.support.expect import eventually
from tests.support.rawkube import RawKube

HERE = Path(__file__).parent
Kubectl = Callable[..., str]
Definitions = dict[str, dict[str, Any]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_the_schema_is_structural(kind: Kind, definitions: Definitions) -> None:
    """The server finds no violation of structural schemas and accepts the names."""
    conditions = {item["type"]: item["status"] for item in definitions[kind.crd]["status"]["conditions"]}
    assert "NonStructuralSchema" not in conditions
    assert conditions["NamesAccepted"] == "True"
    assert conditions["Established"] == "True"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_every_field_is_described(kind: Kind, definitions: Definitions) -> None:
    """No field of the schema is without a description, and every string and list has a limit in the spec."""
    schema = _schema(definitions[kind.crd])
    bare = [path for path, node in _fields(schema) if "description" not in node and path != ".metadata"]
    assert bare == []
    endless = [
        path
        for path, node in _fields(schema["properties"]["spec"], ".spec")
        if (node.get("type") == "string" and "enum" not in node and "maxLength" not in node)
        or (node.get("type") == "array" and "maxItems" not in node)
    ]
    assert endless == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_kubectl_explains_every_field(kind: Kind, run_kubectl: Kubectl, definitions: Definitions) -> None:
    """``kubectl explain`` prints a text for the spec and for each of its fields."""
    out = run_kubectl("explain", f"{kind.singular}.spec")
    assert "<no description>" not in out
    fields = _schema(definitions[kind.crd])["properties"]["spec"]["properties"]
    for name, node in fields.items():
        assert f"  {name}\t<" in out
        assert " ".join(node["description"].split()[:4]) in " ".join(out.split())


def test_the_category_and_the_short_names_work(run_kubectl: Kubectl, kube: RawKube, namespace: str) -> None:
    """``kubectl get influx`` and the short names reach the kinds."""
    _create(kube, namespace, "retentionpolicy-minimal", "by-short-name")

    def of_category() -> str:
        try:
            return run_kubectl("-n", namespace, "get", "influx", "-o", "name")
        except subprocess.CalledProcessError as error:
            return str(error)  # discovery is behind the CRDs for a moment

    eventually(
        "the category is served", of_category, lambda text: "retentionpolicy.influxops.dev/by-short-name" in text
    )
    for kind in KINDS:
        run_kubectl("-n", namespace, "get", kind.short)


def test_the_short_names_are_ours_alone(run_kubectl: Kubectl) -> None:
    """Kubectl would take a short name that is given twice for that of the older kind."""
    lines = run_kubectl("api-resources", "--no-headers", "-o", "wide").splitlines()
    taken = [name for line in lines if len(line.split()) > 5 for name in line.split()[1].split(",")]
    assert {kind.short: taken.count(kind.short) for kind in KINDS} == {kind.short: 1 for kind in KINDS}


def test_the_columns_show_what_the_status_tells(run_kubectl: Kubectl, kube: RawKube, namespace: str) -> None:
    """The columns of a task, narrow and wide, after a status was written."""
    path = _create(kube, namespace, "influxtask-minimal", "columns")
    status = {
        "observedGeneration": 1,
        "taskID": "0a1b2c3d4e5f6071",
        "schedule": "1h",
        "conditions": [_condition("Ready", "True", "Synced", "in step")],
        "lastRun": {
            "id": "0f",
            "state": "failed",
            "scheduledFor": "2026-11-21T10:00:00Z",
            "finishedAt": "2026-11-21T10:00:02Z",
        },
        "nextRun": "2026-11-21T11:00:00Z",
        "consecutiveFailures": 3,
    }
    assert _write_status(kube, path, status)[0] == 200
    head, row = run_kubectl("-n", namespace, "get", "it", "columns", "-o", "wide").splitlines()
    assert head.split("  ")[0] == "NAME"
    assert [word for word in _cells(head) if word] == [
        *("NAME", "CONNECTION", "SCHEDULE", "READY", "REASON", "LAST RUN", "RESULT", "AGE"),
        *("TASK ID", "NEXT RUN", "FAILURES", "MESSAGE"),
    ]
    cells = _cells(row)
    assert cells[:5] == ["columns", "main", "1h", "True", "Synced"]
    assert cells[6] == "failed"
    assert cells[8:] == ["0a1b2c3d4e5f6071", "2026-11-21T11:00:00Z", "3", "in step"]


def test_objects_are_found_by_their_connection(run_kubectl: Kubectl, kube: RawKube, namespace: str) -> None:
    """The selectable fields work in a field selector."""
    _create(kube, namespace, "retentionpolicy-minimal", "selected")
    chosen = "spec.connectionRef.name=main,spec.bucket=raw"
    assert "selected" in run_kubectl("-n", namespace, "get", "rp", "--field-selector", chosen)
    other = run_kubectl("-n", namespace, "get", "rp", "--field-selector", "spec.bucket=other", "-o", "name")
    assert other == ""


def test_nothing_counts_as_current_before_the_first_visit(kube: RawKube, namespace: str) -> None:
    """A new object has the generation -1 in its status, and a status sent with it is dropped."""
    manifest = read_case(HERE / "accept/influxtask-minimal.yaml").manifests[0]
    manifest["metadata"]["name"] = "generation"
    manifest["status"] = {"observedGeneration": 1, "taskID": "stolen"}
    path = f"/apis/influxops.dev/v1alpha1/namespaces/{namespace}/influxtasks"
    assert kube.request("POST", path, manifest)[0] == 201
    assert kube.request("GET", f"{path}/generation")[1]["status"] == {"observedGeneration": -1}


def test_conditions_are_a_map_by_type(kube: RawKube, namespace: str) -> None:
    """Server-side apply of one condition leaves the other manager's condition in place; a double type is refused."""
    path = _create(kube, namespace, "influxtask-minimal", "conditions")
    for manager, kind in (("one", "Ready"), ("two", "Late")):
        body = {
            **read_case(HERE / "accept/influxtask-minimal.yaml").manifests[0],
            "metadata": {"name": "conditions"},
            "status": {"conditions": [_condition(kind, "True", "Synced", "")]},
        }
        body.pop("spec")
        code, answer = kube.request(
            "PATCH", f"{path}/status?fieldManager={manager}&force=true", body, "application/apply-patch+yaml"
        )
        assert code == 200, answer
    assert {item["type"] for item in answer["status"]["conditions"]} == {"Ready", "Late"}
    double = {"conditions": [_condition("Ready", "True", "Synced", "")] * 2}
    assert _write_status(kube, path, double)[0] == 422


@pytest.mark.parametrize(("length", "code"), [(MAX_SCRIPT, 201), (MAX_SCRIPT + 1, 422)])
def test_scripts_up_to_256_kib(length: int, code: int, kube: RawKube, namespace: str) -> None:
    """The longest script passes all rules within their cost limits; one character more is refused."""
    manifest = read_case(HERE / "accept/influxtask-minimal.yaml").manifests[0]
    manifest["spec"]["flux"] = "x" * length
    path = f"/apis/influxops.dev/v1alpha1/namespaces/{namespace}/influxtasks?dryRun=All"
    assert kube.request("POST", path, manifest)[0] == code


def _schema(definition: dict[str, Any]) -> dict[str, Any]:
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert isinstance(schema, dict)
    return schema


def _fields(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below a schema, with its path."""
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
    if "items" in node:
        yield from _fields(node["items"], f"{path}[]")


def _create(kube: RawKube, namespace: str, case: str, name: str) -> str:
    """Create the manifest of an accepted case under a name; the path of the object."""
    manifest = read_case(HERE / f"accept/{case}.yaml").manifests[0]
    manifest["metadata"]["name"] = name
    plural = next(kind.plural for kind in KINDS if kind.name == manifest["kind"])
    path = f"/apis/influxops.dev/v1alpha1/namespaces/{namespace}/{plural}"
    code, answer = kube.request("POST", path, manifest)
    assert code == 201, answer
    return f"{path}/{name}"


def _write_status(kube: RawKube, path: str, status: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return kube.request("PATCH", f"{path}/status", {"status": status}, "application/merge-patch+json")


def _condition(kind: str, status: str, reason: str, message: str) -> dict[str, Any]:
    when = "2026-11-21T10:00:00Z"
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": when}


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("   ", "  ").split("  ") if cell.strip()]
