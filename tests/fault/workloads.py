"""What users do while faults strike: every write that the operator can make is made by one of these."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fault.workloads_consent import CONSENT, REF, one_task, orphan_task, task
from tests.fault.workloads_moves import MOVES
from tests.support.crash import Workload
from tests.support.faults import Fault, Rule, Stage
from tests.support.history import Exchange
from tests.support.world import CONNECTION, World

OTHER = 'from(bucket: "raw") |> range(start: -2h) |> filter(fn: (r) => r._measurement == "mem")'


def policy(**fields: Any) -> dict[str, Any]:
    """The spec of a RetentionPolicy."""
    return {**REF, "bucket": "managed", "retention": "30d", **fields}


async def nothing(_: World) -> None:
    """There is nothing at first."""


async def connected(world: World) -> None:
    """A connection, and nothing that uses it."""
    await world.connect()


async def suspended_task(world: World) -> None:
    """A task that ran and was suspended then."""
    await one_task(world)
    await world.rest()
    await world.admin.patch("InfluxTask", "alpha", suspend=True)


async def never_made(world: World) -> None:
    """A task that was suspended from the first: InfluxDB knows nothing of it."""
    await world.connect()
    await world.admin.create("InfluxTask", "alpha", task(suspend=True))


async def one_policy(world: World) -> None:
    """A bucket that influxops has made."""
    await world.connect()
    await world.admin.create("RetentionPolicy", "keep", policy())


async def deletable_policy(world: World) -> None:
    """A bucket that goes with its policy."""
    await world.connect()
    await world.admin.create("RetentionPolicy", "keep", policy(deletion="Delete"))


async def bucket_by_hand(world: World) -> None:
    """A bucket that somebody else has made, with a longer description and another retention."""
    await world.connect()
    rules = [{"type": "expire", "everySeconds": 864000, "shardGroupDurationSeconds": 86400}]
    body = {"orgID": world.org.org_id, "name": "managed", "description": "made by hand", "retentionRules": rules}
    made = await world.influxdb.call("POST", "buckets", body)
    world.history.know(made["id"], "bucket-managed")


async def create_task(world: World) -> None:
    await world.admin.create("InfluxTask", "alpha", task(description="as the user has it"))


async def create_and_delete(world: World, **fields: Any) -> None:
    """The resource is deleted while the request that creates its task is on its way."""
    gate = asyncio.Event()
    held = world.influx.add(Rule(_of_alpha, Fault("held", Stage.BEFORE, hold=gate)))
    await world.admin.create("InfluxTask", "alpha", task(**fields))
    await world.until(lambda view: bool(held.struck) or "taskID" in view.live("InfluxTask")["alpha"].get("status", {}))
    await world.admin.delete("InfluxTask", "alpha")
    gate.set()


def _of_alpha(exchange: Exchange) -> bool:
    return exchange.write_id.startswith("influx-post-task-alpha")


async def create_and_orphan(world: World) -> None:
    """The same, and the task is to stay."""
    await create_and_delete(world, deletion="Orphan")


async def create_and_delete_while_down(world: World, **fields: Any) -> None:
    """The operator dies, and before it is back the resource is deleted: nobody but the mark knows of the task."""
    await world.admin.create("InfluxTask", "alpha", task(**fields))
    await world.struck_or(lambda view: "taskID" in view.live("InfluxTask")["alpha"].get("status", {}))
    await world.admin.delete("InfluxTask", "alpha")


async def policy_and_delete_while_down(world: World) -> None:
    """The same with a bucket, which stays, without its mark."""
    await world.admin.create("RetentionPolicy", "keep", policy())
    await world.struck_or(lambda view: "bucketID" in view.live("RetentionPolicy")["keep"].get("status", {}))
    await world.admin.delete("RetentionPolicy", "keep")


async def from_nothing(world: World) -> None:
    """All at once, as from a folder of manifests, the users of the connection first."""
    await world.admin.create("InfluxTask", "alpha", task())
    await world.admin.create("RetentionPolicy", "keep", policy())
    await world.admin.create("InfluxTask", "beta", task(flux='from(bucket: "managed") |> range(start: -1h)'))
    await world.connect()


async def script(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)


async def reschedule(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", every="12h")


async def cron(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", every=None, cron="0 3 1 1 *", offset="10m")


async def suspend(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", suspend=True)


async def resume(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", suspend=False)


async def rename(world: World) -> None:
    await world.admin.patch("InfluxTask", "alpha", name="a name of its own")


async def everything(world: World) -> None:
    """Every field at once."""
    await world.admin.patch(
        "InfluxTask", "alpha", name="another", description="all is new", every="12h", flux=OTHER, offset="5m"
    )


async def two_edits(world: World) -> None:
    """A second thought at once."""
    await world.admin.patch("InfluxTask", "alpha", every="12h")
    await world.admin.patch("InfluxTask", "alpha", every="48h", flux=OTHER)


async def delete_task(world: World) -> None:
    await world.admin.delete("InfluxTask", "alpha")


async def remake_task(world: World) -> None:
    """Gone and back under the same name, with another uid."""
    await world.admin.delete("InfluxTask", "alpha")
    await world.gone("InfluxTask", "alpha")
    await world.admin.create("InfluxTask", "alpha", task(flux=OTHER))


async def edit_in_influx(world: World) -> None:
    """Somebody switches the task off and describes it in the UI of InfluxDB."""
    (found,) = [one for one in (await world.look()).tasks if one["id"] not in world.foreign]
    await world.influxdb.call("PATCH", f"tasks/{found['id']}", {"status": "inactive", "description": "edited"})
    await world.written()


async def lose_mark(world: World) -> None:
    """The UI prints the script anew and drops its first line."""
    (found,) = [one for one in (await world.look()).tasks if one["id"] not in world.foreign]
    body = found["flux"].partition("\n")[2]
    await world.influxdb.call("PATCH", f"tasks/{found['id']}", {"status": "active", "flux": body})
    await world.written()


async def delete_in_influx(world: World) -> None:
    """Somebody deletes the task in the UI of InfluxDB."""
    (found,) = [one for one in (await world.look()).tasks if one["id"] not in world.foreign]
    await world.influxdb.call("DELETE", f"tasks/{found['id']}")
    await world.written()


async def outage(world: World) -> None:
    """InfluxDB is away, and the connection says so."""
    world.influx.down = True
    await world.until(lambda view: not _ready(view.live("InfluxConnection")[CONNECTION]))


def _ready(item: dict[str, Any]) -> bool:
    conditions = item.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def edit_in_outage(world: World) -> None:
    """An edit while InfluxDB is away."""
    await outage(world)
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)
    world.influx.down = False


async def delete_in_outage(world: World) -> None:
    """A deletion while InfluxDB is away."""
    await outage(world)
    await world.admin.delete("InfluxTask", "alpha")
    await world.until(lambda view: not _ready(view.live("InfluxTask")["alpha"]))
    world.influx.down = False


async def create_policy(world: World) -> None:
    await world.admin.create("RetentionPolicy", "keep", policy(description="thirty days"))


async def longer(world: World) -> None:
    await world.admin.patch("RetentionPolicy", "keep", retention="90d", shardGroupDuration="7d")


async def shorter(world: World) -> None:
    """A shorter retention, with consent."""
    await world.admin.patch("RetentionPolicy", "keep", retention="7d", dataLossApproval="7d")


async def guarded(world: World) -> None:
    """A shorter retention, without consent."""
    await world.admin.patch("RetentionPolicy", "keep", retention="7d")


async def delete_policy(world: World) -> None:
    await world.admin.delete("RetentionPolicy", "keep")


async def delete_policy_and_bucket(world: World) -> None:
    await world.admin.annotate("RetentionPolicy", "keep", confirm_delete="managed")
    await world.admin.delete("RetentionPolicy", "keep")


async def take_down(world: World) -> None:
    """The connection and what uses it, in the wrong order."""
    await world.admin.delete("InfluxConnection", CONNECTION)
    await world.admin.delete("InfluxTask", "alpha")


ALL = {
    workload.name: workload
    for workload in (
        Workload("connect", nothing, connected),
        Workload("apply-all", nothing, from_nothing),
        Workload("create", connected, create_task),
        Workload("create-delete", connected, create_and_delete),
        Workload("create-orphan", connected, create_and_orphan),
        Workload("create-down-delete", connected, create_and_delete_while_down, early={"task-alpha"}),
        Workload("script", one_task, script),
        Workload("reschedule", one_task, reschedule),
        Workload("cron", one_task, cron),
        Workload("suspend", one_task, suspend),
        Workload("resume", suspended_task, resume),
        Workload("first-resume", never_made, resume),
        Workload("rename", one_task, rename),
        Workload("everything", one_task, everything),
        Workload("two-edits", one_task, two_edits),
        Workload("delete", one_task, delete_task),
        Workload("delete-orphan", orphan_task, delete_task),
        Workload("delete-suspended", suspended_task, delete_task),
        Workload("remake", one_task, remake_task),
        Workload("drift", one_task, edit_in_influx),
        Workload("marker-lost", one_task, lose_mark),
        Workload("deleted-in-influx", one_task, delete_in_influx),
        Workload("outage-edit", one_task, edit_in_outage),
        Workload("outage-delete", one_task, delete_in_outage),
        Workload("take-down", one_task, take_down),
        Workload("policy-create", connected, create_policy),
        Workload("policy-down-delete", connected, policy_and_delete_while_down),
        Workload("policy-take", bucket_by_hand, create_policy),
        Workload("policy-longer", one_policy, longer),
        Workload("policy-shorter", one_policy, shorter),
        Workload("policy-guarded", one_policy, guarded, accepted={"RetentionPolicy/keep": "DataLossGuard"}),
        Workload("policy-delete", one_policy, delete_policy),
        Workload("policy-delete-bucket", deletable_policy, delete_policy_and_bucket),
        *CONSENT,
        *MOVES,
    )
}
