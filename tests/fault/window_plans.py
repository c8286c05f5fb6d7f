"""Where the operator is killed in the protocol of a pipeline, and which of these plans `make test` runs."""

from __future__ import annotations

from tests.fault.window_tasks import ALL as OF_TASKS
from tests.fault.window_workloads import ALL as OF_STAGES
from tests.support.crash import Plan
from tests.support.faults import CRASHES, KILL_COMMITTED

WORKLOADS = {**OF_STAGES, **OF_TASKS}


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
    "backfill": {
        "ledger-read": (1,),
        "series-count": (2,),
        "run": _to(7),
        "ledger-write": (1,),
        "status": (1,),
        "end": (1,),
    },
    "backfill-ttl": {"run": (4,), "ledger-write": (1,), "status": (1,), "end": (1,), "expire": (1,)},
    "retry": {"run": (3, 6, 8, 10, 14, 18), "ledger-write": (1, 2), "status": (1, 2, 3)},
    "native": {
        "task-mark": (1,),
        "task-create": (1,),
        "task-status": (1, 2),
        "run-request": _to(6),
        "run": (1, 7),
        "ledger-write": (1, 2, 3),
        "status": (1, 2),
    },
    "native-late": {"run-request": _to(2), "run": _to(4), "ledger-write": (1, 2), "status": (1, 2)},
    "native-backfill": {"run-request": _to(3), "run": (1, 4), "ledger-write": (1,), "status": (1,), "end": (1,)},
    "native-retry": {"run-request": (2, 5, 8, 9, 12), "ledger-write": (1, 2), "status": (1, 2)},
    "native-remade": {
        "task-delete": (1,),
        "task-mark": (1, 2),
        "task-create": (1,),
        "task-status": (1,),
        "run-request": _to(2),
    },
    "native-deleted": {"run-request": _to(2), "task-delete": (1,), "task-mark": _to(2)},
    "task-backfill": {
        "ledger-read": (1,),
        "run": _to(6),
        "ledger-write": (1,),
        "end": (1,),
    },
    "task-backfill-ttl": {"run": (3,), "ledger-write": (1,), "end": (1,), "expire": (1,)},
    "task-backfill-remade": {
        "task-delete": (1,),
        "task-create": (1,),
        "task-status": (1,),
        "run": (2, 3, 4, 5),
        "ledger-write": (1, 2),
        "status": (1,),
        "end": (1,),
    },
    "task-backfill-deleted": {"run": _to(2), "task-delete": (1,), "task-mark": (1,)},
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
        "native-task-create-1",
        "native-run-request-3",
        "task-backfill-run-3",
        "task-backfill-ledger-write-1",
    }
)
"""The plans of `make test`, each killed after the server committed."""


def all_plans() -> list[Plan]:
    """Every step that is listed, at every position."""
    return [
        Plan(WORKLOADS[name], f"{step}-{number}", fault)
        for name, steps in STRUCK.items()
        for step, numbers in steps.items()
        for number in numbers
        for fault in CRASHES
    ]


def in_subset(plan: Plan) -> bool:
    """True for the plans of `make test`: the rest belongs to `make prove`."""
    return plan.fault is KILL_COMMITTED and f"{plan.workload.name}-{plan.write}" in SUBSET
