"""A stack with one operator for all tests of this folder; each test has its own namespace and organization on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.influx import InfluxOrg
from devstack.stack import Stack
from tests.support import stack as support
from tests.support.lab import Lab
from tests.support.operator import OperatorProcess, faults_in


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Not the stack of the other tests: the operator here watches every namespace, and would work on their objects."""
    with Stack.start() as started:
        support.install_crds(started)
        yield started


@pytest.fixture(scope="session")
def operator(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The one operator. At the end it leaves cleanly."""
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with OperatorProcess(stack.kubeconfig, log) as process:
        process.leads()
        yield process
        assert process.stop() == 0, process.tail()
        bugs = faults_in(process.text().splitlines())
        assert not bugs, bugs[:3]


@pytest.fixture
def lab(stack: Stack, operator: OperatorProcess, namespace: str, influx_org: InfluxOrg) -> Iterator[Lab]:
    """A namespace, an organization, and the operator that works on them."""
    made = Lab(stack, operator, namespace, influx_org)
    yield made
    made.clear()
    made.close()


@pytest.fixture(scope="module")
def crowd(stack: Stack, operator: OperatorProcess) -> Iterator[Lab]:
    """A lab for many small cases of one module, with a connection ``main`` in sync; each case uses names of its own."""
    with support.fresh_namespace(stack) as namespace, support.fresh_org(stack) as org:
        made = Lab(stack, operator, namespace, org)
        made.connect()
        yield made
        made.clear()
        made.close()
