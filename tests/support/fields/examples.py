"""Two values of every field, and what else a spec needs for them. What the schema itself says (enum, boolean, bounds) is derived.

A field without an example fails tests/unit/api/test_field_examples.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.fields.schema import fields
from tests.support.property.scripts import SCRIPTS

TASK, POLICY, CONNECTION = "InfluxTask", "RetentionPolicy", "InfluxConnection"
PIPELINE, BACKFILL = "InfluxPipeline", "InfluxBackfill"
WINDOWED = 'from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "hourly")\n'
INLINE = "from(bucket: {{ values.source | flux_string }}) |> range(start: -1h)\n"
VALUES = {"source": "raw"}
WINDOWED_INLINE = WINDOWED.replace('"hourly"', "{{ values.target | flux_string }}")
NATIVE = "native"
"""An InfluxTask that runs every hour, over the hour before."""
LOCALHOST = "the same server under the name localhost"
"""Stands for an address that only a lab knows."""


@dataclass(frozen=True)
class Example:
    """How a field is walked."""

    first: Any
    second: Any
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Paths and values that the spec has besides while the field is walked; None takes a field away."""
    shows: bool = True
    """Whether its change shows in InfluxDB or in status at once."""
    says: str = ""
    """What the message may name instead of the field where the value is not followed; words."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """What the spec has besides from the beginning."""
    stays: str = ""
    """Why what was set stays when the field is taken away."""


def _on_task(**template: Any) -> dict[str, Any]:
    return {"flux": None, **{f"template.{name}": value for name, value in template.items()}}


def _stages(*names: str) -> dict[str, Any]:
    """Stages beside the first, for it to depend on."""
    return {"stages": [{"name": name, "flux": WINDOWED} for name in ("one", *names)]}


_SOURCE = {"stages.[].source.bucket": "raw"}
_PLACES = {**_SOURCE, "stages.[].destination.bucket": "hourly"}
_RETRY = {"backoff.initial": ("5s", "20s"), "backoff.max": ("5m", "20m")}
_SPANS = {f"retry.{name}": Example(*values, shows=False) for name, values in _RETRY.items()}

EXAMPLES: dict[str, dict[str, Example]] = {
    TASK: {
        "connectionRef.name": Example("other", "another"),
        "connectionRef.namespace": Example("default", "kube-system", says="connectionRef"),
        "name": Example("walk/a", "walk/b"),
        "description": Example("one", "two"),
        "every": Example("1h", "12h"),
        "cron": Example("0 3 * * *", "@daily", {"every": None}, says="every"),
        "offset": Example("5m", "10m"),
        "flux": Example(SCRIPTS["two"], SCRIPTS["three"]),
        "template.inline": Example(INLINE, INLINE + "// more\n", _on_task(values=VALUES)),
        "template.values": Example({"source": "hourly"}, {"source": "raw"}, _on_task(inline=INLINE), says="source"),
        "template.configMapKeyRef.name": Example(
            "walk", "walk-too", {**_on_task(values=VALUES), "template.configMapKeyRef.key": "a"}
        ),
        "template.configMapKeyRef.key": Example(
            "a", "b", {**_on_task(values=VALUES), "template.configMapKeyRef.name": "walk"}
        ),
        "template.library": Example("downsample", "alert", _on_task(values={}), says="template"),
        "window.period": Example("12h", "3h", {"flux": WINDOWED}),
        "window.align": Example("1h", "2h", {"flux": WINDOWED}),
        "window.lookback": Example("1h", "2h", {"flux": WINDOWED}),
        "importID": Example("0000000000000001", "0000000000000002", shows=False),
        "lateAfter": Example("15m", "30m", shows=False),
        **_SPANS,
    },
    POLICY: {
        "connectionRef.name": Example("other", "another"),
        "connectionRef.namespace": Example("default", "kube-system", says="connectionRef"),
        "bucket": Example("other", "another"),
        "description": Example("one", "two", stays="without a description the bucket's own is left alone"),
        "retention": Example("60d", "90d", base={"dataLossApproval": "30d"}),
        "shardGroupDuration": Example("2d", "3d"),
        "dataLossApproval": Example("7d", "14d", shows=False),
    },
    CONNECTION: {
        "url": Example(LOCALHOST, "http://127.0.0.1:1", says="127.0.0.1:1"),
        "org": Example("no-such-org", "nor-this-one"),
        "tokenSecretRef.name": Example("same-token", "no-such-secret", shows=False, says="no-such-secret"),
        "tokenSecretRef.key": Example("again", "no-such-key", shows=False, says="no-such-key"),
        "tls.caSecretRef.name": Example("ca", "other-ca", {"tls.caSecretRef.key": "ca.crt"}, says="tls"),
        "tls.caSecretRef.key": Example("ca.crt", "other.crt", {"tls.caSecretRef.name": "ca"}, says="tls"),
        "tls.clientCertSecretRef.name": Example("cert", "other-cert", says="tls"),
        "tls.serverName": Example("a.example", "b.example", says="tls"),
        "timeout": Example("5s", "20s", shows=False),
        "syncInterval": Example("2s", "3s", shows=False),
        "allowedNamespaces.names": Example(["a"], ["a", "b"], shows=False),
        "allowedNamespaces.selector.matchLabels": Example({"team": "a"}, {"team": "b"}, shows=False),
        "allowedNamespaces.selector.matchExpressions.[].key": Example(
            "team", "tier", {"allowedNamespaces.selector.matchExpressions.[].operator": "Exists"}, shows=False
        ),
        "allowedNamespaces.selector.matchExpressions.[].operator": Example(
            "Exists", "DoesNotExist", {"allowedNamespaces.selector.matchExpressions.[].key": "team"}, shows=False
        ),
        "allowedNamespaces.selector.matchExpressions.[].values": Example(
            ["a"],
            ["a", "b"],
            {
                "allowedNamespaces.selector.matchExpressions.[].key": "team",
                "allowedNamespaces.selector.matchExpressions.[].operator": "In",
            },
            shows=False,
        ),
        "policy.deniedFluxPackages": Example(["http"], ["http", "sql"], shows=False),
        "policy.minEvery": Example("1m", "5m", shows=False),
        "policy.allowedBuckets.read": Example(["raw"], ["raw", "hourly"], shows=False),
        "policy.allowedBuckets.write": Example(["hourly"], ["hourly", "raw"], shows=False),
        "limits.maxConcurrent": Example(1, 256, shows=False),
        "limits.requestsPerSecond": Example(1000, 10000, shows=False),
    },
    PIPELINE: {
        "connectionRef.name": Example("other", "another"),
        "connectionRef.namespace": Example("default", "kube-system", says="connectionRef"),
        "window.every": Example("30m", "2h"),
        "window.period": Example("2h", "3h"),
        "window.timezone": Example("Europe/Berlin", "America/New_York", {"window.every": "1d"}),
        "window.origin": Example("2024-01-01T00:15:00Z", "2024-01-01T00:30:00Z"),
        "begin": Example("2101-01-01T00:00:00Z", "2102-01-01T00:00:00Z"),
        "catchUp.maxWindows": Example(1, 10000, shows=False),
        "watermark.delay": Example("5m", "10m", shows=False),
        "lateness.allowed": Example("6h", "12h", _SOURCE, shows=False),
        "lateness.checkEvery": Example("30m", "1h", {**_SOURCE, "lateness.allowed": "6h"}, shows=False),
        "lateness.onLate": Example("Report", "Rerun", {**_SOURCE, "lateness.allowed": "6h"}, shows=False),
        "timeout": Example("1m", "2m", shows=False),
        "deadline": Example("1h", "2h", shows=False),
        "circuitBreaker.openFor": Example(
            "10m", "20m", {"circuitBreaker.consecutiveFailures": 3}, shows=False, says="circuitBreaker"
        ),
        "circuitBreaker.consecutiveFailures": Example(3, 5, shows=False),
        "ledger.bucket": Example("hourly", "no-such-bucket", says="ledger"),
        "stages.[].name": Example("two", "three", says="name"),
        "stages.[].dependsOn": Example(["two"], ["two", "three"], base=_stages("two", "three")),
        "stages.[].window.every": Example("2h", "3h", says="window"),
        "stages.[].window.period": Example("2h", "3h", {"stages.[].window.every": "1h"}, says="window"),
        "stages.[].taskRef.name": Example("no-such-task", "nor-this", {"stages.[].flux": None}, says="task"),
        "stages.[].flux": Example(WINDOWED + "// two\n", WINDOWED + "// three\n", shows=False),
        "stages.[].template.inline": Example(
            WINDOWED, WINDOWED + "// two\n", {"stages.[].flux": None}, shows=False, says="template"
        ),
        "stages.[].template.configMapKeyRef.name": Example(
            "walk",
            "walk-too",
            {"stages.[].flux": None, "stages.[].template.configMapKeyRef.key": "window"},
            shows=False,
            says="configMapKeyRef",
        ),
        "stages.[].template.configMapKeyRef.key": Example(
            "window",
            "window-too",
            {"stages.[].flux": None, "stages.[].template.configMapKeyRef.name": "walk"},
            shows=False,
            says="configMapKeyRef",
        ),
        "stages.[].template.library": Example(
            "downsample", "alert", {"stages.[].flux": None, "stages.[].template.values": {}}, says="template"
        ),
        "stages.[].template.values": Example(
            {"target": "hourly"},
            {"target": "raw"},
            {"stages.[].flux": None, "stages.[].template.inline": WINDOWED_INLINE},
            shows=False,
            says="target",
        ),
        "stages.[].execution": Example(
            "Native", "Query", {"stages.[].flux": None, "stages.[].taskRef.name": NATIVE}, shows=False
        ),
        "stages.[].source.bucket": Example("hourly", "raw", shows=False, says="source"),
        "stages.[].source.measurement": Example("cpu", "mem", {"stages.[].source.bucket": "raw"}, shows=False),
        "stages.[].source.field": Example("a", "b", {"stages.[].source.bucket": "raw"}, shows=False),
        "stages.[].destination.bucket": Example("hourly", "raw", shows=False, says="destination"),
        "stages.[].destination.measurement": Example(
            "cpu", "mem", {"stages.[].destination.bucket": "hourly"}, shows=False
        ),
        "stages.[].writeDisposition": Example(
            "Replace",
            "Overwrite",
            {"stages.[].destination.bucket": "hourly", "stages.[].destination.measurement": "cpu"},
            shows=False,
        ),
        "stages.[].timeout": Example("1m", "2m", shows=False),
        "stages.[].checks.[].type": Example("Coverage", "Checksum", _PLACES, shows=False, says="checks"),
        "stages.[].checks.[].severity": Example(
            "Warn",
            "Error",
            {"stages.[].checks.[].type": "RowCount", "stages.[].checks.[].min": 1},
            shows=False,
        ),
        "stages.[].checks.[].min": Example(1, 2, {"stages.[].checks.[].type": "RowCount"}, shows=False),
        "stages.[].checks.[].max": Example(1, 2, {"stages.[].checks.[].type": "RowCount"}, shows=False),
        "stages.[].checks.[].minPercent": Example(
            50, 90, {**_PLACES, "stages.[].checks.[].type": "Coverage"}, shows=False, says="checks"
        ),
        "stages.[].checks.[].by": Example(
            ["host"],
            ["host", "region"],
            {**_PLACES, "stages.[].checks.[].type": "Coverage"},
            shows=False,
            says="checks",
        ),
        "stages.[].checks.[].countField": Example(
            "a_count", "b_count", {**_PLACES, "stages.[].checks.[].type": "Conservation"}, shows=False, says="checks"
        ),
        **_SPANS,
    },
    BACKFILL: {
        "pipelineRef.name": Example("other", "another", says="backfill"),
        "taskRef.name": Example("other", "another", says="backfill"),
        "start": Example("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z", says="backfill"),
        "stop": Example("2025-03-01T00:00:00Z", "2025-04-01T00:00:00Z", says="backfill"),
        "stages": Example(["one"], ["two"], says="backfill"),
        "maxActiveWindows": Example(1, 2, says="backfill"),
        "ledger.bucket": Example("other", "another", says="ledger"),
        "ttlSecondsAfterFinished": Example(100000, 200000, shows=False),
        "suspend": Example(True, False, shows=False),
    },
}


def example(kind: str, path: str) -> Example | None:
    """The example of a field; None when there is none."""
    known = EXAMPLES.get(kind, {}).get(path)
    if known is not None:
        return known
    schema = fields(kind)[path]
    default = schema.get("default")
    fixed = "backfill" if kind == BACKFILL else ""
    seen = kind != BACKFILL and path.rpartition(".")[2] == "suspend"
    values: list[Any] = []
    if "enum" in schema:
        values = sorted(schema["enum"], key=lambda value: value == default)
    elif schema.get("type") == "boolean":
        values = [not default, bool(default)]
    elif schema.get("type") in {"integer", "number"} and {"minimum", "maximum"} <= schema.keys():
        values = [schema["minimum"], schema["maximum"]]
    if len(values) < 2:
        return None
    return Example(values[0], values[1], shows=seen, says=fixed)
