"""Objects that no CRD of today would take: written by an older schema, or past it. Twenty of them, of all five kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.support.lab import BACKFILL, CONNECTION, HOURLY, PIPELINE, POLICY, TASK

MAIN = {"name": "main"}
_STAGE = {"name": "hourly", "flux": 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop)'}


@dataclass(frozen=True)
class Bad:
    """One of them, and the words that tell what is wrong."""

    kind: str
    name: str
    spec: Any
    words: tuple[str, ...]


BAD = [
    Bad(CONNECTION, "url-is-a-number", {"url": 17, "org": "o", "tokenSecretRef": {"name": "t", "key": "k"}}, ("spec.url", "string")),
    Bad(CONNECTION, "spec-is-text", "everything", ("spec", "Required value")),
    Bad(
        CONNECTION,
        "secret-of-elsewhere",
        {"url": "https://h:1", "org": "o", "tokenSecretRef": "kube-system/token"},
        ("spec.tokenSecretRef", "object"),
    ),
    Bad(TASK, "flux-is-a-number", {"connectionRef": MAIN, "every": "1h", "flux": 17}, ("spec.flux", "string")),
    Bad(TASK, "no-connection", {"every": "1h", "flux": HOURLY}, ("spec.connectionRef", "Required value")),
    Bad(TASK, "connection-is-a-list", {"connectionRef": ["main"], "every": "1h", "flux": HOURLY}, ("spec.connectionRef",)),
    Bad(
        TASK,
        "unknown-word",
        {"connectionRef": MAIN, "every": "1h", "flux": HOURLY, "drift": "Sometimes", "deletion": "Maybe"},
        ("spec.drift", "Correct", "spec.deletion", "Orphan"),
    ),
    Bad(TASK, "too-long", {"connectionRef": MAIN, "every": "1h", "flux": "// " + "x" * 600_000}, ("spec.flux", "Too long")),
    Bad(
        TASK,
        "huge-number",
        {"connectionRef": MAIN, "every": "1h", "flux": HOURLY, "runHistoryLimit": 10**15, "retry": {"limit": -(10**12)}},
        ("spec.runHistoryLimit", "spec.retry.limit"),
    ),
    Bad(TASK, "every-is-an-object", {"connectionRef": MAIN, "every": {"hours": 1}, "flux": HOURLY}, ("spec.every",)),
    Bad(
        TASK,
        "no-such-name",
        {"connectionRef": MAIN, "every": "1h", "flux": HOURLY, "name": "a\u0000b\ufffd\u202e\n" + "n" * 5000},
        ("spec.name",),
    ),
    Bad(POLICY, "retention-is-a-number", {"connectionRef": MAIN, "bucket": "b", "retention": 3600}, ("spec.retention",)),
    Bad(POLICY, "system-bucket", {"connectionRef": MAIN, "bucket": "_tasks", "retention": "1d"}, ("spec.bucket",)),
    Bad(POLICY, "bucket-is-a-list", {"connectionRef": MAIN, "bucket": ["raw"], "retention": "1d"}, ("spec.bucket",)),
    Bad(PIPELINE, "stages-are-text", {"connectionRef": MAIN, "window": {"every": "1h"}, "stages": "all"}, ("spec.stages",)),
    Bad(
        PIPELINE,
        "stages-are-numbers",
        {"connectionRef": MAIN, "window": {"every": "1h"}, "stages": [1, None, "two"]},
        ("spec.stages[0]",),
    ),
    Bad(
        PIPELINE,
        "begins-some-day",
        {"connectionRef": MAIN, "window": {"every": "1h"}, "stages": [_STAGE], "begin": "some day"},
        ("spec.begin",),
    ),
    Bad(BACKFILL, "start-is-a-number", {"pipelineRef": {"name": "p"}, "start": 17, "stop": "2026-01-01T00:00:00Z"}, ("spec.start",)),
    Bad(
        BACKFILL,
        "backwards",
        {"taskRef": {"name": "good-0"}, "start": "2026-01-02T00:00:00Z", "stop": "2026-01-01T00:00:00Z"},
        ("spec",),
    ),
    Bad(BACKFILL, "of-nothing", {"start": "2026-01-01T00:00:00Z", "stop": "2026-01-02T00:00:00Z"}, ("spec", "Ref")),
]  # fmt: skip

ODD_STATUSES: list[Any] = [
    "fine",
    {
        "conditions": "Ready",
        "history": 5,
        "taskID": {"a": 1},
        "observedGeneration": "two",
        "slots": [],
        "plan": "later",
    },
    {
        "conditions": [None, 7, "x", {"type": "Ready"}, {"type": ["Ready"], "status": {}}],
        "lastRun": 1,
        "history": [None, 3],
    },
    {
        "conditions": [{"type": "Ready", "status": "True", "reason": 3}],
        "consecutiveFailures": "many",
        "plan": {"actions": 3},
    },
    {
        "history": {"a": "b"},
        "lastSuccess": 17,
        "nextRun": [],
        "bucketID": 5,
        "appliedRetention": {},
        "previous": "x",
        "windows": 1,
    },
]
"""Statuses that an older release, or nobody, could have written: the objects that have them are right all the same."""


def manifest(kind: str, name: str, spec: Any) -> dict[str, Any]:
    """The whole object."""
    return {"apiVersion": "influxops.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
