"""The models: reading, writing back, and the small judgements that stand at them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from influxops.api.connection import AllowedNamespaces, InfluxConnectionSpec, Policy
from influxops.api.influxtask import InfluxTask, InfluxTaskSpec, InfluxTaskStatus, RunState, RunStatus
from influxops.api.retentionpolicy import RetentionPolicySpec, RetentionPolicyStatus
from influxops.api.selector import LabelSelector

TASK: dict[str, Any] = {"connectionRef": {"name": "main"}, "every": "1h", "flux": "x = 1"}
CONNECTION: dict[str, Any] = {
    "url": "https://a.example/",
    "org": "acme",
    "tokenSecretRef": {"name": "t", "key": "k"},
}


def test_a_spec_is_frozen() -> None:
    """What was read from the cluster is nobody's to change."""
    spec = InfluxTaskSpec.model_validate(TASK)
    with pytest.raises(ValidationError):
        spec.suspend = True


def test_unknown_fields_are_ignored() -> None:
    """An older operator reads what a newer CRD has stored."""
    assert InfluxTaskSpec.model_validate(TASK | {"shard": {"count": 2}}) == InfluxTaskSpec.model_validate(TASK)


def test_nulls_count_as_absent_but_not_within_values() -> None:
    """As for the API server; the values of a template are the user's own."""
    spec = InfluxTaskSpec.model_validate(
        {**TASK, "offset": None, "deletion": None, "flux": None, "template": {"inline": "x", "values": {"a": None}}}
    )
    assert spec.offset is None
    assert spec.deletion == "Delete"
    assert spec.template is not None
    assert spec.template.values == {"a": None}


@pytest.mark.parametrize(
    "wrong", [{"suspend": "true"}, {"suspend": 1}, {"runHistoryLimit": "5"}, {"runHistoryLimit": 5.0}, {"every": 3600}]
)
def test_types_are_not_bent(wrong: dict[str, Any]) -> None:
    """The API server bends nothing, so the models do not either."""
    with pytest.raises(ValidationError):
        InfluxTaskSpec.model_validate(TASK | wrong)


def test_a_spec_is_written_back_as_the_user_wrote_it() -> None:
    """Durations keep their spelling, and what was not set stays out."""
    assert InfluxTaskSpec.model_validate(TASK | {"every": "60m"}).to_json() == TASK | {"every": "60m"}


def test_a_status_is_written_in_the_form_of_kubernetes() -> None:
    """camelCase, the ids as design names them, times with whole seconds and Z."""
    run = RunStatus(
        id="0f",
        state=RunState.SUCCESS,
        scheduled_for=datetime(2026, 11, 21, 10, tzinfo=UTC),
        finished_at=datetime(2026, 11, 21, 10, 0, 2, 500_000, tzinfo=UTC),
    )
    status = InfluxTaskStatus(task_id="0a", observed_generation=3, last_run=run, history=[run])
    written = status.to_json()
    assert written["taskID"] == "0a"
    assert written["lastRun"] == {
        "id": "0f",
        "state": "success",
        "scheduledFor": "2026-11-21T10:00:00Z",
        "finishedAt": "2026-11-21T10:00:02Z",
    }
    assert InfluxTaskStatus.model_validate(written).to_json() == written


def test_a_whole_object_is_read() -> None:
    """Metadata, spec and status of a task as the API server sends it."""
    task = InfluxTask.model_validate(
        {
            "apiVersion": "influxops.dev/v1alpha1",
            "kind": "InfluxTask",
            "metadata": {
                "name": "cpu",
                "namespace": "team",
                "uid": "u",
                "generation": 2,
                "creationTimestamp": "2026-11-21T10:00:00Z",
                "managedFields": [{}],
            },
            "spec": TASK,
            "status": {"observedGeneration": -1},
        }
    )
    assert task.key == "team/cpu"
    assert task.metadata.creation_timestamp == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert task.status.observed_generation == -1
    assert task.status.condition("Ready") is None
    assert task.spec.every is not None
    assert task.spec.every.seconds == 3600


def test_the_retention_is_a_value() -> None:
    """Infinite is 0 seconds, and the alias of the id is read."""
    base = {"connectionRef": {"name": "main"}, "bucket": "raw"}
    assert RetentionPolicySpec.model_validate(base | {"retention": "infinite"}).retention.seconds == 0
    assert RetentionPolicySpec.model_validate(base | {"retention": "2w"}).retention.seconds == 14 * 86400
    assert RetentionPolicyStatus.model_validate({"bucketID": "b"}).bucket_id == "b"


def test_an_address_ends_without_a_slash() -> None:
    """So that paths can be put behind it, and so that the same address is the same text."""
    assert InfluxConnectionSpec.model_validate(CONNECTION).url == "https://a.example"


def test_the_defaults_of_a_connection() -> None:
    """As the CRD has them."""
    spec = InfluxConnectionSpec.model_validate(CONNECTION)
    assert (spec.timeout.seconds, spec.sync_interval.seconds) == (15, 30)
    assert (spec.limits.max_concurrent, spec.limits.requests_per_second) == (16, None)
    assert spec.allowed_namespaces is None


@pytest.mark.parametrize(
    ("package", "denied"),
    [("http", True), ("http/requests", True), ("httpx", False), ("experimental/http", True), ("experimental", False)],
)
def test_a_denied_package_stands_for_those_below_it(package: str, denied: bool) -> None:
    """But not for one whose name only begins alike."""
    policy = Policy.model_validate({"deniedFluxPackages": ["http", "experimental/http"]})
    assert policy.denies(package) is denied


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {"a": "1"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
        ({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}, {"a": "1"}, False),
    ],
)
def test_labels_are_selected_as_in_kubernetes(selector: dict[str, Any], labels: dict[str, str], selected: bool) -> None:
    """All requirements hold together; NotIn also fits where the label is missing."""
    assert LabelSelector.model_validate(selector).matches(labels) is selected


def test_a_namespace_is_admitted_by_name_or_by_label() -> None:
    """Either field is enough; nothing at all admits nobody else."""
    both = AllowedNamespaces.model_validate({"names": ["a"], "selector": {"matchLabels": {"influx": "yes"}}})
    assert both.admits("a", {})
    assert both.admits("b", {"influx": "yes"})
    assert not both.admits("b", {})
    assert not AllowedNamespaces().admits("b", {"influx": "yes"})
