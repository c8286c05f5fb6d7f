"""A template of the library for people and programs: values, promise, and an example manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from influxops.api.base import API_VERSION
from influxops.api.schema import Schema, structural
from influxops.library.catalogue import Entry

_PUSHED = {
    "ReadRange": "filters; the points that pass them are read",
    "ReadWindowAggregate": "filters and aggregates; only the result of each step is read",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One value."""

    path: str
    type: str
    default: str
    """``required`` for a value without one."""
    meaning: str


def rows(entry: Entry) -> list[Row]:
    """Every value of a template, nested ones under ``name.part``, ``name[].part`` and ``name.<field>.part``."""
    return list(_rows(structural(entry.values)))


def pushed_down(entry: Entry) -> str:
    """What the storage does, in words."""
    return f"{_PUSHED[entry.pushed_down]} ({entry.pushed_down}… in the query plan)"


def example(entry: Entry) -> str:
    """A whole manifest, as YAML."""
    body = {
        "apiVersion": API_VERSION,
        "kind": "InfluxTask",
        "metadata": {"name": f"env-{entry.name.value}"},
        "spec": {
            "connectionRef": {"name": "main"},
            "every": "1h",
            "offset": "5m",
            "template": {"library": entry.name.value, "values": dict(entry.example)},
        },
    }
    text: str = yaml.safe_dump(body, sort_keys=False, default_flow_style=None, width=120)
    return text


def as_text(entry: Entry) -> str:
    """For the terminal."""
    wide = max(len(row.path) for row in rows(entry))
    lines = [entry.summary, "", _about(entry), "", f"In InfluxDB's storage: {pushed_down(entry)}.", "", "Values:"]
    for row in rows(entry):
        default = row.default if row.default == "required" else f"default {row.default}" if row.default else "optional"
        lines += [f"  {row.path:<{wide}}  {row.type}, {default}", f"  {'':<{wide}}  {row.meaning}"]
    return "\n".join([*lines, "", "Example:", "", example(entry)])


def as_json(entries: Sequence[Entry]) -> str:
    """For programs."""
    found = [
        {
            "name": entry.name.value,
            "summary": entry.summary,
            "pushedDown": entry.pushed_down,
            "values": [
                {"path": row.path, "type": row.type, "default": row.default, "meaning": row.meaning}
                for row in rows(entry)
            ],
            "example": yaml.safe_load(example(entry)),
        }
        for entry in entries
    ]
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def page(entries: Sequence[Entry]) -> str:
    """docs/reference/templates.md."""
    lines = [
        "# Templates",
        "",
        "Written by `make generate` from the templates themselves. They come with influxops; a task names one in",
        "`spec.template.library` and gives its `values`, which are checked by `influxops validate` and by the operator.",
        "`influxops templates show NAME` prints the same, `--text` the template itself. Every template gives the same however often",
        "a window is run: its points have their own time or the start of their step, and a fixed set of tags and fields.",
    ]
    for entry in entries:
        lines += ["", f"## {entry.name.value}", "", entry.summary, "", _about(entry), ""]
        lines += [f"In InfluxDB's storage: {pushed_down(entry)}.", ""]
        lines += ["| value | type | default | meaning |", "| --- | --- | --- | --- |"]
        for row in rows(entry):
            default = row.default if row.default in {"", "required"} else f"`{row.default}`"
            lines.append(f"| `{row.path}` | {row.type} | {default} | {row.meaning.replace('|', chr(92) + '|')} |")
        lines += ["", "```yaml", example(entry).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def _about(entry: Entry) -> str:
    return " ".join(str(structural(entry.values)["description"]).split())


def _rows(schema: Schema, prefix: str = "") -> Iterator[Row]:
    for name, node in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        default = "required" if name in schema.get("required", []) else _default(node)
        yield Row(path, _type(node), default, node.get("description", ""))
        inner = node.get("additionalProperties")
        yield from _rows(node, f"{path}.")
        if isinstance(inner, dict):
            yield from _rows(inner, f"{path}.<name>.")
        if "items" in node:
            yield from _rows(node["items"], f"{path}[].")


def _default(node: Schema) -> str:
    value = node.get("default", "")
    return str(value).lower() if isinstance(value, bool) else str(value) if value not in ([], {}) else ""


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return " or ".join(str(value) for value in node["enum"])
    match node["type"]:
        case "array":
            return f"list of {node['items']['type']}s"
        case "object" if "additionalProperties" in node:
            return "map of objects"
        case type_:
            return str(type_)
