"""Objects of every kind in every state that a user meets, as the API server gives them while a real operator is at work."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devstack.influx import InfluxOrg
from tests.support.expect import condition, rests
from tests.support.gallery_windows import FAILS, backfill_spec, backfills, pipeline_spec, pipelines
from tests.support.lab import BACKFILL, CONNECTION, HOURLY, MERGE, PIPELINE, POLICY, TASK, Lab

NOBODY = "http://127.0.0.1:9"
"""An address at which nothing listens."""
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """A state, and what others are to make of an object in it."""

    kind: str
    name: str
    """Also the object's name."""
    kstatus: str
    health: str
    message: str
    """What the message begins with that Argo CD shows."""
    actions: frozenset[str] = frozenset()
    """Actions that Argo CD offers, other than reconcile, suspend and resume."""

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


NEW = ("InProgress", "Progressing", "Waiting for influxops")
GOING = ("Terminating", "Progressing", "Being deleted")
APPROVE, ACCEPT = frozenset({"approve"}), frozenset({"accept"})
STATES = (
    State(CONNECTION, "new", *NEW),
    State(CONNECTION, "synced", "Current", "Healthy", "Synced: connected to InfluxDB v2."),
    State(CONNECTION, "changed", *NEW),
    State(CONNECTION, "no-secret", "InProgress", "Progressing", "DependencyNotReady: "),
    State(CONNECTION, "no-server", "InProgress", "Progressing", "ConnectionNotReady: "),
    State(CONNECTION, "bad-token", "Failed", "Degraded", "Unauthorized: "),
    State(CONNECTION, "no-rights", "Failed", "Degraded", "NotAllowed: the token lacks "),
    State(CONNECTION, "moved", "Failed", "Degraded", "TargetChanged: ", ACCEPT),
    State(
        CONNECTION, "other-user", "Current", "Healthy", "OwnerMismatch: 1 managed tasks belong to another InfluxDB user"
    ),
    State(CONNECTION, "paused", "Current", "Suspended", "Suspended by spec.suspend"),
    State(CONNECTION, "deleting", *GOING),
    State(
        CONNECTION,
        "dying",
        "Terminating",
        "Progressing",
        "Being deleted, Deleting: 1 objects still use this connection",
    ),
    State(TASK, "new", *NEW),
    State(TASK, "synced", "Current", "Healthy", "Synced: task "),
    State(TASK, "changed", *NEW),
    State(TASK, "bad-script", "Failed", "Degraded", "InvalidScript: "),
    State(TASK, "name-taken", "Failed", "Degraded", "AlreadyExists: "),
    State(TASK, "no-bucket", "InProgress", "Progressing", "DependencyNotReady: the script names bucket 'nowhere'"),
    State(TASK, "no-connection", "InProgress", "Progressing", "DependencyNotReady: InfluxConnection "),
    State(TASK, "no-server", "InProgress", "Progressing", "ConnectionNotReady: "),
    State(TASK, "plan", "InProgress", "Suspended", "PlanPending: waits for approval: ", APPROVE),
    State(TASK, "drifted", "Current", "Healthy", "Drifted: InfluxDB was changed by hand", APPROVE),
    State(TASK, "suspended", "Current", "Suspended", "Suspended by spec.suspend"),
    State(TASK, "paused", "Current", "Suspended", "Suspended: InfluxConnection "),
    State(TASK, "never-created", "Current", "Suspended", "Suspended by spec.suspend"),
    State(TASK, "failing", "Current", "Degraded", "RunFailing: the last "),
    State(TASK, "late", "Current", "Healthy", "Late: slot ", APPROVE),
    State(TASK, "deleting", *GOING),
    State(
        TASK,
        "held-up",
        "Terminating",
        "Progressing",
        "Being deleted, ConnectionNotReady: the task in InfluxDB cannot be ",
    ),
    State(POLICY, "new", *NEW),
    State(POLICY, "synced", "Current", "Healthy", "Synced: bucket "),
    State(POLICY, "changed", *NEW),
    State(POLICY, "guarded", "Failed", "Degraded", "DataLossGuard: "),
    State(POLICY, "second", "Failed", "Degraded", "Conflict: "),
    State(POLICY, "no-bucket", "InProgress", "Progressing", "DependencyNotReady: "),
    State(POLICY, "no-server", "InProgress", "Progressing", "ConnectionNotReady: "),
    State(POLICY, "plan", "InProgress", "Suspended", "PlanPending: waits for approval: ", APPROVE),
    State(POLICY, "drifted", "Current", "Healthy", "Drifted: InfluxDB was changed by hand", APPROVE),
    State(POLICY, "suspended", "Current", "Suspended", "Suspended by spec.suspend"),
    State(POLICY, "deleting", *GOING),
    State(POLICY, "unconfirmed", "Terminating", "Degraded", "ConfirmDelete: "),
    State(PIPELINE, "new", *NEW),
    State(PIPELINE, "synced", "Current", "Healthy", "Synced: 1 stage runs over windows of 1h"),
    State(PIPELINE, "changed", *NEW),
    State(PIPELINE, "no-ledger", "InProgress", "Progressing", "DependencyNotReady: "),
    State(PIPELINE, "no-connection", "InProgress", "Progressing", "DependencyNotReady: InfluxConnection "),
    State(PIPELINE, "cycle", "Failed", "Degraded", "InvalidSpec: spec.stages["),
    State(PIPELINE, "failing", "Current", "Degraded", "RunFailing: windows have failed: "),
    State(PIPELINE, "circuit-open", "Current", "Degraded", "CircuitOpen: stages are left alone: hourly "),
    State(PIPELINE, "late", "Current", "Healthy", "Late: window "),
    State(PIPELINE, "suspended", "Current", "Suspended", "Suspended by spec.suspend"),
    State(BACKFILL, "new", *NEW),
    State(BACKFILL, "no-pipeline", "InProgress", "Progressing", "DependencyNotReady: InfluxPipeline "),
    State(BACKFILL, "running", "InProgress", "Progressing", "Running: windows are being run"),
    State(BACKFILL, "suspended", "InProgress", "Suspended", "Suspended by spec.suspend"),
    State(BACKFILL, "succeeded", "Current", "Healthy", "Succeeded: 24 windows succeeded"),
    State(BACKFILL, "succeeded-suspended", "Current", "Healthy", "Succeeded: 24 windows succeeded"),
    State(BACKFILL, "dry-run", "Current", "Healthy", "Succeeded: a dry run: 24 windows would run"),
    State(BACKFILL, "failed", "Failed", "Degraded", "Failed: 24 of 24 windows failed"),
    State(BACKFILL, "refused", "Failed", "Degraded", "NotClosed: "),
)


