"""The soak in its short form: that it works, and that it comes to rest without a violated oracle."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.soak.report import markdown, report
from tests.soak.run import Plan, on
from tests.soak.schedule import schedule
from tests.support.stack import install_crds

pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]
PLAN = Plan(minutes=1, objects=30, seed=6, calm=5.0, quiet=15.0)


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """Servers of its own: they are killed."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        install_crds(stack)
        yield stack


async def test_a_minute_of_faults_leaves_everything_as_the_objects_say(own_stack: Stack, tmp_path: Path) -> None:
    """All faults of the seed strike while users change things; then no oracle is violated, and nobody writes any more."""
    found = report(await on(own_stack, PLAN, tmp_path / "soak"))
    assert found["problems"] == []
    assert sum(found["faults"].values()) == len(schedule(PLAN.seed, PLAN.storm)) > 0
    assert sum(found["changes"].values()) > 10
    assert found["spec_to_ready"]["in the storm"]["count"] > 0
    assert found["quiet_seconds"] >= PLAN.quiet
    assert "oracles violated | 0" in markdown(found)
