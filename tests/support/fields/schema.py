"""Every field of every kind, as the generated CRDs have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CRDS = Path(__file__).parents[3] / "crds"
ITEM = "[]"
"""Stands in a path for the first item of a list of objects."""


@cache
def fields(kind: str) -> dict[str, dict[str, Any]]:
    """The fields of a kind's spec that hold no other fields: path such as ``stages.[].timeout`` -> schema."""
    for file in sorted(CRDS.glob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            if document and document["spec"].get("names", {}).get("kind") == kind:
                whole = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
                return {".".join(path): schema for path, schema in _leaves(whole, ())}
    raise KeyError(kind)


def kinds() -> list[str]:
    """Every kind that has a CRD."""
    documents = (one for file in CRDS.glob("*.yaml") for one in yaml.safe_load_all(file.read_text(encoding="utf-8")))
    return sorted(
        one["spec"]["names"]["kind"] for one in documents if one and one["kind"] == "CustomResourceDefinition"
    )


def _leaves(schema: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if schema.get("properties"):
        for name, inner in schema["properties"].items():
            yield from _leaves(inner, (*path, name))
    elif schema.get("items", {}).get("properties"):
        yield from _leaves(schema["items"], (*path, ITEM))
    else:
        yield path, schema
