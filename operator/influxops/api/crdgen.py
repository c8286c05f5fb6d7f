"""Writes crds/*.yaml from the models: ``python -m influxops.api.crdgen [--check] DIR``.

With ``--check`` nothing is written; the exit status is 1 when a file differs from what would be written.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from influxops.api.base import GROUP, VERSION
from influxops.api.kinds import CATEGORY, KINDS, Column, Kind
from influxops.api.schema import structural

HEADER = "# Generated from operator/influxops/api by `make generate`; do not edit.\n"
_METADATA = ("apiVersion", "kind", "metadata")


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key and repeats instead of using anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        del indentless
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd, "labels": {"app.kubernetes.io/name": "influxops"}},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "selectableFields": [{"jsonPath": path} for path in kind.selectable],
                    "schema": {"openAPIV3Schema": _schema(kind)},
                }
            ],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    if column.wide:
        entry["priority"] = 1
    return entry


def _schema(kind: Kind) -> dict[str, Any]:
    schema = structural(kind.model)
    properties = schema["properties"]
    for name in _METADATA:
        properties.pop(name)
    # Nothing counts as current before the first visit: kstatus compares observedGeneration with the generation.
    properties["status"]["default"] = {"observedGeneration": -1}
    meta: dict[str, Any] = {
        "apiVersion": {"type": "string", "description": f"Version of the API: `{GROUP}/{VERSION}`."},
        "kind": {"type": "string", "description": f"Kind of the object: `{kind.name}`."},
        "metadata": {"type": "object"},  # the API server describes it itself and allows no more
    }
    schema["properties"] = meta | properties
    return schema


def text(kind: Kind) -> str:
    """The file of a kind, the same for the same models."""
    body = yaml.dump(definition(kind), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
    return f"{HEADER}---\n{body}"


def write(files: Mapping[str, str], arguments: list[str], program: str, source: str = "the models") -> int:
    """Write generated files into the folder that the arguments name, or with ``--check`` compare; the exit status."""
    check = "--check" in arguments
    folders = [argument for argument in arguments if not argument.startswith("-")]
    if len(folders) != 1:
        sys.stderr.write(f"usage: python -m {program} [--check] DIR\n")
        return 2
    folder = Path(folders[0])
    stale = False
    for name, wanted in files.items():
        path = folder / name
        if path.exists() and path.read_text(encoding="utf-8") == wanted:
            continue
        stale = True
        if not check:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
        sys.stdout.write(f"{path} {f'differs from {source}; run make generate' if check else 'written'}\n")
    return 1 if check and stale else 0


def main(arguments: list[str]) -> int:
    """Write or check the CRDs; returns the exit status."""
    return write({f"{kind.plural}.yaml": text(kind) for kind in KINDS}, arguments, "influxops.api.crdgen")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
