"""Which plans there are, and which of them `make test` runs."""

from __future__ import annotations

from tests.fault.workloads import ALL
from tests.fault.writes import WRITES
from tests.support.crash import Plan
from tests.support.faults import CRASHES, CUT, HTML, KILL_COMMITTED, LOST, REDIRECT, RESET, answers

FAULTS = (*CRASHES, LOST, RESET)
"""At every write of every workload."""

ANSWERS = {
    "influx": (CUT, HTML, REDIRECT, *map(answers, (401, 403, 404, 500, 503)), answers(429, retry_after=1)),
    "kube": (CUT, REDIRECT, *map(answers, (401, 403, 404, 409, 422, 500, 503)), answers(429, retry_after=1)),
}
"""What a server or a gateway may answer for a moment. InfluxDB's 422 is a word about the spec: it is tried again when that changes."""

ANSWERED = frozenset({"create", "reschedule", "delete", "delete-orphan", "policy-create", "policy-longer"})
"""Workloads whose every write gets each of these answers once."""

WHOLE = frozenset({"create", "script", "delete"})
"""Workloads whose every write is killed at all positions, and its reply dropped, in `make test` too."""


UNLIKE = {
    # The policy goes before its bucket was ever made.
    ("policy-down-delete", "influx-post-bucket-managed-1", "before"),
    # The resource goes before the task was taken over: it stays as it is.
    ("adopt-delete", "influx-patch-task-alpha-1", "before"),
    # InfluxDB says that the task is not there, and nobody can know better: it stays, and `influxops orphans` shows it.
    ("delete", "influx-delete-task-alpha-1", "http-404"),
}
"""Plans whose end is rightly another than the reference's."""

ALSO = frozenset({"create-kube-patch-task-alpha-metadata-1-http-404", "create-influx-post-task-alpha-1-http-403"})
"""Plans of `make test` that once found something."""


def all_plans() -> list[Plan]:
    """Every write of every workload, and every fault."""
    return [
        Plan(ALL[name], write, fault)
        for name, writes in WRITES.items()
        for write in writes
        for fault in (*FAULTS, *(ANSWERS[write.partition("-")[0]] if name in ANSWERED else ()))
        if (name, write, fault.name) not in UNLIKE
    ]


def in_subset(plan: Plan) -> bool:
    """True for the plans of `make test`: the rest belongs to `make prove`."""
    if plan.id in ALSO:
        return True
    if plan.workload.name in WHOLE:
        return plan.fault in (*CRASHES, LOST) and "-connection-" not in plan.write
    return plan.write.startswith("influx-") and plan.fault is KILL_COMMITTED and not _covered(plan)


def _covered(plan: Plan) -> bool:
    """Left to `make prove`: much the same as another plan of the subset."""
    return plan.workload.name in {
        "apply-all",
        "cron",
        "everything",
        "delete-suspended",
        "two-edits",
        "create-orphan",
        "policy-shorter",
        "first-resume",
        "approve",
        "recreate-delete",
        "recreate-orphan",
        "move-address",
        "rotate-late",
    }
