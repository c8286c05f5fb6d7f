"""What was found, as text for people, as JSON, as annotations of GitHub, and as SARIF 2.1.0."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from influxops.core.lint.catalogue import RULES
from influxops.core.lint.rule import Severity
from influxops.validate.problem import Problem, Report

_COLORS = {Severity.ERROR: "\x1b[31m", Severity.WARNING: "\x1b[33m"}
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_OTHER_RULES = {
    "file": "A file cannot be read, or holds no Kubernetes object.",
    "schema": "The API server would refuse the object.",
    "template": "The template of a script cannot be rendered.",
    "script": "influxops would refuse the script.",
    "flux": "The Flux compiler refuses the script.",
    "pipeline": "The pipeline or the backfill cannot run as it is written.",
    "parser": "Scripts could not be checked.",
    "too-big": "The script is too large to be linted.",
}


def as_text(report: Report, *, color: bool) -> str:
    """One paragraph a finding, and a summary."""
    lines = []
    for problem in report.problems:
        mark, bold, reset = (_COLORS[problem.severity], _BOLD, _RESET) if color else ("", "", "")
        where = f"{bold}{_where(problem)}{reset}: " if problem.file else ""
        subject = f"{problem.subject}: " if problem.subject else ""
        lines.append(f"{where}{mark}{problem.severity}{reset}: {subject}{problem.message} [{problem.rule}]")
        if problem.remedy:
            lines.append(f"    {problem.remedy}")
    return "\n".join([*lines, report.summary]) + "\n"


def as_json(report: Report) -> str:
    """Everything, for programs."""
    problems = [
        {
            "file": one.file,
            "line": one.line,
            "column": one.column,
            "endLine": one.end_line,
            "endColumn": one.end_column,
            "rule": one.rule,
            "severity": one.severity.value,
            "object": one.subject,
            "message": one.message,
            "remedy": one.remedy,
        }
        for one in report.problems
    ]
    summary = {
        "files": report.files,
        "objects": report.objects,
        "scripts": report.scripts,
        "errors": report.count(Severity.ERROR),
        "warnings": report.count(Severity.WARNING),
    }
    return json.dumps({"problems": problems, "summary": summary}, indent=2, ensure_ascii=False) + "\n"


def as_github(report: Report) -> str:
    """Workflow commands: GitHub shows each beside its line of the pull request."""
    lines = []
    for one in report.problems:
        place = [f"file={_escaped(one.file, value=True)}"] if one.file else []
        if one.line:
            place += [f"line={one.line}", f"col={max(one.column, 1)}"]
        if one.end_line:
            place += [f"endLine={one.end_line}", f"endColumn={one.end_column}"]
        title = _escaped(f"influxops {one.rule}", value=True)
        message = ". ".join(filter(None, [f"{one.subject}: {one.message}" if one.subject else one.message, one.remedy]))
        lines.append(f"::{one.severity} {','.join([*place, f'title={title}'])}::{_escaped(message)}")
    return "\n".join([*lines, report.summary]) + "\n"


def as_sarif(report: Report, version: str) -> str:
    """A SARIF log with one run, for code scanning."""
    names = [*_OTHER_RULES, *(rule.name for rule in RULES)]
    driver = {
        "name": "influxops",
        "version": version,
        "semanticVersion": version,
        "rules": [*(_rule(name, text) for name, text in _OTHER_RULES.items()), *_lint_rules()],
    }
    results = [_result(one, names.index(one.rule)) for one in report.problems if one.file]
    # GitHub takes no result without a place: that scripts could not be checked belongs to the run itself.
    notes = [{"level": one.severity.value, "message": {"text": one.message}} for one in report.problems if not one.file]
    invocation = {"executionSuccessful": not notes, **({"toolExecutionNotifications": notes} if notes else {})}
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _where(problem: Problem) -> str:
    return ":".join([problem.file, *(str(number) for number in (problem.line, problem.column) if number)])


def _escaped(text: str, *, value: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if value else text


def _rule(name: str, text: str) -> dict[str, Any]:
    return {"id": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": "error"}}


def _lint_rules() -> list[dict[str, Any]]:
    return [
        {
            "id": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": rule.why},
            "help": {"text": f"To mend it: {rule.remedy}."},
            "defaultConfiguration": {"level": rule.severity.value},
        }
        for rule in RULES
    ]


def _uri(file: str) -> str:
    """A file as SARIF names it: relative to the working directory where it lies below it, and with % for odd characters."""
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _result(problem: Problem, index: int) -> dict[str, Any]:
    text = ". ".join(filter(None, [problem.message, problem.remedy]))
    found: dict[str, Any] = {
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": problem.severity.value,
        "message": {"text": f"{problem.subject}: {text}" if problem.subject else text},
    }
    if problem.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(problem.file)}}
        if problem.line:
            place["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
            if problem.end_line:
                place["region"] |= {"endLine": problem.end_line, "endColumn": max(problem.end_column, 1)}
        found["locations"] = [{"physicalLocation": place}]
    return found
