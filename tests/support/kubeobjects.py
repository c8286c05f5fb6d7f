"""Objects as the API would send them, for tests that need no API."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.watch.projection import project

_versions = itertools.count(100)
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def body(
    kind: Kind = Kind.TASK,
    name: str = "a",
    namespace: str = "team",
    *,
    uid: str = "u1",
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    version: int | None = None,
    born: int = 0,
    **metadata: Any,
) -> dict[str, Any]:
    """An object; ``version`` counts up by itself, ``born`` is in seconds after an arbitrary moment."""
    made: dict[str, Any] = {
        "apiVersion": kind.api_version,
        "kind": kind.value,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid,
            "generation": 1,
            "resourceVersion": str(next(_versions) if version is None else version),
            "creationTimestamp": (_EPOCH + timedelta(seconds=born)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **metadata,
        },
        "spec": spec if spec is not None else {"connectionRef": {"name": "main"}},
    }
    if status is not None:
        made["status"] = status
    return made


def record(kind: Kind = Kind.TASK, name: str = "a", namespace: str = "team", **more: Any) -> Record:
    """The record of such an object."""
    return project(kind, body(kind, name, namespace, **more))


def task(name: str = "a", namespace: str = "team") -> Key:
    """The key of a task."""
    return Key(Kind.TASK, namespace, name)
