"""crds/ and docs/reference are what the models say, and hold only what a structural schema may hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from influxops.api import crdgen, docgen
from influxops.api.kinds import KINDS, Kind

ROOT = Path(__file__).parents[3]
_FORBIDDEN = {
    "$ref",
    "$defs",
    "anyOf",
    "oneOf",
    "allOf",
    "const",
    "title",
    "exclusiveMinimum",
    "prefixItems",
    "nullable",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_the_committed_files_are_current(kind: Kind) -> None:
    """What ``make verify`` checks."""
    assert (ROOT / f"crds/{kind.plural}.yaml").read_text(encoding="utf-8") == crdgen.text(kind)
    assert (ROOT / f"docs/reference/{kind.singular}.md").read_text(encoding="utf-8") == docgen.page(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.singular)
def test_the_schema_has_nothing_that_the_api_server_refuses(kind: Kind) -> None:
    """No reference, no union, no null, no title, no type without a name."""
    schema = _schema(kind)
    for node in _nodes(schema):
        assert not _FORBIDDEN & set(node)
        assert node["type"] in {"object", "array", "string", "integer", "number", "boolean"}
        assert node.get("default", "") is not None


def test_defaults_are_few() -> None:
    """Each default is a promise and a difference in GitOps tools; here is the whole list."""
    found = {
        f"{kind.singular}{path}": node["default"]
        for kind in KINDS
        for path, node in _paths(_schema(kind))
        if "default" in node and not path.startswith(".status.")
    }
    assert found == {
        "influxconnection.spec.allowInsecure": False,
        "influxconnection.spec.timeout": "15s",
        "influxconnection.spec.syncInterval": "30s",
        "influxconnection.spec.suspend": False,
        "influxconnection.spec.limits": {},
        "influxconnection.spec.limits.maxConcurrent": 16,
        "influxconnection.status": {"observedGeneration": -1},
        "influxtask.spec.description": "",
        "influxtask.spec.suspend": False,
        "influxtask.spec.window.lookback": "0s",
        "influxtask.spec.deletion": "Delete",
        "influxtask.spec.drift": "Correct",
        "influxtask.spec.adoption": "Never",
        "influxtask.spec.approval": "Auto",
        "influxtask.spec.runHistoryLimit": 5,
        "influxtask.spec.retry.limit": 3,
        "influxtask.spec.retry.backoff": {},
        "influxtask.spec.retry.backoff.initial": "10s",
        "influxtask.spec.retry.backoff.factor": 2.0,
        "influxtask.spec.retry.backoff.max": "10m",
        "influxtask.spec.retry.backoff.jitter": 0.2,
        "influxtask.spec.catchUp.policy": "None",
        "influxtask.spec.catchUp.maxWindows": 168,
        "influxtask.status": {"observedGeneration": -1},
        "retentionpolicy.spec.description": "",
        "retentionpolicy.spec.create": True,
        "retentionpolicy.spec.deletion": "Orphan",
        "retentionpolicy.spec.suspend": False,
        "retentionpolicy.spec.drift": "Correct",
        "retentionpolicy.spec.approval": "Auto",
        "retentionpolicy.status": {"observedGeneration": -1},
        "influxpipeline.spec.suspend": False,
        "influxpipeline.spec.window.timezone": "UTC",
        "influxpipeline.spec.catchUp.policy": "All",
        "influxpipeline.spec.watermark.delay": "0s",
        "influxpipeline.spec.lateness.onLate": "Rerun",
        "influxpipeline.spec.concurrency.order": "OldestFirst",
        "influxpipeline.spec.retry.limit": 3,
        "influxpipeline.spec.retry.backoff": {},
        "influxpipeline.spec.retry.backoff.initial": "10s",
        "influxpipeline.spec.retry.backoff.factor": 2.0,
        "influxpipeline.spec.retry.backoff.max": "10m",
        "influxpipeline.spec.retry.backoff.jitter": 0.2,
        "influxpipeline.spec.ledger": {},
        "influxpipeline.spec.ledger.bucket": "influxops-ledger",
        "influxpipeline.status": {"observedGeneration": -1},
        "influxbackfill.spec.includeDescendants": True,
        "influxbackfill.spec.reprocess": "None",
        "influxbackfill.spec.order": "OldestFirst",
        "influxbackfill.spec.maxActiveWindows": 4,
        "influxbackfill.spec.dryRun": False,
        "influxbackfill.spec.suspend": False,
        "influxbackfill.spec.ledger.bucket": "influxops-ledger",
        "influxbackfill.status": {"observedGeneration": -1},
    }


def test_no_list_has_defaults_within() -> None:
    """Argo CD compares a list as a whole: what the API server adds to an item would be a difference for ever."""
    for kind in KINDS:
        spec = [(path, node) for path, node in _paths(_schema(kind)) if path.startswith(".spec.")]
        assert [path for path, node in spec if "default" in node and "[]." in path] == []


def test_a_stale_file_fails_the_check_and_is_not_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``--check`` answers 1 and names the file; without it the file is written; then the check answers 0."""
    for generator in (crdgen, docgen):
        folder = tmp_path / generator.__name__
        assert generator.main(["--check", str(folder)]) == 1
        assert "differs from the models" in capsys.readouterr().out
        assert not folder.exists()
        assert generator.main([str(folder)]) == 0
        assert generator.main(["--check", str(folder)]) == 0
        assert generator.main([]) == 2
        assert "usage" in capsys.readouterr().err


def test_every_rule_of_a_page_stands_with_its_field() -> None:
    """The reference tells what is refused, and why."""
    page = docgen.page(next(kind for kind in KINDS if kind.name == "InfluxTask"))
    assert "- `spec.cron`: every and cron exclude each other; remove one of them" in page
    assert "| `window.lookback` | string, at most 32 | `0s` |" in page


def _schema(kind: Kind) -> dict[str, Any]:
    schema = yaml.safe_load(crdgen.text(kind))["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert isinstance(schema, dict)
    return schema


def _nodes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from _nodes(child)
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from _nodes(schema[name])


def _paths(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _paths(child, f"{path}.{name}")
    if isinstance(node.get("items"), dict):
        yield from _paths(node["items"], f"{path}[]")
