"""Where the operator is killed in the protocol of a pipeline, and which of these plans `make test` runs."""

from __future__ import annotations

from tests.fault.window_workloads import ALL
from tests.support.crash import Plan
from tests.support.faults import CRASHES, KILL_COMMITTED


def _to(last: int) -> tuple[int, ...]:
    """Every one of them."""
    return tuple(range(1, last + 1))


STRUCK: dict[str, dict[str, tuple[int, ...]]] = {
    "catchup": {
        "mark-read": (1,),
        "mark-write": (1,),
        "ledger-read": (1, 2),
        "time-count": (1, 2),
        "series-count": (1, 5),
        "run": _to(14),
        "read-back": (1, 4),
        "ledger-write": (1, 2),
        "status": (1, 2),
    },
    "replace": {"delete": _to(12), "run": _to(14), "read-back": (3,), "ledger-write": (1,), "status": (1, 2)},
    "late": {
        "ledger-read": (1,),
        "time-count": (1,),
        "run": _to(6),
        "ledger-write": (1,),
        "status": (1, 2),
    },
    "late-replace": {"delete": _to(4), "run": _to(6), "ledger-write": _to(3), "status": (1, 2)},
    "backfill": {"ledger-read": (1,), "series-count": (2,), "run": _to(7), "ledger-write": (1,), "status": (1, 2)},
    "backfill-ttl": {"run": (4,), "ledger-write": (1,), "status": (1, 2), "expire": (1,)},
    "retry": {"run": (3, 6, 8, 10, 14, 18), "ledger-write": (1, 2), "status": (1, 2, 3)},
}
"""Workload -> step -> which of its requests is struck, counted from 1: of writes with a fixed number all, of the others some."""

SUBSET = frozenset(
    {
        "catchup-mark-write-1",
        "catchup-run-5",
        "catchup-ledger-write-1",
        "replace-delete-3",
        "replace-ledger-write-1",
        "late-run-3",
        "late-ledger-write-1",
        "late-replace-delete-2",
        "backfill-run-3",
        "retry-run-8",
        "late-replace-ledger-write-2",
        "backfill-ttl-expire-1",
    }
)
"""The plans of `make test`, each killed after the server committed."""


def all_plans() -> list[Plan]:
    """Every step that is listed, at every position."""
    return [
        Plan(ALL[name], f"{step}-{number}", fault)
        for name, steps in STRUCK.items()
        for step, numbers in steps.items()
        for number in numbers
        for fault in CRASHES
    ]


def in_subset(plan: Plan) -> bool:
    """True for the plans of `make test`: the rest belongs to `make prove`."""
    return plan.fault is KILL_COMMITTED and f"{plan.workload.name}-{plan.write}" in SUBSET
