"""Figures that tests measure on the way, a JSON line each in build/figures.jsonl: `make prove` prints them at its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.proofs import digest

FILE = Path(__file__).parents[2] / "build" / "figures.jsonl"


def note(name: str, **figures: Any) -> None:
    """Write down what a test has measured with the code as it is; the newest figures of a name count. Times are in seconds, rounded to
    milliseconds.
    """
    rounded = {"code": digest()} | {
        key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    with FILE.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"name": name, **rounded}) + "\n")


def newest() -> dict[str, dict[str, Any]]:
    """The figures of the code as it is, by name."""
    if not FILE.exists():
        return {}
    lines, now = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()], digest()
    return {line.pop("name"): line for line in lines if line.pop("code", "") == now}
