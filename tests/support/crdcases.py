"""The cases of tests/crd: one manifest a file, or two (before, after) for an update; ``# expect:`` lines in front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from influxops.api.common import Resource
from influxops.api.errors import FieldError, SpecInvalid
from influxops.api.kinds import kind_of
from influxops.api.read import read_object, refused_changes, unknown_fields
from tests.support.rawkube import RawKube

FOLDER = Path(__file__).parent.parent / "crd"
EXPECT = "# expect: "
_INCOMPLETE = "some validation rules were not checked"
_STRICT = "strict decoding error: "


@dataclass(frozen=True, slots=True)
class Case:
    """One file."""

    path: Path
    expected: tuple[str, ...]
    manifests: tuple[dict[str, Any], ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem


def load(verdict: str) -> list[Case]:
    """All cases of ``accept`` or ``reject``."""
    return [read_case(path) for path in sorted((FOLDER / verdict).glob("*.yaml"))]


def read_case(path: Path) -> Case:
    """One case."""
    text = path.read_text(encoding="utf-8")
    expected = tuple(line.removeprefix(EXPECT) for line in text.splitlines() if line.startswith(EXPECT))
    return Case(path, expected, tuple(yaml.safe_load_all(text)))


def collection(manifest: Mapping[str, Any], namespace: str) -> str:
    """The path of the kind's collection in a namespace."""
    kind = kind_of(str(manifest["kind"]))
    return f"{kind.path}/namespaces/{namespace}/{kind.plural}"


def ask_server(kube: RawKube, case: Case, namespace: str) -> tuple[int, dict[str, Any]]:
    """Apply a case as kubectl does: a creation as a dry run, an update for real."""
    first, *rest = case.manifests
    path = collection(first, namespace)
    if not rest:
        return kube.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", first)
    first["metadata"]["name"] = case.name
    code, stored = kube.request("POST", f"{path}?fieldValidation=Strict", first)
    assert code == 201, stored
    after = rest[0]
    after["metadata"] = {"name": case.name, "resourceVersion": stored["metadata"]["resourceVersion"]}
    return kube.request("PUT", f"{path}/{case.name}?fieldValidation=Strict", after)


def server_faults(answer: Mapping[str, Any]) -> list[str]:
    """What the server finds wrong, one line a fault, as kubectl prints them."""
    message = str(answer.get("message", ""))
    if _STRICT in message:
        return [_STRICT + message.split(_STRICT, 1)[1]]
    causes = answer.get("details", {}).get("causes", [])
    return [f"{cause['field']}: {cause['message']}" for cause in causes if _INCOMPLETE not in cause["message"]]


def model_faults(case: Case) -> list[FieldError]:
    """What the models find wrong with the last manifest, as a change of the one before it."""
    *before, last = case.manifests
    try:
        found = unknown_fields(last)
        new: Resource = read_object(last)
    except SpecInvalid as error:
        return found + error.errors
    for manifest in before:
        found += refused_changes(new.spec, read_object(manifest).spec)
    return found
