"""Writes docs/reference/<kind>.md from the models: ``python -m influxops.api.docgen [--check] DIR``.

With ``--check`` nothing is written; the exit status is 1 when a file differs from what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from influxops.api.base import API_VERSION
from influxops.api.crdgen import write
from influxops.api.kinds import CATEGORY, KINDS, Kind
from influxops.api.rules import VALIDATIONS
from influxops.api.schema import Schema, structural

_HEADER = "<!-- Generated from operator/influxops/api by `make generate`; do not edit. -->"
_OPEN = "x-kubernetes-preserve-unknown-fields"


def page(kind: Kind) -> str:
    """The reference page of a kind."""
    schema = structural(kind.model)
    parts = [
        f"{_HEADER}\n# {kind.name}",
        schema["description"],
        _intro(kind),
    ]
    for name in ("spec", "status"):
        part = schema["properties"][name]
        parts += [f"## {name}", part["description"], _table(part)]
        if name == "spec":
            parts += ["### What is refused", "\n".join(_refusals(part, name))]
    parts += ["## Columns of `kubectl get`", _columns(kind)]
    selectors = " and ".join(f"`{path.removeprefix('.')}`" for path in kind.selectable)
    parts += [f"Objects can be selected by {selectors}, as in `kubectl get {kind.plural} --field-selector`."]
    return "\n\n".join(parts) + "\n"


def _intro(kind: Kind) -> str:
    return (
        f"`apiVersion: {API_VERSION}`, `kind: {kind.name}`, namespaced. Short name `{kind.short}`, category `{CATEGORY}` "
        f"(`kubectl get {CATEGORY}`). The same text is in `kubectl explain {kind.singular}.spec`."
    )


def _table(schema: Schema) -> str:
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for path, node, required in _fields(schema):
        default = "required" if required else _default(node)
        rows.append(f"| `{path}` | {_type(node)} | {default} | {_cell(node.get('description', ''))} |")
    return "\n".join(rows)


def _fields(schema: Schema, prefix: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Every field below a schema: its path, its schema, and whether it must be given."""
    for name, node in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, node, name in schema.get("required", [])
        yield from _fields(node, f"{path}.")
        if "items" in node:
            yield from _fields(node["items"], f"{path}[].")


def _default(node: Schema) -> str:
    if "default" not in node or node["default"] in ("", {}):
        return ""
    value = node["default"]
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(node: Schema) -> str:
    if "enum" in node:
        return " or ".join(f"`{value}`" for value in node["enum"])
    match node["type"]:
        case "array":
            return f"list of {node['items']['type']}{_limit(node, 'maxItems')}"
        case "object" if "additionalProperties" in node:
            return "map of string"
        case "object" if node.get(_OPEN):
            return "any object"
        case "integer" if "maximum" in node:
            return f"integer, {node['minimum']} to {node['maximum']}"
        case "string" if node.get("format") == "date-time":
            return "time"
        case type_:
            return f"{type_}{_limit(node, 'maxLength')}"


def _limit(node: Schema, name: str) -> str:
    return f", at most {node[name]}" if name in node else ""


def _refusals(schema: Schema, path: str) -> Iterator[str]:
    """Each rule of a schema and below it, in the words that a user reads."""
    for rule in schema.get(VALIDATIONS, []):
        yield f"- `{path}{rule.get('fieldPath', '')}`: {_cell(rule['message'])}"
    for name, node in schema.get("properties", {}).items():
        yield from _refusals(node, f"{path}.{name}")
    if "items" in schema:
        yield from _refusals(schema["items"], f"{path}[]")


def _columns(kind: Kind) -> str:
    rows = ["| column | meaning |", "| --- | --- |", "| NAME | Name of the object |"]
    for column in kind.columns:
        wide = " (with `-o wide`)" if column.wide else ""
        rows.append(f"| {column.name.upper()} | {column.description}{wide} |")
    return "\n".join(rows)


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write or check the pages; returns the exit status."""
    return write({f"{kind.singular}.md": page(kind) for kind in KINDS}, arguments, "influxops.api.docgen")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
