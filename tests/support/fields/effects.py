"""By what the effect of every field is seen without servers: the look at what the operator makes of a spec.

A field that is not here fails tests/unit/reconcile/test_field_effects.py.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from influxops.library.catalogue import TEMPLATES
from tests.support.fields import looks_backfill as backfill
from tests.support.fields import looks_connection as connection
from tests.support.fields import looks_pipeline as pipeline
from tests.support.fields import looks_policy as policy
from tests.support.fields import looks_task as task
from tests.support.fields.examples import BACKFILL, CONNECTION, PIPELINE, POLICY, TASK

Look = Callable[[dict[str, Any]], Awaitable[object]]
OTHER = {"pipelineRef": None, "taskRef.name": "other"}
BOTH = ["raw", "hourly"]
EXPRESSION, CHECK = "allowedNamespaces.selector.matchExpressions.[]", "stages.[].checks.[]"


@dataclass(frozen=True)
class Effect:
    """How the effect of a field is seen."""

    look: Look
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What the spec has besides for that, more than the example says."""
    of_value: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What the spec has besides with a certain value of an enumeration."""
    admits: bool = False
    """The field does nothing but let the API take a spec: its second value is refused."""

    def with_value(self, value: Any) -> dict[str, Any]:
        """What the spec has besides with a value."""
        return {**self.beside, **(self.of_value.get(value, {}) if isinstance(value, str) else {})}


def _all(look: Look, paths: str) -> dict[str, Effect]:
    return {path: Effect(look) for path in paths.split()}


def _library(look: Look, head: str) -> Effect:
    """With the values that the catalogue has as an example."""
    values = {name.value: {f"{head}.values": dict(entry.example)} for name, entry in TEMPLATES.items()}
    return Effect(look, of_value=values)


EFFECTS: dict[str, dict[str, Effect]] = {
    TASK: {
        **_all(
            task.stored,
            "connectionRef.name connectionRef.namespace name description every cron offset suspend flux template.inline "
            "template.values template.configMapKeyRef.name template.configMapKeyRef.key window.period window.align "
            "window.lookback approval",
        ),
        "template.library": _library(task.stored, "template"),
        "drift": Effect(task.changed_by_hand),
        **_all(task.beside_others, "adoption importID"),
        "deletion": Effect(task.deleted),
        **_all(task.run_again, "retry.backoff.initial retry.backoff.factor retry.backoff.jitter"),
        "retry.limit": Effect(task.run_again, {"retry.backoff.initial": "10s"}),
        "retry.backoff.max": Effect(task.run_again, {"retry.limit": 10}),
        "catchUp.policy": Effect(task.run_again),
        "catchUp.maxWindows": Effect(task.run_again, {"catchUp.policy": "All"}),
        "lateAfter": Effect(task.lateness),
        "runHistoryLimit": Effect(task.history),
    },
    POLICY: {
        **_all(
            policy.stored,
            "connectionRef.name connectionRef.namespace bucket description retention shardGroupDuration create suspend approval",
        ),
        "dataLossApproval": Effect(policy.shortened, {"retention": "7d"}),
        "deletion": Effect(policy.deleted),
        "drift": Effect(policy.changed_by_hand),
    },
    CONNECTION: {
        **_all(
            connection.turn,
            "url org tokenSecretRef.name tokenSecretRef.key tls.caSecretRef.name tls.caSecretRef.key "
            "tls.clientCertSecretRef.name tls.serverName timeout syncInterval suspend",
        ),
        "allowInsecure": Effect(connection.turn, {"url": "http://a.example"}, admits=True),
        "limits.maxConcurrent": Effect(connection.at_once),
        "limits.requestsPerSecond": Effect(connection.pace),
        **_all(
            connection.admitted,
            "allowedNamespaces.names allowedNamespaces.selector.matchLabels "
            "allowedNamespaces.selector.matchExpressions.[].key "
            "allowedNamespaces.selector.matchExpressions.[].values",
        ),
        f"{EXPRESSION}.operator": Effect(
            connection.admitted, of_value={name: {f"{EXPRESSION}.values": ["a"]} for name in ("In", "NotIn")}
        ),
        **_all(connection.let, "policy.deniedFluxPackages policy.minEvery"),
        "policy.allowedBuckets.read": Effect(connection.let, {"policy.allowedBuckets.write": BOTH}),
        "policy.allowedBuckets.write": Effect(connection.let, {"policy.allowedBuckets.read": BOTH}),
    },
    PIPELINE: {
        **_all(
            pipeline.planned,
            "connectionRef.name connectionRef.namespace suspend window.every window.period window.timezone window.origin begin "
            "catchUp.policy catchUp.maxWindows watermark.delay lateness.allowed lateness.checkEvery lateness.onLate "
            "concurrency.maxActiveWindows concurrency.order retry.limit retry.backoff.initial retry.backoff.factor "
            "retry.backoff.max retry.backoff.jitter timeout deadline circuitBreaker.consecutiveFailures circuitBreaker.openFor "
            "ledger.bucket stages.[].name stages.[].dependsOn stages.[].window.every stages.[].window.period "
            "stages.[].taskRef.name stages.[].flux stages.[].template.inline stages.[].template.configMapKeyRef.name "
            "stages.[].template.configMapKeyRef.key stages.[].template.values stages.[].execution stages.[].source.bucket "
            "stages.[].source.measurement stages.[].source.field stages.[].destination.bucket "
            "stages.[].destination.measurement stages.[].writeDisposition stages.[].timeout "
            "stages.[].checks.[].severity stages.[].checks.[].min stages.[].checks.[].max stages.[].checks.[].minPercent "
            "stages.[].checks.[].by stages.[].checks.[].countField",
        ),
        f"{CHECK}.type": Effect(
            pipeline.planned,
            of_value={"RowCount": {f"{CHECK}.min": 1}, "Conservation": {f"{CHECK}.countField": "a_count"}},
        ),
        "stages.[].template.library": _library(pipeline.planned, "stages.[].template"),
    },
    BACKFILL: {
        **_all(backfill.ordered, "pipelineRef.name start stop reprocess order dryRun suspend"),
        "taskRef.name": Effect(backfill.ordered, {"pipelineRef": None}),
        "stages": Effect(backfill.ordered, {"includeDescendants": False}),
        "includeDescendants": Effect(backfill.ordered, {"stages": ["one"]}),
        "maxActiveWindows": Effect(backfill.ordered, {"suspend": None}),
        "ledger.bucket": Effect(backfill.ordered, OTHER),
        "ttlSecondsAfterFinished": Effect(backfill.expired),
    },
}
