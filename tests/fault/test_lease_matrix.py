"""Kill -9 at every kind of write of the Lease, in three positions, and lost replies: the end is the same as without, and nobody
writes without the Lease.

A plan's id names the workload, the write and the fault: `pytest tests/fault -m "" -k <id>` runs it again.
"""

from __future__ import annotations

import pytest

from tests.fault.lease_plans import WORKLOADS, all_plans, in_subset
from tests.support.lease_plans import LeasePlan
from tests.support.matrix import Matrix

PLANS = [pytest.param(plan, id=plan.id, marks=() if in_subset(plan) else pytest.mark.prove) for plan in all_plans()]
REFERENCES = [
    pytest.param(LeasePlan(workload), id=f"reference-{name}", marks=pytest.mark.prove)
    for name, workload in WORKLOADS.items()
]


@pytest.mark.parametrize("plan", PLANS)
def test_ends_as_if_the_lease_had_always_been_held(plan: LeasePlan, lease_matrix: Matrix) -> None:
    """The fault strikes, the operator has the Lease again, and both servers end as in the reference run."""
    result = lease_matrix.result(plan.id)
    assert not result.problems, "\n".join([plan.id, *result.problems, "log:", result.log[-6000:]])


@pytest.mark.parametrize("plan", REFERENCES)
def test_nothing_is_wrong_without_a_fault(plan: LeasePlan, lease_matrix: Matrix) -> None:
    """The oracles hold of the run that the others are held against."""
    result = lease_matrix.result(plan.id)
    assert not result.problems, "\n".join([*result.problems, "log:", result.log[-6000:]])
