"""Pipelines and backfills in the states that a user meets, with statuses written by hand.

The gallery has what a real operator wrote; these stand in for it until the gallery records both kinds, too.
"""

from __future__ import annotations

from typing import Any

from tests.support.gallery import State

PIPELINE, BACKFILL = "InfluxPipeline", "InfluxBackfill"
Object = dict[str, Any]
_SINCE = "2026-11-21T10:00:00Z"
_NEW = ("InProgress", "Progressing", "Waiting for influxops")
_FIT = "5 stages, windows every 1h"

STATES = (
    State(PIPELINE, "new", *_NEW),
    State(PIPELINE, "synced", "Current", "Healthy", f"Synced: {_FIT}"),
    State(PIPELINE, "changed", *_NEW),
    State(PIPELINE, "no-ledger", "InProgress", "Progressing", "DependencyNotReady: bucket "),
    State(PIPELINE, "cycle", "Failed", "Degraded", "InvalidSpec: spec.stages[1].dependsOn: "),
    State(PIPELINE, "failing", "Current", "Degraded", "WindowsFailed: 3 windows "),
    State(PIPELINE, "circuit-open", "Current", "Degraded", "CircuitOpen: stage daily "),
    State(PIPELINE, "late", "Current", "Healthy", "DeadlinePassed: "),
    State(PIPELINE, "suspended", "Current", "Suspended", "Suspended by spec.suspend"),
    State(BACKFILL, "new", *_NEW),
    State(BACKFILL, "running", "InProgress", "Progressing", "Running: 500 of 720 windows"),
    State(BACKFILL, "suspended", "InProgress", "Suspended", "Suspended: "),
    State(BACKFILL, "succeeded", "Current", "Healthy", "Succeeded: 720 windows"),
    State(BACKFILL, "succeeded-suspended", "Current", "Healthy", "Succeeded: 720 windows"),
    State(BACKFILL, "failed", "Failed", "Degraded", "Failed: 2 of 720 windows"),
    State(BACKFILL, "refused", "Failed", "Degraded", "Refused: "),
)


def handmade() -> dict[State, Object]:
    """The objects, as the API server would give them."""
    return {state: _object(state, *_STATUSES[state.kind][state.name]) for state in STATES}


def _object(state: State, conditions: list[Object], status: Object, spec: Object) -> Object:
    base = _PIPELINE if state.kind == PIPELINE else _BACKFILL
    seen = -1 if state.name == "new" else 1
    generation = 2 if state.name == "changed" else 1
    for one in conditions:
        one["observedGeneration"] = 1
    return {
        "apiVersion": "influxops.dev/v1alpha1",
        "kind": state.kind,
        "metadata": {"name": state.name, "namespace": "influxops-demo", "generation": generation},
        "spec": {**base, **spec},
        "status": {"observedGeneration": seen, **({"conditions": conditions} if conditions else {}), **status},
    }


def _condition(type_: str, status: str, reason: str, message: str) -> Object:
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": _SINCE}


def _ready(reason: str, message: str, *more: Object) -> list[Object]:
    return [_condition("Ready", "True", reason, message), *more]


def _waits(reason: str, message: str) -> list[Object]:
    return [_condition("Ready", "False", reason, message), _condition("Reconciling", "True", reason, message)]


def _stalled(reason: str, message: str) -> list[Object]:
    return [_condition("Ready", "False", reason, message), _condition("Stalled", "True", reason, message)]


