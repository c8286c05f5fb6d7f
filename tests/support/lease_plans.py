"""Runs fault plans over the writes of the Lease, by operators that lead only while they hold it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.crash import Plan, Result, run_plan
from tests.support.faults import Rule
from tests.support.history import KUBE, Exchange, decoded
from tests.support.leadership import SHORT, judge
from tests.support.matrix import Matrix
from tests.support.steps import nth
from tests.support.world import World, world

CREATE, TAKE, RENEW, RELEASE = "lease-create", "lease-take", "lease-renew", "lease-release"
"""The Lease is made, taken over from one who died, renewed, and given up."""


def kind_of(exchange: Exchange) -> str:
    """Which of them a request is; empty for any other."""
    if exchange.server != KUBE or "/leases" not in exchange.path:
        return ""
    if exchange.method == "POST":
        return CREATE
    if exchange.method != "PUT":
        return ""
    spec = decoded(exchange.body).get("spec") or {}
    if not spec.get("holderIdentity"):
        return RELEASE
    return TAKE if spec.get("acquireTime") == spec.get("renewTime") else RENEW


@dataclass(frozen=True)
class LeasePlan(Plan):
    """One fault at one write of the Lease; ``write`` is its kind and its number."""

    @property
    def at_start(self) -> bool:
        """The Lease is made before anything else."""
        return self.write.startswith(CREATE)

    def rule(self) -> Rule | None:
        """What strikes."""
        kind, _, number = self.write.rpartition("-")
        return None if self.fault is None else Rule(nth(kind, int(number), kind_of), self.fault)


async def within_the_right(made: World) -> list[str]:
    """Every write was begun while its writer held the Lease."""
    return judge(made.history.exchanges, SHORT).problems


class LeaseMatrix(Matrix):
    """The same plans and oracles as of objects, with leader election."""

    async def _run_one(self, plan: Plan, reference: Result | None) -> Result:
        async with world(self._stack, self._nursery, self._directory, leases=True) as made:
            return await run_plan(plan, made, reference)
