"""Which plans there are, and which of them `make test` runs."""

from __future__ import annotations

from tests.fault.workloads import ALL
from tests.fault.writes import WRITES
from tests.support.crash import Plan
from tests.support.faults import CRASHES, KILL_COMMITTED, LOST, RESET, Fault

FAULTS = (*CRASHES, LOST, RESET)

WHOLE = frozenset({"create", "script", "delete"})
"""Workloads whose every write is killed at all positions, and its reply dropped, in `make test` too."""


def all_plans() -> list[Plan]:
    """Every write of every workload, and every fault."""
    return [Plan(ALL[name], write, fault) for name, writes in WRITES.items() for write in writes for fault in FAULTS]


def in_subset(plan: Plan) -> bool:
    """True for the plans of `make test`: the rest belongs to `make prove`."""
    if plan.workload.name in WHOLE:
        return plan.fault is not RESET
    return plan.write.startswith("influx-") and plan.fault is KILL_COMMITTED and not _covered(plan)


def _covered(plan: Plan) -> bool:
    """Left to `make prove`: much the same as another plan of the subset."""
    return plan.workload.name in {"apply-all", "cron", "everything", "delete-suspended"}


def faults_of(plan: Plan) -> Fault:
    """The fault of a plan that has one."""
    assert plan.fault is not None
    return plan.fault
