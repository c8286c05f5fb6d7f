"""Lints of what a script uses: its buckets, packages and options."""

from __future__ import annotations

from collections.abc import Iterator

from influxops.core.lint.flow import Call, Node, is_read, is_write
from influxops.core.lint.rows import kept, record_of, unread
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script

_RANGE = "range(start: -1h)"

SAME_BUCKET = Rule(
    "source-is-destination",
    Severity.WARNING,
    "A script writes into the bucket that it reads.",
    "The next run reads what this one wrote: results grow or smooth with each run, and a re-run does not give the same.",
    "write to another bucket; or filter on one _measurement and set another before to()",
    bad=f'from(bucket: "raw") |> {_RANGE} |> to(bucket: "raw")',
    good=f'from(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
)
OPTION = Rule(
    "ignored-task-option",
    Severity.ERROR,
    "`option task` sets retry or concurrency.",
    "InfluxDB 2.x accepts both and ignores them (measured on 2.7.12), so the script promises what does not happen.",
    "remove it; spec.retry of an InfluxTask runs failed slots again",
    bad=f'option task = {{name: "x", every: 1h, retry: 5}}\nfrom(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
    good=f'option task = {{name: "x", every: 1h}}\nfrom(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
)
LAST_SUCCESS = Rule(
    "last-success",
    Severity.WARNING,
    "tasks.lastSuccess is used.",
    "It knows the last successful run in InfluxDB Cloud only. In InfluxDB OSS it always gives orTime.",
    "write range(start: v.timeRangeStart, stop: v.timeRangeStop)",
    bad='import "influxdata/influxdb/tasks"\n'
    'from(bucket: "raw") |> range(start: tasks.lastSuccess(orTime: -1h)) |> to(bucket: "copy")',
    good=f'from(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
)
PACKAGE = Rule(
    "denied-package",
    Severity.WARNING,
    "A package is imported that reaches out of InfluxDB, or that the connection's policy denies.",
    "http, sql, socket, mqtt, kafka, slack and their like send data out; secrets reads the organization's secrets; all of it "
    "with the rights of the token's user. What InfluxConnection.spec.policy.deniedFluxPackages denies is an error.",
    "do without the package, or silence this line and say why it is needed",
    bad=f'import "http"\nfrom(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
    good=f'import "math"\nfrom(bucket: "raw") |> {_RANGE} |> to(bucket: "copy")',
)
OUTSIDE = frozenset(
    {
        "experimental/http",
        "experimental/http/requests",
        "experimental/mqtt",
        "experimental/prometheus",
        "http",
        "http/requests",
        "contrib/bonitoo-io/servicenow",
        "contrib/bonitoo-io/victorops",
        "contrib/bonitoo-io/zenoss",
        "contrib/chobbs/discord",
        "contrib/sranka/opsgenie",
        "contrib/sranka/sensu",
        "contrib/sranka/teams",
        "contrib/sranka/telegram",
        "contrib/sranka/webexteams",
        "influxdata/influxdb/secrets",
        "kafka",
        "pagerduty",
        "pushbullet",
        "slack",
        "socket",
        "sql",
    }
)
"""Packages of Flux 0.196 that reach other systems, or secrets."""


def targets(script: Script) -> Iterator[Hit]:
    """All lints of this module."""
    yield from _same_bucket(script)
    yield from _options(script)
    yield from _packages(script)
    for call in script.flows.calls:
        if call.name == "lastSuccess" and call.package == "influxdata/influxdb/tasks":
            yield script.hit(LAST_SUCCESS, call.node, "tasks.lastSuccess does nothing in InfluxDB OSS")


def _same_bucket(script: Script) -> Iterator[Hit]:
    for path in script.writes():
        bucket = script.bucket(path[-1])
        if not is_read(path[0]) or bucket is None or script.bucket(path[0]) != bucket:
            continue
        if any(_parted(script, path, column) for column in _columns(script, path)):
            continue
        yield script.hit(SAME_BUCKET, path[-1].node, f"bucket {bucket!r} is read and written")


def _columns(script: Script, path: tuple[Call, ...]) -> set[str]:
    """``_measurement``, ``_field``, and the tags that a path sets."""
    tags = {script.flows.text(call.arguments.get("key")) for call in path if call.name == "set"}
    return {"_measurement", "_field"} | {tag for tag in tags if tag}


def _parted(script: Script, path: tuple[Call, ...], column: str) -> bool:
    """Whether a column parts what is written from what is read: filtered on, and given another value before the write.

    Also where the text does not tell which values are let through, or which is written: then nobody knows.
    """
    changes = [place for place, call in enumerate(path) if _changes(script, call, column)]
    if not changes:
        return False
    before = path[: changes[0]]
    read = kept(script, before, column)
    if read is None:
        return unread(before, column)
    last = path[changes[-1]]
    written = kept(script, path[changes[-1] :], column) if last.name == "set" else None
    if last.name == "map":
        record = record_of(last.arguments.get("fn"))
        node = record[0].get(column, {}) if record else {}
        written = frozenset({str(node["value"])}) if node.get("type") == "StringLiteral" else None
    return written is None or not read & written


def _changes(script: Script, call: Call, column: str) -> bool:
    if call.name == "set":
        return script.flows.text(call.arguments.get("key")) == column
    if call.name == "map":
        record = record_of(call.arguments.get("fn"))
        return record is None or column in record[0]
    if call.name == "rename":
        return True
    renamer = {"_field": "fieldFn", "_measurement": "measurementColumn"}.get(column)
    return is_write(call) and renamer in call.arguments


def _options(script: Script) -> Iterator[Hit]:
    for statement in script.file.get("body") or []:
        assignment = statement.get("assignment") or {}
        if statement.get("type") != "OptionStatement" or (assignment.get("id") or {}).get("name") != "task":
            continue
        for prop in (assignment.get("init") or {}).get("properties") or []:
            key = prop.get("key") or {}
            name = key.get("name", key.get("value"))
            if name in {"retry", "concurrency"}:
                yield script.hit(OPTION, prop, f"InfluxDB 2.x ignores {name} in `option task`")


def _packages(script: Script) -> Iterator[Hit]:
    imports: list[Node] = script.file.get("imports") or []
    for node in imports:
        path = str((node.get("path") or {}).get("value", ""))
        if script.denies(path):
            yield script.hit(PACKAGE, node, f"the connection's policy denies the package {path}", Severity.ERROR)
        elif path in OUTSIDE:
            what = "reads the organization's secrets" if path.endswith("/secrets") else "reaches out of InfluxDB"
            yield script.hit(PACKAGE, node, f"the package {path} {what}")
    for call in script.flows.calls:
        if (is_read(call) or is_write(call)) and "host" in call.arguments:
            yield script.hit(PACKAGE, call.node, f"{call.name}() with host goes to another InfluxDB")
