"""A stack with one operator and one Flux CD for all tests of this folder, and the rules by which others judge our objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devstack.binaries import ensure_tools
from devstack.influx import InfluxOrg
from devstack.recipes import FLUX, KSTATUS
from devstack.stack import Stack
from tests.support import stack as support
from tests.support.flux import Flux
from tests.support.lab import Lab
from tests.support.operator import OperatorProcess

Judge = Callable[[list[dict[str, Any]]], list[str]]


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Not the stack of the other tests: the operator here watches every namespace, and would work on their objects."""
    with Stack.start() as started:
        support.install_crds(started)
        yield started


@pytest.fixture(scope="session")
def operator(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """The one operator. At the end it leaves cleanly."""
    with OperatorProcess(stack.kubeconfig, tmp_path_factory.mktemp("operator") / "operator.log") as process:
        process.leads()
        yield process
        assert process.stop() == 0, process.tail()
        assert "Traceback" not in process.text(), process.tail(word="Traceback")


@pytest.fixture
def lab(stack: Stack, operator: OperatorProcess, namespace: str, influx_org: InfluxOrg) -> Iterator[Lab]:
    """A namespace, an organization, and the operator that works on them."""
    made = Lab(stack, operator, namespace, influx_org)
    yield made
    made.clear()
    made.close()


@pytest.fixture(scope="session")
def flux_tool() -> dict[str, Path]:
    """The paths of kustomize-controller and its CRD. Asking for it has them built before the first test."""
    return ensure_tools([FLUX])


@pytest.fixture(scope="session")
def kstatus_tool() -> dict[str, Path]:
    """The path of kstatus, in the same way."""
    return ensure_tools([KSTATUS])


@pytest.fixture(scope="session")
def flux(stack: Stack, flux_tool: dict[str, Path]) -> Iterator[Flux]:
    """The real kustomize-controller."""
    with Flux(stack, flux_tool) as running:
        yield running


@pytest.fixture(scope="session")
def kstatus(kstatus_tool: dict[str, Path]) -> Judge:
    """What the reference implementation of kstatus calls each object: Current, InProgress, Failed, Terminating."""
    program = kstatus_tool["kstatus"]

    def judge(objects: list[dict[str, Any]]) -> list[str]:
        text = "\n".join(map(json.dumps, objects))
        done = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True, timeout=30)
        return [json.loads(line)["status"] for line in done.stdout.splitlines()]

    return judge
