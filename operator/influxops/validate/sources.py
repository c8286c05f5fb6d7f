"""The scripts to judge: of InfluxTasks and of stages in manifests, and of .flux files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from influxops.api.connection import Policy
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.stage import Stage
from influxops.core.lint.flow import Node
from influxops.preview.places import Document
from influxops.validate.problem import Problem


@dataclass(slots=True)
class Source:
    """One script, and where it comes from."""

    text: str
    file: str
    subject: str = ""
    """The object; empty for a .flux file."""
    spec: InfluxTaskSpec | None = None
    namespace: str = ""
    name: str = ""
    policy: Policy = field(default_factory=Policy)
    retention: Mapping[str, int] = field(default_factory=dict)
    document: Document | None = None
    path: str = ""
    """The field that holds the script; empty when it was rendered from a template, whose lines are others."""
    part: str = "spec"
    """The part of the object that the script belongs to: ``spec``, or a stage such as ``spec.stages[2]``."""
    stage: Stage | None = None
    """The stage of a pipeline whose script this is; ``spec`` is then a task that runs as often."""
    tree: Node | None = None
    """The syntax tree, once there is one."""

    def place(self, line: int, column: int) -> tuple[int, int]:
        """Where a place of the script lies in the file."""
        if self.document is None:
            return line, column
        if self.path:
            found = self.document.inside(self.path, line, column)
            if found is not None:
                return found
            return self.document.field(self.path)
        return self.document.field(f"{self.part}.template")

    def problem(
        self, rule: str, message: str, line: int = 0, column: int = 0, end: tuple[int, int] = (0, 0), **more: object
    ) -> Problem:
        """A finding at a place of the script (from 1); without a line: of the object as a whole."""
        if not line:
            at = self.document.field(self.part) if self.document else (1, 1)
            return Problem(self.file, *at, rule, message, subject=self.subject, **more)  # type: ignore[arg-type]
        at = self.place(line, column)
        whole = self.document is None or (self.path and self.document.inside(self.path, line, column))
        if not whole:
            message = f"line {line}, column {column} of the script: {message}"
        last = self.place(*end) if whole and end[0] else (0, 0)
        return Problem(
            self.file,
            *at,
            rule,
            message,
            subject=self.subject,
            end_line=last[0],
            end_column=last[1],
            **more,  # type: ignore[arg-type]
        )
