"""What ``influxops validate`` finds, and all of it together."""

from __future__ import annotations

from dataclasses import dataclass, field

from influxops.core.lint.rule import Severity
from influxops.preview.manifests import Manifest


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One finding. Line and column count characters from 1; 0 where there is no such place."""

    file: str
    line: int
    column: int
    rule: str
    """Name of a lint, or ``file``, ``schema``, ``script``, ``template``, ``flux`` (the compiler), ``pipeline``, ``parser``."""
    message: str
    severity: Severity = Severity.ERROR
    remedy: str = ""
    subject: str = ""
    """The object, such as ``InfluxTask telemetry/cpu``."""
    end_line: int = 0
    end_column: int = 0


def subject_of(manifest: Manifest) -> str:
    """The object, for people."""
    return f"{manifest.kind} {manifest.namespace}/{manifest.name}"


@dataclass(slots=True)
class Report:
    """Everything that was found."""

    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    objects: int = 0
    scripts: int = 0
    checker: str = ""
    """Who judged the scripts, for people."""

    def count(self, severity: Severity) -> int:
        """How many findings are this bad."""
        return sum(problem.severity is severity for problem in self.problems)

    @property
    def summary(self) -> str:
        """One line."""
        read = ", ".join((_many(self.files, "file"), _many(self.objects, "object"), _many(self.scripts, "script")))
        errors, warnings = self.count(Severity.ERROR), self.count(Severity.WARNING)
        return f"{read}: {_many(errors, 'error')}, {_many(warnings, 'warning')}. {self.checker}".rstrip()


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
