"""The property machine on real servers: etcd, kube-apiserver, influxd and the operator as a process that is killed for real."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.support.nursery import Nursery
from tests.support.property.cases import CASES, Case
from tests.support.property.machine import SEED, explore, replay
from tests.support.property.real import RealWorld

EXAMPLES = int(os.environ.get("INFLUXOPS_PROPERTY_EXAMPLES", "200"))
"""Walks in all."""
BATCH = 5
"""Walks a test: what was interrupted goes on with the batch that it was in, by its name."""
STEPS = 20
BATCHES = [pytest.param(number, id=f"seed-{SEED}-batch-{number:02}") for number in range(-(-EXAMPLES // BATCH))]


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", BATCHES)
def test_no_walk_on_real_servers_breaks_what_is_promised(
    batch: int, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """The same people, faults and judgement as on the fakes. A walk that fails is printed as steps, and can be run again on either world."""
    make = partial(RealWorld, fault_stack, nursery, tmp_path)
    explore(make, examples=BATCH, steps=STEPS, seeded=SEED * 1000 + batch, shrink=False)


@pytest.mark.parametrize("name", ["killed-before-the-status-names-the-task", "operators-clock-ahead-of-influxdb"])
def test_a_named_walk_on_real_servers(name: str, fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """Steps that are written down mean the same on real servers as on the fakes."""
    case = next(one for one in CASES if one.name == name)
    replay(partial(RealWorld, fault_stack, nursery, tmp_path), case.parsed())


@pytest.mark.prove
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_named_walk_on_real_servers(case: Case, fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """All of them."""
    replay(partial(RealWorld, fault_stack, nursery, tmp_path), case.parsed())
