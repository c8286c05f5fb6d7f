"""What the repository's manifests are, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
OVERLAYS = sorted(path.parent for path in MANIFESTS.rglob("kustomization.yaml"))
FILES = sorted(path for path in MANIFESTS.rglob("*.yaml") if path.name != "kustomization.yaml")


def name_of(path: Path) -> str:
    """A path as a test's id."""
    return str(path.relative_to(ROOT))


def documents(text: str) -> list[dict[str, Any]]:
    """The objects in a YAML text."""
    return [document for document in yaml.safe_load_all(text) if document]
