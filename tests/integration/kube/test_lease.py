"""kube.lease on a real API server: one leader, taken over when it freezes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from devstack.stack import Stack
from influxops.kube.client import KubeClient
from influxops.kube.errors import NotLeader
from influxops.kube.lease import LeaderElector
from influxops.kube.lease_state import Timing, holder
from tests.integration.kube.conftest import background
from tests.support.until import until, until_async

TIMING = Timing(duration=3, deadline=2, retry=0.4)

OTHER = textwrap.dedent("""
    import asyncio, sys
    from influxops.kube.client import KubeClient
    from influxops.kube.lease import LeaderElector
    from influxops.kube.lease_state import Timing

    async def main():
        client = await KubeClient.connect(sys.argv[1])
        async def started(): print("started", flush=True)
        async def stopped(): print("stopped", flush=True)
        elector = LeaderElector(client, sys.argv[2], "lease", started, stopped, identity="other",
                                timing=Timing(duration=3, deadline=2, retry=0.4))
        await elector.run(asyncio.Event())

    asyncio.run(main())
""")


async def _nothing() -> None:
    return


async def test_a_frozen_leader_is_replaced_and_stops_when_it_wakes(
    control_plane: Stack, client: KubeClient, namespace: str
) -> None:
    """A real process is frozen with SIGSTOP: it can neither renew nor notice the time."""
    source = str(Path(__file__).parents[3] / "operator")
    other = subprocess.Popen(  # noqa: ASYNC220 - starting it takes a millisecond
        [sys.executable, "-c", OTHER, str(control_plane.kubeconfig), namespace],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": source},
        text=True,
    )
    assert other.stdout is not None
    try:
        assert await asyncio.to_thread(other.stdout.readline) == "started\n"
        us = LeaderElector(client, namespace, "lease", _nothing, _nothing, timing=TIMING, identity="us")
        async with background(us.run):
            await until(lambda: us.holder == "other")
            with pytest.raises(NotLeader):
                us.check()
            other.send_signal(signal.SIGSTOP)
            await until(us.is_leader, 20)
            assert us.check() <= TIMING.duration
            lease = await client.get_lease(namespace, "lease")
            assert lease is not None
            assert lease["spec"]["leaseTransitions"] == 1
            other.send_signal(signal.SIGCONT)
            assert await asyncio.to_thread(other.stdout.readline) == "stopped\n"
            assert us.is_leader()
        lease = await client.get_lease(namespace, "lease")
        assert holder(lease) in {"", "other"}  # given up, and perhaps taken already
    finally:
        other.kill()
        other.wait()
        other.stdout.close()


async def test_a_clean_end_hands_over_without_waiting_for_the_lease_to_expire(
    client: KubeClient, namespace: str
) -> None:
    slow = Timing(duration=60, deadline=40, retry=0.3)
    one = LeaderElector(client, namespace, "lease", _nothing, _nothing, timing=slow)
    two = LeaderElector(client, namespace, "lease", _nothing, _nothing, timing=slow)
    async with background(two.run):
        async with background(one.run):
            await until(lambda: one.is_leader() or two.is_leader())
            assert not (one.is_leader() and two.is_leader())
        await until(two.is_leader, 10)


async def test_a_lease_that_was_deleted_is_found_lost_or_made_again(client: KubeClient, namespace: str) -> None:
    stopped = asyncio.Event()

    async def on_stopped() -> None:
        stopped.set()

    elector = LeaderElector(client, namespace, "lease", _nothing, on_stopped, timing=TIMING)
    async with background(elector.run):
        await until(elector.is_leader)
        await client._api.write("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/lease", {})

        async def there_again() -> bool:
            return holder(await client.get_lease(namespace, "lease")) == elector.identity

        await until_async(there_again)
        await until(elector.is_leader)


async def test_a_frozen_api_server_stops_the_leader_before_its_lease_ends(
    control_plane: Stack, client: KubeClient, namespace: str
) -> None:
    stopped = asyncio.Event()

    async def on_stopped() -> None:
        stopped.set()

    elector = LeaderElector(client, namespace, "lease", _nothing, on_stopped, timing=TIMING)
    async with background(elector.run):
        await until(elector.is_leader)
        loop = asyncio.get_running_loop()
        control_plane.apiserver.pause()
        try:
            began = loop.time()
            await asyncio.wait_for(stopped.wait(), 20)
            assert loop.time() - began < TIMING.duration
            assert not elector.is_leader()
        finally:
            control_plane.apiserver.resume()
        await until(elector.is_leader, 20)
