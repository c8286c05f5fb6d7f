"""What of a value has the types of a schema.

The API server keeps what an older CRD took, and validates only what is written. So a stored status may hold anything, and is
read by code that relies on its types.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from influxops.api.kinds import kind_of
from influxops.api.schema import structural

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_DROPPED = object()


def conforming_status(kind: str, status: Any) -> dict[str, Any] | None:
    """A status without what is not of the type that the CRD of the kind says; None when nothing is left.

    A part that lacks a required field is left out whole. Fields that the CRD does not know stay.
    """
    found = _conforming(status, _status_schema(kind))
    return found if isinstance(found, dict) else None


@cache
def _status_schema(kind: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = structural(kind_of(kind).model)["properties"]["status"]
    return schema


def _conforming(value: Any, schema: Mapping[str, Any]) -> Any:
    """The value itself where it conforms, so that nothing is copied then."""
    wanted = schema.get("type")
    if wanted is not None and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")
    ):
        return _DROPPED
    if isinstance(value, list) and "items" in schema:
        items = [_conforming(item, schema["items"]) for item in value]
        if all(one is other for one, other in zip(items, value, strict=True)):
            return value
        return [item for item in items if item is not _DROPPED]
    if isinstance(value, dict):
        return _object(value, schema)
    return value


def _object(value: dict[str, Any], schema: Mapping[str, Any]) -> Any:
    known, other = schema.get("properties", {}), schema.get("additionalProperties")
    changed: dict[str, Any] = {}
    for name, item in value.items():
        below = known.get(name, other)
        found = item if below is None else _conforming(item, below)
        if found is not item:
            changed[name] = found
    kept = value
    if changed:
        kept = {name: item for name, item in {**value, **changed}.items() if item is not _DROPPED}
    return _DROPPED if any(name not in kept for name in schema.get("required", ())) else kept
