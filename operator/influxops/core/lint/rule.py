"""What a lint is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is. Errors make ``influxops validate`` exit with 1."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Rule:
    """A lint: its name, what it is about, and what to do. ``bad`` and ``good`` are scripts that show it; both are tested."""

    name: str
    severity: Severity
    summary: str
    """One line."""
    why: str
    """What goes wrong, and where that is known from."""
    remedy: str
    bad: str = ""
    good: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found in a script. Line and column count characters of the user's script from 1."""

    rule: Rule
    line: int
    column: int
    message: str
    severity: Severity | None = None
    """Where it differs from the rule's."""
    end_line: int = 0
    end_column: int = 0
