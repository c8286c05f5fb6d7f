"""A control plane and an InfluxDB of their own for the faults, and operators that start quickly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import pytest

from devstack.stack import Stack
from tests.fault.window_workloads import ALL
from tests.support.crash import Plan
from tests.support.matrix import Matrix
from tests.support.nursery import REPOSITORY, Nursery
from tests.support.stack import install_crds
from tests.support.stale import StaleMatrix, StalePlan
from tests.support.stale_windows import StaleWindowMatrix
from tests.support.window_crash import PipelineWorkload, WindowMatrix

AnyMatrix = TypeVar("AnyMatrix", bound=Matrix)


@pytest.fixture(scope="session")
def fault_stack() -> Iterator[Stack]:
    """Real servers with our CRDs. Operators that watch the whole cluster are not to see what happens here."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        install_crds(stack)
        yield stack


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Starts operators."""
    made = Nursery()
    yield made
    made.close()


@pytest.fixture(scope="session")
def matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """All plans that were selected, under way from the first test on, in the order of the tests."""
    plans = [plan for plan in _crashes(request) if not isinstance(plan.workload, PipelineWorkload)]
    yield from _under_way(Matrix(fault_stack, nursery, tmp_path_factory.mktemp("plans"), plans), "fault-matrix.json")


@pytest.fixture(scope="session")
def window_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[WindowMatrix]:
    """The same for plans over pipelines."""
    plans = [plan for plan in _crashes(request) if isinstance(plan.workload, PipelineWorkload)]
    yield from _under_way(
        WindowMatrix(fault_stack, nursery, tmp_path_factory.mktemp("windows"), plans, clean=ALL["clean"]),
        "window-matrix.json",
    )


@pytest.fixture(scope="session")
def stale_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StaleMatrix]:
    """Plans of stale views that were selected."""
    plans = [plan for plan in _stale(request) if not isinstance(plan.workload, PipelineWorkload)]
    yield from _under_way(
        StaleMatrix(fault_stack, nursery, tmp_path_factory.mktemp("stale"), plans), "stale-matrix.json"
    )


@pytest.fixture(scope="session")
def stale_window_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StaleWindowMatrix]:
    """The same for plans over pipelines."""
    plans = [plan for plan in _stale(request) if isinstance(plan.workload, PipelineWorkload)]
    directory = tmp_path_factory.mktemp("stale-windows")
    yield from _under_way(
        StaleWindowMatrix(fault_stack, nursery, directory, plans, clean=ALL["clean"]), "stale-window-matrix.json"
    )


def _under_way(made: AnyMatrix, report: str) -> Iterator[AnyMatrix]:
    with made:
        yield made
        made.report(REPOSITORY / "build" / report)


def _crashes(request: pytest.FixtureRequest) -> list[Plan]:
    return [plan for plan in _plans(request) if not isinstance(plan, StalePlan)]


def _stale(request: pytest.FixtureRequest) -> list[Plan]:
    return [plan for plan in _plans(request) if isinstance(plan, StalePlan)]


def _plans(request: pytest.FixtureRequest) -> list[Plan]:
    found = (_parameters(item).get("plan") for item in request.session.items)
    return [plan for plan in found if isinstance(plan, Plan)]


def _parameters(item: pytest.Item) -> dict[str, object]:
    spec = getattr(item, "callspec", None)
    return spec.params if spec is not None else {}
