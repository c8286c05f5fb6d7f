"""From the JSON of an object to the record that is kept of it. Pure."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from influxops.api.conforming import conforming_status
from influxops.core.keys import GROUP, Key, Kind
from influxops.core.record import Record, pack

_PREFIX = GROUP + "/"
_NONE: Mapping[str, str] = MappingProxyType({})


def project(kind: Kind, body: Mapping[str, Any], known: Record | None = None) -> Record:
    """The record of an object as the API sends it. Raises ``KeyError`` for what is no object of the API.

    ``known`` is an earlier record of the same key: of the same generation, its spec is taken over as it is.
    """
    meta = body["metadata"]
    stored = body.get("status") or {}
    status = conforming_status(kind.value, stored)
    same = known is not None and known.uid == meta["uid"] and known.generation == int(meta.get("generation") or 0)
    return Record(
        key=key_of(kind, body),
        uid=meta["uid"],
        generation=int(meta.get("generation") or 0),
        resource_version=meta["resourceVersion"],
        created=_time(meta["creationTimestamp"]),
        deletion_timestamp=_time(meta["deletionTimestamp"]) if meta.get("deletionTimestamp") else None,
        finalizers=tuple(sys.intern(name) for name in meta.get("finalizers") or ()),
        annotations=_ours(meta.get("annotations")),
        labels=_ours(meta.get("labels")),
        packed_spec=known.packed_spec if known is not None and same else pack(_mapping(body.get("spec"))),
        packed_status=pack(status),
        mangled=status is not stored,
    )


def _mapping(spec: Any) -> Mapping[str, Any]:
    """A spec that is no object, which an older CRD may have taken, lacks everything that is required of one."""
    return spec if isinstance(spec, dict) else {}


def key_of(kind: Kind, body: Mapping[str, Any]) -> Key:
    """The key of an object as the API sends it."""
    meta = body["metadata"]
    return Key(kind, sys.intern(meta["namespace"]), meta["name"])


def _ours(values: Mapping[str, str] | None) -> Mapping[str, str]:
    """Only what is addressed to us: other tools store whole manifests in annotations."""
    found = {name: value for name, value in (values or {}).items() if name.startswith(_PREFIX)}
    return found or _NONE


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
