"""What `make prove` has done already with the code as it is now, in build/prove/, so that it need not be done again.

Two files for each state of the code: the tests that passed, and the plans of the matrices with what they came to.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.crash import Result

REPOSITORY = Path(__file__).parents[2]
PROVING = "INFLUXOPS_PROVING"
"""Environment: set by `make prove`; results are kept only then."""
CODE = ("operator", "devstack", "crds", "manifests", "bench", "tests", "requirements", "pyproject.toml")
"""Folders and files."""
DUPLICATES = ("DOUBLE", "HEALED", "TWICE")
ORPHANS = ("ORPHAN", "LEFT BEHIND")
LOST = ("VALUES", "SKIPPED", "STALE", "MISSING")
"""How problems begin that count as the one or the other."""


def digest(root: Path = REPOSITORY) -> str:
    """What the code is: operator, servers, CRDs, manifests, benchmarks, tests, and the libraries that they use."""
    found = hashlib.sha256()
    for path in sorted(path for name in CODE for path in _files(root / name)):
        found.update(f"{path.relative_to(root)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _files(place: Path) -> Iterator[Path]:
    """A file, or all of a folder that are written by people."""
    if place.is_file():
        yield place
    for path in place.rglob("*") if place.is_dir() else ():
        if path.is_file() and not _MADE.intersection(path.parts):
            yield path


_MADE = frozenset({"__pycache__", "node_modules", "influxops.egg-info"})


def place(root: Path = REPOSITORY) -> Path:
    """The folder of the code as it is now."""
    return root / "build" / "prove" / digest(root)


@dataclass(frozen=True)
class Plans:
    """The results of plans, a JSON line each; of a plan that ran twice the last counts."""

    file: Path

    @classmethod
    def of_this_code(cls) -> Plans:
        """Those of the code as it is now."""
        return cls(place() / "plans.jsonl")

    def add(self, matrix: str, result: Result) -> None:
        """Take in a result."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        line = {
            "matrix": matrix,
            "plan": result.plan.id,
            "seconds": round(result.seconds, 1),
            "problems": result.problems,
        }
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """All of them."""
        if not self.file.exists():
            return []
        lines = [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]
        return list({(line["matrix"], line["plan"]): line for line in lines}.values())


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of a matrix."""

    matrix: str
    plans: int
    passed: int
    duplicates: int
    orphans: int
    lost: int
    seconds: float
    """Of all plans, one after the other; several run at a time."""


def totals(lines: Iterable[dict[str, Any]]) -> list[Total]:
    """The sums by matrix, in the order of their names."""
    by_matrix: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_matrix.setdefault(line["matrix"], []).append(line)
    return [
        Total(
            name,
            len(found),
            sum(not one["problems"] for one in found),
            *(sum(_tells(one, words) for one in found) for words in (DUPLICATES, ORPHANS, LOST)),
            sum(one["seconds"] for one in found),
        )
        for name, found in sorted(by_matrix.items())
    ]


def _tells(line: dict[str, Any], words: tuple[str, ...]) -> bool:
    return any(problem.startswith(words) for problem in line["problems"])
