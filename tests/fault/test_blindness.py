"""How long a deletion stays unknown that no watch has told of, with the settings that users have: a comparison every 10 minutes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.workloads import delete_task
from tests.fault.workloads_consent import orphan_task
from tests.support.lens import Lens
from tests.support.nursery import Nursery
from tests.support.watch_faults import How, WatchFault
from tests.support.world import CONNECTION, shared_world

pytestmark = [pytest.mark.timeout(300), pytest.mark.prove]

BREAK = 30.0
"""Seconds for what a break of the watch makes known; 1 to 5 were measured."""
SILENCE = 120.0
"""Seconds for what the end of a silence makes known: 70 until it counts as one, and the rest as above."""


@pytest.mark.parametrize(
    ("how", "limit"),
    [(How.GONE, BREAK), (How.BROKEN, BREAK), (How.TRUNCATED, BREAK), (How.EXPIRED, BREAK), (How.SILENT, SILENCE)],
    ids=lambda value: str(value) if isinstance(value, How) else "",
)
async def test_a_lost_deletion_is_found(
    how: How, limit: float, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """The last event of an object is lost with its watch: the connection soon counts one task less, without a write to wait for."""
    async with shared_world(fault_stack, nursery, tmp_path) as made:
        lens = Lens(made.kube)
        made.start()
        await orphan_task(made)
        await made.rest(sweeps=1)
        lens.arm(WatchFault(how, "InfluxTask", "alpha", types=frozenset({"DELETED"})))
        await delete_task(made)
        await made.gone("InfluxTask", "alpha")
        gone = time.monotonic()
        await made.until(
            lambda view: view.live("InfluxConnection")[CONNECTION]["status"]["tasks"]["managed"] == 0, limit + 10.0
        )
        took = time.monotonic() - gone
        assert len(made.history.tampered) == 1
        assert took < limit, f"{how}: {took:.1f} s"
