"""What ``kubectl get`` shows of pipelines and backfills in every state, on the real API server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from influxops.api.kinds import kind_of
from tests.support.lab import BACKFILL, PIPELINE
from tests.support.rawkube import RawKube
from tests.support.record_gallery import recorded

WIDTH = 120
"""Columns of a terminal that people use side by side."""
_FAILING = recorded()[f"{PIPELINE}-failing"]["status"]


@pytest.fixture(scope="module")
def shown(kube: RawKube, namespace: str) -> None:
    """All of them, with their statuses, which the schema must take as they are."""
    for item in (one for one in recorded().values() if one["kind"] in {PIPELINE, BACKFILL}):
        name = item["metadata"]["name"]
        where = kind_of(item["kind"])
        path = f"{where.path}/namespaces/{namespace}/{where.plural}"
        body = {**item, "metadata": {"name": name}}
        status = body.pop("status")
        code, answer = kube.request("POST", f"{path}?fieldValidation=Strict", body)
        assert code == 201, answer
        code, answer = kube.request(
            "PATCH",
            f"{path}/{name}/status?fieldValidation=Strict",
            {"status": status},
            "application/merge-patch+json",
        )
        assert code == 200, answer


@pytest.mark.usefixtures("shown")
@pytest.mark.parametrize(
    ("kind", "head", "name", "cells"),
    [
        (
            PIPELINE,
            ["NAME", "CONNECTION", "EVERY", "STAGES", "READY", "REASON", "WATERMARK", "WAITING", "FAILED", "AGE"],
            "failing",
            [
                "failing",
                "main",
                "1h",
                "1",
                "True",
                "Synced",
                _FAILING["watermark"],
                "0",
                str(_FAILING["windows"]["failed"]),
            ],
        ),
        (
            BACKFILL,
            ["NAME", "PIPELINE", "TASK", "PHASE", "DONE", "FAILED", "RATE", "ETA", "AGE"],
            "running",
            ["running", "late", "Running", "0/24", "0"],
        ),
    ],
)
def test_the_columns(
    run_kubectl: Callable[..., str], namespace: str, kind: str, head: list[str], name: str, cells: list[str]
) -> None:
    """Everything that matters, within the width of a terminal; the message comes with ``-o wide``."""
    ours = sorted(item["metadata"]["name"] for item in recorded().values() if item["kind"] == kind)
    lines = run_kubectl("-n", namespace, "get", kind_of(kind).short, *ours).splitlines()
    assert lines[0].split() == head
    assert max(map(len, lines)) <= WIDTH, lines
    row = next(line for line in lines if line.split()[0] == name)
    assert row.split()[: len(cells)] == cells
    assert "MESSAGE" in run_kubectl("-n", namespace, "get", kind_of(kind).short, "-o", "wide")
