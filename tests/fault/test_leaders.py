"""A leader is cut off, stands still, is killed or told to end, with writes under way: it starts none after its deadline, the other takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.handover import hand_on, hand_over
from tests.support.figures import note
from tests.support.leadership import SHORT, USUAL, Timing
from tests.support.nursery import Nursery
from tests.support.pair import FIRST, SECOND, THIRD, Loss

pytestmark = pytest.mark.timeout(300)

TAKEOVER = 20.0
"""Seconds, with the times that users have."""
AT_ONCE = 5.0
"""Seconds after SIGTERM: what is under way is ended first, and a standby looks every 2 s."""
PLANS = [
    pytest.param(how, timing, id=f"{how}-{name}", marks=pytest.mark.prove)
    for name, timing in (("usual", USUAL), ("short", SHORT))
    for how in Loss
]


@pytest.mark.parametrize(("how", "timing"), PLANS)
async def test_nothing_is_begun_after_the_deadline(
    how: Loss, timing: Timing, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """All writes of both, to InfluxDB and Kubernetes, lie within their leases; each task is made once; in the end all is as specs say."""
    found = await hand_over(how, timing, fault_stack, nursery, tmp_path)
    assert found.problems == []
    assert found.judgement.writes > 20
    if how is Loss.ENDED:
        assert found.takeover < AT_ONCE
    elif timing is USUAL:
        assert found.takeover < TAKEOVER
    note(
        f"leader: {how}, lease {timing.duration:g} s",
        takeover=found.takeover,
        first_write=found.written,
        writes=found.judgement.writes,
        latest_after_deadline=found.judgement.latest,
    )


@pytest.mark.prove
async def test_of_three_one_takes_over_at_a_time(fault_stack: Stack, nursery: Nursery, tmp_path: Path) -> None:
    """The leader is killed, and the next one told to end: each time one of those that stand by leads, and nobody writes beside it."""
    problems, leaders = await hand_on(SHORT, fault_stack, nursery, tmp_path)
    assert problems == []
    assert leaders[0] == FIRST
    assert sorted(leaders) == sorted({FIRST, SECOND, THIRD})
