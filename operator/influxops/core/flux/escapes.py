"""Whether a package that can reach a bucket, or such a function of it, is used in a way that hides which bucket that is."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from influxops.core.flux.values import Node, name_of, values

_SCHEMA = frozenset(
    {
        "fieldKeys", "fieldsAsCols", "measurementFieldKeys", "measurementTagKeys", "measurementTagValues", "measurements",
        "tagKeys", "tagValues",
    }
)  # fmt: skip
_TAKES_BUCKET: Mapping[str, AbstractSet[str]] = {
    "experimental": frozenset({"to"}),
    "experimental/query": frozenset({"fromRange", "inBucket"}),
    "influxdata/influxdb": frozenset({"from", "to", "wideTo", "cardinality", "buckets"}),
    "influxdata/influxdb/schema": _SCHEMA,
    "influxdata/influxdb/v1": _SCHEMA | {"databases", "json"},
}
"""Functions of Flux 0.196 that are given a bucket, or list them, by package."""
_TAKES_NONE = frozenset(
    {
        "array", "bitwise", "contrib/tomhollingworth/events", "csv", "date", "date/boundaries", "dict",
        "experimental/aggregate", "experimental/array", "experimental/bitwise", "experimental/date/boundaries",
        "experimental/geo", "experimental/json", "experimental/record", "experimental/table", "generate",
        "influxdata/influxdb/tasks", "interpolate", "join", "json", "math", "profiler", "regexp", "runtime", "strings", "system",
        "timezone", "types",
    }
)  # fmt: skip
"""Packages without any such function. Of what is listed nowhere each function counts as one."""
_CONSTANTS = frozenset({"levelOK", "levelInfo", "levelWarn", "levelCrit", "levelUnknown"})
"""Of ``influxdata/influxdb/monitor``, whose other members read and write a bucket."""


def escapes(body: list[Node], calls: list[Node], packages: Mapping[str, str]) -> bool:
    """Whether a package is used as a value, or a function of it that takes a bucket other than by calling it at once.

    ``packages``: path by the name that the script has for it.
    """
    reaching = {name: path for name, path in packages.items() if path not in _TAKES_NONE}
    if not reaching:
        return False
    called = {id(call.get("callee")) for call in calls}
    owners: set[int] = set()
    for node, hidden in values(body):
        if node.get("type") == "Identifier":
            if id(node) not in owners and node.get("name") in reaching.keys() - hidden:
                return True
            continue
        owner = node.get("object") or {}
        owners.add(id(owner))
        name = owner.get("name") if owner.get("type") == "Identifier" else None
        if name in reaching.keys() - hidden and id(node) not in called and _takes_bucket(reaching[str(name)], node):
            return True
    return False


def _takes_bucket(path: str, member: Node) -> bool:
    name = name_of(member.get("property") or {})
    return name in _TAKES_BUCKET[path] if path in _TAKES_BUCKET else name not in _CONSTANTS
