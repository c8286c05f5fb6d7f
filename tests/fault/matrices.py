"""The matrices by name: their plans, and what runs them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.stack import Stack
from tests.fault import lease_plans, plans, stale_plans, window_plans
from tests.fault.window_workloads import ALL as WINDOWS
from tests.support.crash import Plan
from tests.support.lease_plans import LeaseMatrix, LeasePlan
from tests.support.matrix import Matrix
from tests.support.nursery import Nursery
from tests.support.stale import StaleMatrix, StalePlan
from tests.support.stale_windows import StaleWindowMatrix
from tests.support.window_crash import PipelineWorkload, WindowMatrix

Build = Callable[[Stack, Nursery, Path, Iterable[Plan]], Matrix]


@dataclass(frozen=True)
class Kind:
    """One matrix."""

    name: str
    about: str
    build: Build
    plans: tuple[Plan, ...]


def _windows(stack: Stack, nursery: Nursery, directory: Path, chosen: Iterable[Plan]) -> Matrix:
    return WindowMatrix(stack, nursery, directory, chosen, clean=WINDOWS["clean"])


def _stale_windows(stack: Stack, nursery: Nursery, directory: Path, chosen: Iterable[Plan]) -> Matrix:
    return StaleWindowMatrix(stack, nursery, directory, chosen, clean=WINDOWS["clean"])


def _stale(*, windows: bool) -> tuple[StalePlan, ...]:
    every = stale_plans.all_plans()
    return tuple(plan for plan in every if isinstance(plan.workload, PipelineWorkload) is windows)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("objects", "a fault at a write of a task, a bucket or a connection", Matrix, tuple(plans.all_plans())),
        Kind("windows", "a kill at a step of a pipeline", _windows, tuple(window_plans.all_plans())),
        Kind("leases", "a fault at a write of the Lease", LeaseMatrix, tuple(lease_plans.all_plans())),
        Kind("stale", "a watch that hides, repeats or breaks", StaleMatrix, _stale(windows=False)),
        Kind("stale-windows", "the same while a pipeline works", _stale_windows, _stale(windows=True)),
    )
}


def named(plan_id: str) -> tuple[Kind, Plan] | None:
    """The plan of an id, with its matrix; None: there is none."""
    return next(((kind, plan) for kind in KINDS.values() for plan in kind.plans if plan.id == plan_id), None)


def kind_of(plan: Plan) -> str:
    """The name of the matrix that a plan belongs to; a reference run, too."""
    windows = isinstance(plan.workload, PipelineWorkload)
    if isinstance(plan, StalePlan):
        return "stale-windows" if windows else "stale"
    if isinstance(plan, LeasePlan):
        return "leases"
    return "windows" if windows else "objects"
