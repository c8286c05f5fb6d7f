"""Manifests to models: faults with the paths and words of the API server, and never with a secret."""

from __future__ import annotations

from typing import Any

import pytest

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import FieldError, SpecInvalid, path_of
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read, read_object, refused_changes, unknown_fields
from influxops.api.retentionpolicy import RetentionPolicySpec

TASK: dict[str, Any] = {"connectionRef": {"name": "main"}, "every": "1h", "flux": "x = 1"}


def _faults(model: Any, data: dict[str, Any] | None) -> list[FieldError]:
    with pytest.raises(SpecInvalid) as caught:
        read(model, data, "spec")
    return caught.value.errors


def test_each_fault_has_its_path_and_remedy() -> None:
    """All faults at once, as a user wants them."""
    faults = _faults(
        InfluxTaskSpec, TASK | {"connectionRef": {}, "offset": "-5m", "deletion": "Keep", "window": {"period": "0s"}}
    )
    assert [fault.path for fault in faults] == [
        "spec.connectionRef.name",
        "spec.offset",
        "spec.window.period",
        "spec.deletion",
    ]
    assert faults[0].message == "Required value"
    assert faults[1].message.startswith('"-5m" is negative; ')
    assert faults[3].message == "Unsupported value: write one of 'Delete' or 'Orphan'"


def test_the_error_reads_as_one_sentence_a_fault() -> None:
    """The text of the exception is fit for a condition."""
    with pytest.raises(SpecInvalid, match=r"^spec\.flux: write the script in flux, or a template of it in template$"):
        read(InfluxTaskSpec, {"connectionRef": {"name": "a"}, "every": "1h"}, "spec")


def test_no_spec_at_all_is_a_missing_field() -> None:
    """Not a crash."""
    assert [fault.path for fault in _faults(RetentionPolicySpec, None)] == [
        "spec.connectionRef",
        "spec.bucket",
        "spec.retention",
    ]


@pytest.mark.parametrize(
    "url", ["https://admin:s3cret@a.example", "ftp://s3cret.example", "https://a.example?token=s3cret", "s3cret\n"]
)
def test_an_address_is_never_quoted(url: str) -> None:
    """It may hold a password."""
    data = {"url": url, "org": "acme", "tokenSecretRef": {"name": "t", "key": "k"}}
    faults = _faults(InfluxConnectionSpec, data)
    assert [fault.path for fault in faults] == ["spec.url"]
    assert "s3cret" not in str(faults[0])


def test_paths_are_those_of_the_api_server() -> None:
    """Places of lists in brackets."""
    assert path_of(("spec", "names", 0, "a")) == "spec.names[0].a"
    assert path_of(("a",), "spec") == "spec.a"


def test_an_object_is_read_by_its_kind() -> None:
    """And another's kind is refused."""
    assert read_object({"kind": "InfluxTask", "spec": TASK}).spec == InfluxTaskSpec.model_validate(TASK)
    with pytest.raises(KeyError):
        read_object({"kind": "ConfigMap"})


def test_unknown_fields_are_found_at_any_depth() -> None:
    """As kubectl does; not in metadata, nor in the values of a template."""
    manifest = {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": "InfluxTask",
        "metadata": {"anything": 1},
        "spec": {**TASK, "aproval": 1, "window": {"perod": "1h"}, "template": {"values": {"a": {"b": 1}}}},
        "status": {"history": [{"id": "a", "log": "x"}]},
        "extra": {},
    }
    assert [fault.path for fault in unknown_fields(manifest)] == [
        "spec.aproval",
        "spec.window.perod",
        "status.history[0].log",
        "extra",
    ]


def test_labels_may_have_any_key() -> None:
    """A map has no unknown fields."""
    selector = {"matchLabels": {"team/x": "a"}, "matchExpressions": [{"key": "a", "opertor": "In"}]}
    manifest = {"kind": "InfluxConnection", "spec": {"allowedNamespaces": {"selector": selector}}}
    assert [fault.path for fault in unknown_fields(manifest)] == [
        "spec.allowedNamespaces.selector.matchExpressions[0].opertor"
    ]


def test_a_change_of_the_target_is_refused() -> None:
    """The connection and the bucket of an object stay."""
    old = RetentionPolicySpec.model_validate({"connectionRef": {"name": "a"}, "bucket": "b", "retention": "1d"})
    new = RetentionPolicySpec.model_validate({"connectionRef": {"name": "x"}, "bucket": "y", "retention": "2d"})
    assert [fault.path for fault in refused_changes(new, old)] == ["spec.connectionRef", "spec.bucket"]
    assert refused_changes(old, old) == []
