"""What of a stored status has the types of its CRD.

The API server keeps what an older CRD took, and validates only what is written. So a stored status may hold anything, and is
read by code that relies on its types. This is done for every object that a watch brings: the schema is taken apart once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from influxops.api.kinds import kind_of
from influxops.api.schema import structural

_TYPES: Mapping[str | None, frozenset[type]] = {
    "object": frozenset({dict}),
    "array": frozenset({list}),
    "string": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
    None: frozenset({dict, list, str, int, float, bool, type(None)}),
}
"""Exact types: True is no integer."""
_DROPPED = object()


@dataclass(frozen=True, slots=True)
class _Shape:
    """A schema, as far as it matters here."""

    types: frozenset[type]
    fields: Mapping[str, _Shape]
    other: _Shape | None
    items: _Shape | None
    required: frozenset[str]
    leaf: bool

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> _Shape:
        """Take a schema apart."""
        fields = {name: cls.of(below) for name, below in schema.get("properties", {}).items()}
        other, items = schema.get("additionalProperties"), schema.get("items")
        return cls(
            _TYPES[schema.get("type")],
            fields,
            cls.of(other) if isinstance(other, dict) else None,
            cls.of(items) if items is not None else None,
            frozenset(schema.get("required", ())),
            leaf=not fields and other is None and items is None,
        )


def conforming_status(kind: str, status: Any) -> dict[str, Any] | None:
    """A status without what is not of the type that the CRD of the kind says; None when nothing is left.

    A part that lacks a required field is left out whole. Fields that the CRD does not know stay. What conforms is returned
    itself and not as a copy.
    """
    found = _conforming(status, _status_shape(kind))
    return found if isinstance(found, dict) else None


@cache
def _status_shape(kind: str) -> _Shape:
    return _Shape.of(structural(kind_of(kind).model)["properties"]["status"])


def _conforming(value: Any, shape: _Shape) -> Any:
    if type(value) not in shape.types:
        return _DROPPED
    if shape.leaf:
        return value
    if isinstance(value, list):
        return _list(value, shape.items)
    return _object(value, shape)


def _list(value: list[Any], shape: _Shape | None) -> Any:
    if shape is None:
        return value
    items = [_conforming(item, shape) for item in value]
    for one, other in zip(items, value, strict=True):
        if one is not other:
            return [item for item in items if item is not _DROPPED]
    return value


def _object(value: dict[str, Any], shape: _Shape) -> Any:
    fields, other = shape.fields, shape.other
    changed: dict[str, Any] = {}
    for name, item in value.items():
        below = fields.get(name, other)
        if below is None or (below.leaf and type(item) in below.types):
            continue
        found = _conforming(item, below)
        if found is not item:
            changed[name] = found
    kept = value
    if changed:
        kept = {name: item for name, item in {**value, **changed}.items() if item is not _DROPPED}
    return kept if shape.required <= kept.keys() else _DROPPED