_PIPELINE: Object = {
    "connectionRef": {"name": "main"},
    "suspend": False,
    "window": {"every": "1h", "timezone": "UTC"},
    "ledger": {"bucket": "influxops-ledger"},
    "stages": [{"name": "hourly", "flux": "x = 1"}, {"name": "daily", "flux": "x = 1", "dependsOn": ["hourly"]}],
}
_BACKFILL: Object = {
    "pipelineRef": {"name": "climate"},
    "start": "2026-10-01T00:00:00Z",
    "stop": "2026-11-01T00:00:00Z",
    "includeDescendants": True,
    "reprocess": "None",
    "order": "OldestFirst",
    "maxActiveWindows": 4,
    "dryRun": False,
    "suspend": False,
}
_AT_WORK: Object = {
    "stageCount": 5,
    "watermark": "2026-11-21T10:00:00Z",
    "nextWindow": {"start": "2026-11-21T10:00:00Z", "stop": "2026-11-21T11:00:00Z"},
    "windows": {"pending": 0, "ready": 1, "running": 1, "succeeded": 4321, "failed": 0},
    "lateWindows": 2,
    "stages": [{"name": "hourly"}, {"name": "daily"}],
}
_FAILED: Object = {**_AT_WORK, "windows": {"pending": 4, "ready": 12, "running": 0, "succeeded": 4321, "failed": 3}}
_PROGRESS: Object = {
    "phase": "Running",
    "progress": "500/720",
    "total": 720,
    "succeeded": 500,
    "failed": 0,
    "rate": "12.5/s",
    "eta": "2026-11-21T10:20:00Z",
    "startedAt": "2026-11-21T10:00:00Z",
}
_DONE: Object = {
    "phase": "Succeeded",
    "progress": "720/720",
    "total": 720,
    "succeeded": 720,
    "failed": 0,
    "rate": "12.5/s",
    "startedAt": "2026-11-21T10:00:00Z",
    "finishedAt": "2026-11-21T10:01:00Z",
}
_SUCCEEDED = _ready("Succeeded", "720 windows have run")

_STATUSES: dict[str, dict[str, tuple[list[Object], Object, Object]]] = {
    PIPELINE: {
        "new": ([], {}, {}),
        "synced": (_ready("Synced", _FIT), _AT_WORK, {}),
        "changed": (_ready("Synced", _FIT), _AT_WORK, {}),
        "no-ledger": (
            _waits("DependencyNotReady", "bucket 'influxops-ledger' does not exist: create it with a RetentionPolicy"),
            {"stageCount": 5},
            {},
        ),
        "cycle": (
            _stalled("InvalidSpec", "spec.stages[1].dependsOn: daily -> hourly -> daily is a cycle"),
            {"stageCount": 5},
            {},
        ),
        "failing": (
            _ready("Synced", _FIT, _condition("Failing", "True", "WindowsFailed", "3 windows of stage daily failed")),
            _FAILED,
            {},
        ),
        "circuit-open": (
            _ready(
                "Synced",
                _FIT,
                _condition("Failing", "True", "WindowsFailed", "3 windows of stage daily failed"),
                _condition("CircuitOpen", "True", "CircuitOpen", "stage daily failed 5 times in a row"),
            ),
            _FAILED,
            {},
        ),
        "late": (
            _ready("Synced", _FIT, _condition("Late", "True", "DeadlinePassed", "2 windows are later than 30m")),
            _AT_WORK,
            {},
        ),
        "suspended": (_ready("Suspended", "spec.suspend is true"), _AT_WORK, {"suspend": True}),
    },
    BACKFILL: {
        "new": ([], {}, {}),
        "running": (_waits("Running", "500 of 720 windows have run"), _PROGRESS, {}),
        "suspended": (
            _waits("Suspended", "500 of 720 windows have run"),
            {**_PROGRESS, "phase": "Suspended"},
            {"suspend": True},
        ),
        "succeeded": (_SUCCEEDED, _DONE, {}),
        "succeeded-suspended": (_SUCCEEDED, _DONE, {"suspend": True}),
        "failed": (
            _stalled("Failed", "2 of 720 windows failed: see status.failures"),
            {**_DONE, "phase": "Failed", "progress": "718/720", "succeeded": 718, "failed": 2},
            {},
        ),
        "refused": (
            _stalled("Refused", "bucket 'raw' keeps 7d, and start lies before that"),
            {"phase": "Refused", "total": 0},
            {},
        ),
    },
}
