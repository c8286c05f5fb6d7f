"""What users do where somebody has to agree: adoption, approval, and another task in a task's place."""

from __future__ import annotations

from typing import Any

from tests.support.crash import Workload
from tests.support.oracles import View
from tests.support.world import CONNECTION, World

REF = {"connectionRef": {"name": CONNECTION}}
SCRIPT = 'from(bucket: "raw") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "cpu")'


def task(**fields: Any) -> dict[str, Any]:
    """The spec of an InfluxTask that does not run while a test lasts."""
    return {**REF, "every": "24h", "flux": SCRIPT, **fields}


async def one_task(world: World) -> None:
    """A task at rest."""
    await world.connect()
    await world.admin.create("InfluxTask", "alpha", task())


async def orphan_task(world: World) -> None:
    """A task that is to outlive its resource."""
    await world.connect()
    await world.admin.create("InfluxTask", "alpha", task(deletion="Orphan"))


async def manual_task(world: World) -> None:
    """A task whose every change has to be approved from now on."""
    await one_task(world)
    await world.rest()
    await world.admin.patch("InfluxTask", "alpha", approval="Manual")


async def task_by_hand(world: World) -> None:
    """A task of nobody, of the name and with another schedule than will be wanted."""
    await world.connect()
    flux = f'option task = {{name: "taken over", every: 36h}}\n{SCRIPT}'
    made = await world.influxdb.call("POST", "tasks", {"orgID": world.org.org_id, "flux": flux, "status": "active"})
    world.history.know(made["id"], "task-alpha")


async def adopt(world: World) -> None:
    """The task by hand is taken over, paused for the change of its schedule."""
    await world.admin.create("InfluxTask", "alpha", task(name="taken over", adoption="Adopt"))


async def import_and_delete_while_down(world: World) -> None:
    """The same by its id; the operator dies on the way, and before it is back the resource is deleted, and the task with it."""
    await world.admin.create("InfluxTask", "alpha", task(importID=(await ours(world))["id"]))
    await world.struck_or(lambda view: "taskID" in view.live("InfluxTask")["alpha"].get("status", {}))
    await world.admin.delete("InfluxTask", "alpha")


def _plan(view: View) -> dict[str, Any]:
    found: dict[str, Any] = view.live("InfluxTask")["alpha"].get("status", {}).get("plan") or {}
    return found


async def approve(world: World, *actions: str) -> None:
    """Wait until a plan of these actions is shown, and approve it."""
    await world.until(lambda view: [one["action"] for one in _plan(view).get("actions", [])] == list(actions))
    await world.admin.annotate("InfluxTask", "alpha", approve=_plan(await world.look())["hash"])


async def change_and_approve(world: World) -> None:
    """A changed schedule: two requests, one plan, one approval."""
    await world.admin.patch("InfluxTask", "alpha", every="12h", description="approved")
    await approve(world, "update")


async def double_and_approve(world: World) -> None:
    """Our own double goes and the schedule changes: a plan of two actions and one approval."""
    flux = (await ours(world))["flux"]
    made = await world.influxdb.call("POST", "tasks", {"orgID": world.org.org_id, "flux": flux, "status": "active"})
    world.history.know(made["id"], "task-double")
    await world.until(lambda view: [one["action"] for one in _plan(view).get("actions", [])] == ["delete"])
    await world.admin.patch("InfluxTask", "alpha", every="12h", description="approved")
    await approve(world, "delete", "update")


async def ours(world: World) -> dict[str, Any]:
    """The task of alpha in InfluxDB."""
    (found,) = [one for one in (await world.look()).tasks if one["id"] not in world.foreign]
    return found


async def recreate(world: World) -> None:
    """Another task is put in the place of this one."""
    await world.admin.annotate("InfluxTask", "alpha", recreate=(await ours(world))["id"])


async def recreate_and_delete_while_down(world: World) -> None:
    """The operator dies on the way, and before it is back the resource is deleted."""
    old = (await ours(world))["id"]
    await world.admin.annotate("InfluxTask", "alpha", recreate=old)
    await world.struck_or(lambda view: view.live("InfluxTask")["alpha"].get("status", {}).get("taskID") != old)
    await world.admin.delete("InfluxTask", "alpha")


CONSENT = (
    Workload("adopt", task_by_hand, adopt),
    Workload("adopt-delete", task_by_hand, import_and_delete_while_down),
    Workload("approve", manual_task, change_and_approve),
    Workload("approve-double", manual_task, double_and_approve),
    Workload("recreate", one_task, recreate),
    Workload("recreate-delete", one_task, recreate_and_delete_while_down, early={"task-alpha"}),
    Workload("recreate-orphan", orphan_task, recreate_and_delete_while_down, early={"task-alpha"}),
)
