"""What users do while the operator does not see all of it, or sees it twice."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fault.workloads import OTHER, connected, deletable_policy, one_policy, policy
from tests.fault.workloads_consent import one_task, orphan_task, task
from tests.support.stale import StaleWorkload
from tests.support.world import CONNECTION, World

TASK: dict[str, Any] = {"kind": "InfluxTask", "target": "alpha"}
POLICY: dict[str, Any] = {"kind": "RetentionPolicy", "target": "keep"}
CONNECTED: dict[str, Any] = {"kind": "InfluxConnection", "target": CONNECTION}


async def create(world: World) -> None:
    await world.admin.create("InfluxTask", "alpha", task())


async def delete(world: World) -> None:
    await world.admin.delete("InfluxTask", "alpha")
    await world.gone("InfluxTask", "alpha")


async def remake(world: World) -> None:
    """Gone and back under the same name, with another uid, in the same second if the operator is quick."""
    await delete(world)
    await world.admin.create("InfluxTask", "alpha", task(flux=OTHER))


async def remake_twice(world: World) -> None:
    """The third object of the name is as the first was."""
    await remake(world)
    await world.rest(sweeps=0)
    await delete(world)
    await create(world)


async def force(world: World, kind: str, name: str, spec: dict[str, Any]) -> None:
    """Deleted by force, finalizer and all, and made anew, while the API server hangs for the operator: it sees all at once."""
    world.kube.open.clear()
    await world.admin.delete(kind, name)
    await world.admin.strip(kind, name)
    await world.admin.create(kind, name, spec)
    world.kube.open.set()


async def force_task(world: World) -> None:
    await force(world, "InfluxTask", "alpha", task(flux=OTHER))


async def force_policy(world: World) -> None:
    await force(world, "RetentionPolicy", "keep", policy(deletion="Delete", description="anew"))


async def flip(world: World) -> None:
    """A, B, A at once."""
    before = (await world.admin.get("InfluxTask", "alpha"))["spec"]["flux"]
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)
    await world.admin.patch("InfluxTask", "alpha", flux=before)


async def flip_slowly(world: World) -> None:
    """A, B until it is stored, A."""
    before = (await world.admin.get("InfluxTask", "alpha"))["spec"]["flux"]
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)
    await world.rest(sweeps=0)
    await world.admin.patch("InfluxTask", "alpha", flux=before)


async def suspend_and_resume(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", suspend=True)
    await world.rest(sweeps=0)
    await world.admin.patch("InfluxTask", "alpha", suspend=False)


async def delete_policy(world: World) -> None:
    await world.admin.delete("RetentionPolicy", "keep")
    await world.gone("RetentionPolicy", "keep")


async def remake_policy(world: World) -> None:
    """The bucket goes, for it is empty, and comes again."""
    await delete_policy(world)
    await world.admin.create("RetentionPolicy", "keep", policy(deletion="Delete", description="anew"))


async def flip_policy(world: World) -> None:
    await world.admin.patch("RetentionPolicy", "keep", description="another")
    await world.rest(sweeps=0)
    await world.admin.patch("RetentionPolicy", "keep", description="thirty days")


async def flip_connection(world: World) -> None:
    """Suspended for a while, with an edit of its task meanwhile."""
    await world.admin.patch("InfluxConnection", CONNECTION, suspend=True)
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)
    await asyncio.sleep(0.2)
    await world.admin.patch("InfluxConnection", CONNECTION, suspend=False)


async def described_policy(world: World) -> None:
    await world.connect()
    await world.admin.create("RetentionPolicy", "keep", policy(description="thirty days"))


async def remake_connection(world: World) -> None:
    """Nobody uses it, so it goes at once; then it is back, with a task."""
    spec = (await world.admin.get("InfluxConnection", CONNECTION))["spec"]
    await world.admin.delete("InfluxConnection", CONNECTION)
    await world.gone("InfluxConnection", CONNECTION)
    await world.admin.create("InfluxConnection", CONNECTION, spec)
    await world.admin.create("InfluxTask", "alpha", task())


ALL = {
    workload.name: workload
    for workload in (
        StaleWorkload("create", connected, create, events=3, **TASK),
        StaleWorkload("delete", one_task, delete, events=2, **TASK),
        StaleWorkload("delete-orphan", orphan_task, delete, events=2, **TASK),
        StaleWorkload("remake", one_task, remake, events=5, **TASK),
        StaleWorkload("remake-twice", one_task, remake_twice, events=10, **TASK),
        StaleWorkload("force", one_task, force_task, events=4, **TASK),
        StaleWorkload("flip", one_task, flip, events=2, **TASK),
        StaleWorkload("flip-slowly", one_task, flip_slowly, events=4, **TASK),
        StaleWorkload("suspend-resume", one_task, suspend_and_resume, events=4, **TASK),
        StaleWorkload("policy-delete", one_policy, delete_policy, events=2, **POLICY),
        StaleWorkload("policy-remake", deletable_policy, remake_policy, events=5, **POLICY),
        StaleWorkload("policy-force", deletable_policy, force_policy, events=4, **POLICY),
        StaleWorkload("policy-flip", described_policy, flip_policy, events=4, **POLICY),
        StaleWorkload("connection-flip", one_task, flip_connection, events=2, **CONNECTED),
        StaleWorkload("connection-remake", connected, remake_connection, events=4, **CONNECTED),
    )
}
