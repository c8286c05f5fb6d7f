"""Where the Lease is struck, while which work goes on, and which of these plans `make test` runs."""

from __future__ import annotations

from dataclasses import replace

from tests.fault.workloads import ALL as OBJECTS
from tests.fault.workloads import create_task
from tests.support.crash import Workload
from tests.support.faults import CRASHES, KILL_COMMITTED, LOST
from tests.support.lease_plans import CREATE, RELEASE, RENEW, TAKE, LeasePlan, within_the_right
from tests.support.world import World

FAULTS = (*CRASHES, LOST)


async def killed(made: World) -> None:
    """The leader dies, and there is work when it comes back: the Lease has to run out first."""
    made.strike()
    await create_task(made)


async def ended(made: World) -> None:
    """The leader is told to end and gives the Lease up, and there is work when it comes back."""
    made.restart()
    await create_task(made)


def _with_lease(workload: Workload) -> Workload:
    return replace(workload, name=f"leading-{workload.name}", check=within_the_right)


WORKLOADS = {
    workload.name: workload
    for workload in (
        *(_with_lease(OBJECTS[name]) for name in ("create", "reschedule", "delete", "policy-shorter")),
        _with_lease(replace(OBJECTS["create"], name="killed", act=killed)),
        _with_lease(replace(OBJECTS["create"], name="ended", act=ended)),
    )
}
STRUCK = {
    "leading-create": (f"{CREATE}-1", f"{RENEW}-1", f"{RENEW}-2"),
    "leading-reschedule": (f"{RENEW}-1", f"{RENEW}-2"),
    "leading-delete": (f"{RENEW}-1", f"{RENEW}-2"),
    "leading-policy-shorter": (f"{RENEW}-1", f"{RENEW}-2"),
    "leading-killed": (f"{TAKE}-1", f"{RENEW}-1"),
    "leading-ended": (f"{RELEASE}-1", f"{RENEW}-1"),
}
"""Workload -> kinds and numbers of the Lease's writes."""

SUBSET = frozenset({f"leading-create-{CREATE}-1", f"leading-create-{RENEW}-1"})
"""The plans of `make test`, each killed after the server committed."""


def all_plans() -> list[LeasePlan]:
    """Every write that is listed, killed at every position, and with its answer lost."""
    return [
        LeasePlan(WORKLOADS[name], write, fault)
        for name, writes in STRUCK.items()
        for write in writes
        for fault in FAULTS
    ]


def in_subset(plan: LeasePlan) -> bool:
    """True for the plans of `make test`: the rest belongs to `make prove`."""
    return plan.fault is KILL_COMMITTED and f"{plan.workload.name}-{plan.write}" in SUBSET