@contextmanager
def gallery(lab: Lab, other: InfluxOrg) -> Iterator[dict[State, Object]]:
    """Bring about every state in a lab, with a second organization to move to; what the API server then gave for each."""
    taken: dict[tuple[str, str], Object] = {}

    def take(kind: str, name: str, item: Object | None) -> None:
        assert item is not None
        taken[kind, name] = {"apiVersion": "influxops.dev/v1alpha1", "kind": kind, **item}

    def patched(kind: str, name: str, **spec: Any) -> Object:
        code, answer = lab.call("PATCH", lab.path(kind, name), {"spec": spec}, MERGE)
        assert code == 200, answer
        return answer

    def deleted(kind: str, name: str) -> Object:
        code, answer = lab.call("DELETE", lab.path(kind, name))
        assert code == 200, answer
        return answer

    _connections(lab)
    _tasks(lab)
    _policies(lab)
    pipelines(lab)
    backfills(lab)
    # What nobody but the API server has seen: its answers to a creation, a change and a deletion.
    whole = {
        "url": lab.org.url,
        "allowInsecure": True,
        "org": lab.org.org,
        "tokenSecretRef": {"name": "x", "key": "token"},
    }
    reference = {"connectionRef": {"name": "main"}}
    take(CONNECTION, "new", lab.create(CONNECTION, "new", whole))
    take(TASK, "new", lab.create(TASK, "new", {**reference, "every": "1h", "flux": HOURLY}))
    take(POLICY, "new", lab.create(POLICY, "new", {**reference, "bucket": "new", "retention": "30d"}))
    take(PIPELINE, "new", lab.create(PIPELINE, "new", pipeline_spec()))
    take(BACKFILL, "new", lab.create(BACKFILL, "new", backfill_spec("filled", days=-6)))
    take(PIPELINE, "synced", lab.until(PIPELINE, "synced", "has caught up", has_caught_up))
    lab.synced(PIPELINE, "changed")
    take(PIPELINE, "changed", patched(PIPELINE, "changed", timeout="9m"))
    lab.rests(BACKFILL, "succeeded-suspended", "Succeeded")
    lab.patch(BACKFILL, "succeeded-suspended", suspend=True)
    for kind, change in ((CONNECTION, {"timeout": "9s"}), (TASK, {"every": "2h"}), (POLICY, {"retention": "40d"})):
        for name in ("synced", "changed", "deleting"):
            item = lab.synced(kind, name)
            if name == "synced":
                take(kind, name, item)
            elif name == "changed":
                take(kind, name, patched(kind, name, **change))
    for kind in (TASK, POLICY, CONNECTION):
        take(kind, "deleting", deleted(kind, "deleting"))

    lab.patch(CONNECTION, "moved", org=other.org, tokenSecretRef={"name": "admin", "key": "token"})
    lab.synced(TASK, "of-other-user")
    lab.patch(CONNECTION, "other-user", tokenSecretRef={"name": "admin", "key": "token"})
    lab.influx.edit_task(lab.task_id("drifted"), status="inactive")
    lab.influx.edit_task(lab.task_id("late"), status="inactive")
    lab.synced(POLICY, "drifted")
    lab.influx.edit_bucket("drifted", 90 * 86400, 86400)
    lab.synced(POLICY, "guarded")
    lab.patch(POLICY, "guarded", retention="7d")
    lab.synced(TASK, "suspended")
    lab.patch(TASK, "suspended", suspend=True)
    lab.synced(TASK, "paused")
    lab.patch(CONNECTION, "paused", suspend=True)
    lab.synced(TASK, "held-up")
    lab.patch(CONNECTION, "dying", url=NOBODY)
    lab.rests(CONNECTION, "dying", "ConnectionNotReady")
    lab.delete(TASK, "held-up")
    lab.delete(CONNECTION, "dying")
    lab.synced(POLICY, "unconfirmed")
    lab.influx.write("unconfirmed", f"m v=1 {int(time.time())}")
    lab.delete(POLICY, "unconfirmed")

    for state in STATES:
        if (state.kind, state.name) in taken:
            continue
        reason = {"Suspended by spec.suspend": "Suspended"}.get(state.message)
        reason = reason or state.message.removeprefix("Being deleted, ").partition(":")[0]
        take(
            state.kind,
            state.name,
            lab.until(state.kind, state.name, f"is {reason}", lambda one, r=reason: shows(one, r)),
        )
    yield {state: taken[state.kind, state.name] for state in STATES}
    lab.patch(TASK, "held-up", deletion="Orphan")
    lab.patch(POLICY, "unconfirmed", deletion="Orphan")


