"""Kill -9 at every step of a pipeline's protocol: the same values as one clean run, in order, nothing skipped, then quiet.

A plan's id names the workload, the step with its number, and the position: `pytest tests/fault -m "" -k <id>` runs it again.
"""

from __future__ import annotations

import pytest

from tests.fault.window_plans import STRUCK, WORKLOADS, all_plans, in_subset
from tests.support.crash import Plan
from tests.support.matrix import Matrix
from tests.support.steps import STEPS
from tests.support.window_crash import Ended

PLANS = [pytest.param(plan, id=plan.id, marks=() if in_subset(plan) else pytest.mark.prove) for plan in all_plans()]
REFERENCES = [pytest.param(Plan(WORKLOADS[name]), id=f"reference-{name}", marks=pytest.mark.prove) for name in STRUCK]


@pytest.mark.parametrize("plan", PLANS)
def test_ends_as_if_nobody_had_been_killed(plan: Plan, window_matrix: Matrix) -> None:
    """The operator dies at this step and comes back; all oracles hold."""
    result = window_matrix.result(plan.id)
    assert not result.problems, "\n".join([plan.id, *result.problems, "log:", result.log[-6000:]])


@pytest.mark.parametrize("plan", REFERENCES)
def test_every_step_is_struck(plan: Plan, window_matrix: Matrix) -> None:
    """Without a fault nothing is wrong, and each step that the workload has is struck in it or in another workload."""
    result = window_matrix.result(plan.id)
    assert not result.problems, "\n".join([*result.problems, "log:", result.log[-6000:]])
    assert isinstance(result, Ended)
    assert set(result.steps) <= {step for steps in STRUCK.values() for step in steps} <= set(STEPS)
    assert set(STRUCK[plan.workload.name]) <= set(result.steps)


def test_there_are_at_least_a_hundred_kills() -> None:
    """And none twice."""
    ids = [plan.id for plan in all_plans()]
    assert len(ids) == len(set(ids)) >= 100
