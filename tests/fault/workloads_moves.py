"""What users do to the ground that tasks stand on: another organization or address, another token, no namespace any more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fault.workloads_consent import REF, SCRIPT, one_task
from tests.support.crash import Workload
from tests.support.oracles import View
from tests.support.world import CONNECTION, World

OTHER = SCRIPT.replace("cpu", "mem")
SECRET = "influx-token"


def ready(view: View, kind: str = "InfluxConnection", name: str = CONNECTION) -> dict[str, Any]:
    """The Ready condition of an object; empty before its first visit."""
    conditions = view.live(kind)[name].get("status", {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == "Ready"), {})


async def task_and_policy(world: World) -> None:
    """A task and a bucket at rest."""
    await one_task(world)
    await world.admin.create("RetentionPolicy", "keep", {**REF, "bucket": "managed", "retention": "30d"})


async def two_orgs(world: World) -> None:
    """A task and a bucket at rest, and a token that may also work in another organization."""
    there = await world.another_org()
    world.org = replace(world.org, token=there.token)
    await task_and_policy(world)
    await world.rest(sweeps=1)
    _elsewhere[world.namespace] = there


async def move(world: World) -> None:
    """The connection leads to another organization, and somebody agrees to that."""
    here, there = world.org, _elsewhere[world.namespace]
    _left[world.namespace] = await world.stored(here)
    world.former, world.org = here, there
    await world.admin.patch("InfluxConnection", CONNECTION, org=there.org)
    await world.until(lambda view: ready(view).get("reason") == "TargetChanged")
    await world.admin.annotate("InfluxConnection", CONNECTION, accept_target=there.org_id)


async def nothing_there_changed(world: World) -> list[str]:
    """What the former organization holds is left as it was, marks and all."""
    assert world.former is not None
    now = await world.stored(world.former)
    before = _left[world.namespace]
    return [] if _shown(now) == _shown(before) else [f"THE FORMER ORGANIZATION: changed\n{before}\nto\n{now}"]


def _shown(things: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Without what changes by itself, as the time of the last run does."""
    passing = {"latestCompleted", "latestScheduled", "updatedAt"}
    return [{name: value for name, value in thing.items() if name not in passing} for thing in (*things[0], *things[1])]


_elsewhere: dict[str, Any] = {}
_left: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {}


async def move_address(world: World) -> None:
    """The same InfluxDB by another name, and an edit at the same time."""
    url = world.influx.url.replace("127.0.0.1", "localhost")
    await world.admin.patch("InfluxConnection", CONNECTION, url=url)
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)


async def rotate(world: World) -> None:
    """A new token in the Secret, then the end of the old one, and an edit."""
    token = await world.new_token()
    await world.admin.change_secret(SECRET, token=token)
    await world.revoke()
    world.org = replace(world.org, token=token)
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)


async def rotate_late(world: World) -> None:
    """The old token ends first; an edit comes while none is valid, and then the new one."""
    token = await world.new_token()
    await world.revoke()
    await world.until(lambda view: ready(view).get("reason") == "Unauthorized")
    await world.admin.patch("InfluxTask", "alpha", flux=OTHER)
    await world.until(lambda view: ready(view, "InfluxTask", "alpha").get("status") != "True")
    await world.admin.change_secret(SECRET, token=token)
    world.org = replace(world.org, token=token)


async def delete_namespace(world: World) -> None:
    """The namespace with all that is in it: the Secret goes at once, the objects when they are cleaned up."""
    await world.admin.delete_namespace()


MOVES = (
    Workload("move-org", two_orgs, move, check=nothing_there_changed),
    Workload("move-address", one_task, move_address),
    Workload("rotate", one_task, rotate),
    Workload("rotate-late", one_task, rotate_late),
    Workload(
        "delete-namespace",
        task_and_policy,
        delete_namespace,
        may_stay={"InfluxTask/alpha": "task-alpha", "RetentionPolicy/keep": "bucket-managed"},
        tuning=("tests.support.tuning:let_go_soon",),
    ),
)