def has_caught_up(item: Object) -> bool:
    """Whether a pipeline has run all that is due."""
    windows = item["status"].get("windows") or {}
    return bool(windows.get("succeeded")) and not any(windows[name] for name in ("pending", "ready", "running"))


def shows(item: Object, reason: str) -> bool:
    """Whether the object rests with this reason, or has a condition True for it besides Ready."""
    extra = {"RunFailing": "Failing", "CircuitOpen": "CircuitOpen", "Late": "Late", "OwnerMismatch": "OwnerMismatch"}
    if reason in extra:
        return condition(item, extra[reason]).get("status") == "True" and condition(item)["status"] == "True"
    return rests(item, reason)


def _connections(lab: Lab) -> None:
    lab.secret("admin", token=lab.stack.influx.token)
    lab.secret("bad", token="no-such-token")
    lab.secret("poor", token=lab.influx.token(lab.stack, "read:orgs")[1])
    for name in ("main", "synced", "changed", "deleting", "moved", "other-user", "paused", "dying"):
        lab.connection(name)
    lab.connection("no-secret", tokenSecretRef={"name": "missing", "key": "token"})
    lab.connection("no-server", url=NOBODY)
    lab.connection("bad-token", tokenSecretRef={"name": "bad", "key": "token"})
    lab.connection("no-rights", tokenSecretRef={"name": "poor", "key": "token"})


def _tasks(lab: Lab) -> None:
    lab.influx.new_task(f'option task = {{name: "taken", every: 1h}}\n{HOURLY}')
    for name in ("synced", "changed", "deleting"):
        lab.task(name)
    lab.task("bad-script", 'from(bucket: "raw") |> nonsense()')
    lab.task("name-taken", name="taken")
    lab.task("no-bucket", HOURLY.replace("raw", "nowhere"))
    lab.task("no-connection", connectionRef={"name": "missing"})
    lab.task("no-server", connectionRef={"name": "no-server"})
    lab.task("plan", approval="Manual")
    lab.task("drifted", drift="Warn")
    lab.task("suspended")
    lab.task("never-created", suspend=True)
    lab.task("failing", FAILS, every="1s")
    lab.task("late", every="1s", lateAfter="1s", drift="Warn")
    lab.task("of-other-user", connectionRef={"name": "other-user"})
    lab.task("paused", connectionRef={"name": "paused"})
    lab.task("held-up", connectionRef={"name": "dying"})


def _policies(lab: Lab) -> None:
    for name in ("synced", "changed", "deleting", "drifted", "guarded", "suspended", "second"):
        lab.influx.new_bucket(name, 30 * 86400)
    lab.policy("synced", "synced", "30d")
    lab.policy("changed", "changed", "30d")
    lab.policy("deleting", "deleting", "30d")
    lab.policy("guarded", "guarded", "30d")
    lab.policy("first", "second", "30d")
    lab.synced(POLICY, "first")
    lab.policy("second", "second", "30d")
    lab.policy("no-bucket", "nowhere", "30d", create=False)
    lab.policy("no-server", "raw", "30d", connectionRef={"name": "no-server"})
    lab.policy("plan", "plan", "30d", approval="Manual")
    lab.policy("drifted", "drifted", "30d", drift="Warn")
    lab.policy("suspended", "suspended", "30d", suspend=True)
    lab.policy("unconfirmed", "unconfirmed", "30d", deletion="Delete")
