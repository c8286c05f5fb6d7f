"""A standby whose watches lost events becomes the leader: it acts for no object that is gone, and learns what there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack.kubeconfig import write_kubeconfig
from devstack.stack import Stack
from tests.fault.workloads import OTHER
from tests.fault.workloads_consent import one_task, task
from tests.support.history import KUBE, History
from tests.support.lens import Lens
from tests.support.nursery import Nursery
from tests.support.oracles import ownership
from tests.support.proxy import FaultProxy
from tests.support.stale import live_deletes
from tests.support.until import until
from tests.support.watch_faults import How, WatchFault
from tests.support.world import INSTANCE, World, shared_world

pytestmark = [pytest.mark.timeout(240), pytest.mark.prove]


def ours(tasks: list[dict[str, object]], made: World) -> list[dict[str, object]]:
    """The tasks that are not of others."""
    return [one for one in tasks if one["id"] not in made.foreign]


@pytest.mark.parametrize("at", [1, 2], ids=["takes the former one for alive", "takes the former one for being deleted"])
async def test_a_leader_that_is_behind_leaves_the_successor_alone(
    at: int, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """Its watch lost the end of one object and the coming of the next of that name: nothing of the next one's is touched."""
    async with shared_world(fault_stack, nursery, tmp_path, leases=True) as made:
        first = made.start()
        await one_task(made)
        await made.rest(sweeps=0)
        async with FaultProxy(KUBE, fault_stack.kube.host, History(), ca_pem=fault_stack.kube.ca) as other:
            lens = Lens(other)
            path = made.directory / "standby.kubeconfig"
            made.kubeconfig = write_kubeconfig(path, other.url, fault_stack.kube.ca, fault_stack.kube.token)
            second = made.start()
            await until(lambda: lens.watched("InfluxTask", 0) and "first lists are complete" in second.tail(), 60.0)
            made.operator = first
            lens.arm(WatchFault(How.HIDDEN, "InfluxTask", "alpha", at=at))
            await made.admin.delete("InfluxTask", "alpha")
            await made.gone("InfluxTask", "alpha")
            await made.admin.create("InfluxTask", "alpha", task(flux=OTHER))
            before = ours((await made.rest(sweeps=0)).tasks, made)
            since = len(made.history.exchanges)
            first.kill()
            await first.wait()
            made.operator = second
            await until(lambda: "is lost" not in second.tail() and made.history.exchanges[since:] != [], 60.0)
            view = await made.rest(sweeps=4)
            assert ours(view.tasks, made) == before
            assert ownership(view, INSTANCE) == []
            assert [str(write) for write in made.history.writes(since) if write.server != KUBE] == []
            assert live_deletes(made.history.writes(), made.admin.deleted) == []
            assert len(other.history.tampered) >= 3
            # It has learnt of the successor: news of it are taken for what they are.
            await lens.release()
            await made.admin.patch("InfluxTask", "alpha", suspend=True)
            view = await made.rest(sweeps=1)
            (found,) = ours(view.tasks, made)
            assert (found["id"], found["status"]) == (before[0]["id"], "inactive")
