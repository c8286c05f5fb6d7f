"""A control plane and an InfluxDB of their own for the faults, and operators that start quickly."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from devstack.stack import Stack
from tests.fault.matrices import KINDS, kind_of
from tests.support.crash import Plan
from tests.support.matrix import Matrix
from tests.support.nursery import REPOSITORY, Nursery
from tests.support.proofs import PROVING, Plans
from tests.support.stack import install_crds


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
    yield from _under_way("objects", request, fault_stack, nursery, tmp_path_factory)


@pytest.fixture(scope="session")
def window_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """The same for plans over pipelines."""
    yield from _under_way("windows", request, fault_stack, nursery, tmp_path_factory)


@pytest.fixture(scope="session")
def lease_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """Plans over the Lease that were selected."""
    yield from _under_way("leases", request, fault_stack, nursery, tmp_path_factory)


@pytest.fixture(scope="session")
def stale_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """Plans of stale views that were selected."""
    yield from _under_way("stale", request, fault_stack, nursery, tmp_path_factory)


@pytest.fixture(scope="session")
def stale_window_matrix(
    request: pytest.FixtureRequest, fault_stack: Stack, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    """The same for plans over pipelines."""
    yield from _under_way("stale-windows", request, fault_stack, nursery, tmp_path_factory)


def _under_way(
    name: str,
    request: pytest.FixtureRequest,
    stack: Stack,
    nursery: Nursery,
    directories: pytest.TempPathFactory,
) -> Iterator[Matrix]:
    chosen = [plan for plan in _plans(request) if kind_of(plan) == name]
    ledger = Plans.of_this_code() if os.environ.get(PROVING) else None
    made = KINDS[name].build(stack, nursery, directories.mktemp(name), chosen)
    made.on_end = (lambda result: ledger.add(name, result)) if ledger is not None else made.on_end
    with made:
        yield made
        made.report(REPOSITORY / "build" / f"{name}-matrix.json")


def _plans(request: pytest.FixtureRequest) -> list[Plan]:
    found = (_parameters(item).get("plan") for item in request.session.items)
    return [plan for plan in found if isinstance(plan, Plan)]


def _parameters(item: pytest.Item) -> dict[str, object]:
    spec = getattr(item, "callspec", None)
    return spec.params if spec is not None else {}
