"""Watches that hide, repeat, delay, cut or stop what they tell: the end is the same as with sound ones.

A plan's id names the workload, the fault and the event that it strikes: `pytest tests/fault -m "" -k <id>` runs it again.
"""

from __future__ import annotations

import pytest

from tests.fault.stale_pipelines import ALL as PIPELINES
from tests.fault.stale_plans import SUBSET, all_plans
from tests.fault.stale_workloads import ALL as OBJECTS
from tests.support.matrix import Matrix
from tests.support.stale import StalePlan, StaleResult, StaleWorkload
from tests.support.stale_windows import StalePipeline

pytestmark = pytest.mark.timeout(900)
"""Whoever comes first waits for plans that run beside each other."""


def _param(plan: StalePlan) -> object:
    return pytest.param(plan, id=plan.id, marks=() if plan.id in SUBSET else pytest.mark.prove)


PLANS = [_param(plan) for plan in all_plans() if isinstance(plan.workload, StaleWorkload)]
PIPELINE_PLANS = [_param(plan) for plan in all_plans() if isinstance(plan.workload, StalePipeline)]
REFERENCES = [
    pytest.param(StalePlan(workload), id=f"reference-{name}", marks=pytest.mark.prove)
    for name, workload in OBJECTS.items()
]


@pytest.mark.parametrize("plan", PLANS)
def test_ends_as_with_sound_watches(plan: StalePlan, stale_matrix: Matrix) -> None:
    """Both servers end as in the reference run, nothing that a live object owns is deleted, and then all is quiet."""
    result = stale_matrix.result(plan.id)
    assert not result.problems, "\n".join([plan.id, *result.problems, "log:", result.log[-6000:]])


@pytest.mark.parametrize("plan", PIPELINE_PLANS)
def test_pipelines_end_as_with_sound_watches(plan: StalePlan, stale_window_matrix: Matrix) -> None:
    """The destinations hold what one clean run writes, no window is left out, and few run more than once."""
    result = stale_window_matrix.result(plan.id)
    assert not result.problems, "\n".join([plan.id, *result.problems, "log:", result.log[-6000:]])


@pytest.mark.parametrize("plan", REFERENCES)
def test_the_events_that_plans_strike_come(plan: StalePlan, stale_matrix: Matrix) -> None:
    """Without a fault nothing is wrong, and the object is told of as often as the plans count on."""
    result = stale_matrix.result(plan.id)
    assert not result.problems, "\n".join([*result.problems, "log:", result.log[-6000:]])
    assert isinstance(result, StaleResult)
    assert isinstance(plan.workload, StaleWorkload)
    assert result.events >= plan.workload.events


def test_there_are_enough_plans_and_the_subset_is_of_them() -> None:
    """No plan is named twice."""
    ids = [plan.id for plan in all_plans()]
    assert len(ids) == len(set(ids)) >= 150
    assert set(ids) >= SUBSET
    assert {name for plan in all_plans() for name in [plan.workload.name]} == {*OBJECTS, *PIPELINES}
