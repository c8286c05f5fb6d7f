"""Kill -9 at every write, in three positions, and lost replies: no double, no orphan, and the same end as without.

A plan's id names the workload, the write and the fault: `pytest tests/fault -m "" -k <id>` runs it again.
"""

from __future__ import annotations

import pytest

from tests.fault.plans import all_plans, in_subset
from tests.fault.workloads import ALL
from tests.fault.writes import WRITES, comes_or_stays_away
from tests.support.crash import Plan
from tests.support.matrix import Matrix

pytestmark = pytest.mark.timeout(900)
"""Whoever comes first waits for plans that run beside each other."""

PLANS = [pytest.param(plan, id=plan.id, marks=() if in_subset(plan) else pytest.mark.prove) for plan in all_plans()]
_PROVEN = {plan.workload.name for plan in all_plans() if in_subset(plan)}
REFERENCES = [
    pytest.param(Plan(workload), id=f"reference-{name}", marks=() if name in _PROVEN else pytest.mark.prove)
    for name, workload in ALL.items()
]


@pytest.mark.parametrize("plan", PLANS)
def test_ends_as_if_nothing_had_happened(plan: Plan, matrix: Matrix) -> None:
    """The fault strikes, the operator comes back, and both servers end as in the reference run."""
    result = matrix.result(plan.id)
    assert not result.problems, "\n".join([plan.id, *result.problems, "log:", result.log[-6000:]])


@pytest.mark.parametrize("plan", REFERENCES)
def test_every_write_has_its_plans(plan: Plan, matrix: Matrix) -> None:
    """Without a fault nothing is wrong, and the writes are those that the plans strike: none is left out."""
    name = plan.workload.name
    result = matrix.result(plan.id)
    assert not result.problems, "\n".join([*result.problems, "log:", result.log[-6000:]])
    assert set(WRITES[name]) <= set(result.writes)
    assert [one for one in set(result.writes) - set(WRITES[name]) if not comes_or_stays_away(name, one)] == []
