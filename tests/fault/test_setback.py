"""etcd is set back to an older snapshot: nothing in InfluxDB is deleted for it, and all comes to what the cluster says then."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from devstack.stack import Stack
from tests.fault.workloads import OTHER, policy
from tests.fault.workloads_consent import task
from tests.support.command import influxops
from tests.support.faults import Rule, answers
from tests.support.history import INFLUX, marker_of
from tests.support.nursery import Nursery
from tests.support.oracles import View, ownership
from tests.support.setback import restore, take
from tests.support.stack import install_crds
from tests.support.until import until, until_async
from tests.support.world import INSTANCE, World, world

pytestmark = [pytest.mark.timeout(300), pytest.mark.prove]

SOON = 45.0
"""Seconds in which a running operator has to find out by itself: with a relist at every 10 minutes only."""


@pytest.fixture(scope="module")
def doomed_stack() -> Iterator[Stack]:
    """Servers of our own: what other tests have in etcd must not be set back."""
    with Stack.start(controller_manager=False, audit=False) as stack:
        install_crds(stack)
        yield stack


@pytest.fixture
async def made(doomed_stack: Stack, nursery: Nursery, tmp_path: Path) -> AsyncIterator[World]:
    """A world whose operator has come to rest with objects of all sorts."""
    async with world(doomed_stack, nursery, tmp_path) as there:
        await there.plant_foreign()
        there.start()
        await there.connect()
        for name in ("stays", "changes", "goes", "anew"):
            await there.admin.create("InfluxTask", name, task(description=f"{name} as in the snapshot"))
        await there.admin.create("RetentionPolicy", "keeps", policy(bucket="keeps", description="early"))
        await there.admin.create("RetentionPolicy", "leaves", policy(bucket="leaves", deletion="Delete"))
        await there.rest(sweeps=1)
        yield there


async def move_on(made: World) -> None:
    """What happens after the snapshot, and will not have happened."""
    await made.admin.patch("InfluxTask", "changes", flux=OTHER)
    await made.admin.delete("InfluxTask", "goes")
    await made.admin.delete("InfluxTask", "anew")
    await made.gone("InfluxTask", "anew")
    await made.admin.create("InfluxTask", "anew", task(flux=OTHER))
    await made.admin.create("InfluxTask", "young", task(description="younger than the snapshot"))
    await made.admin.create("RetentionPolicy", "young", policy(bucket="young"))
    await made.admin.patch("RetentionPolicy", "keeps", description="later")
    await made.admin.delete("RetentionPolicy", "leaves")
    await made.gone("RetentionPolicy", "leaves")
    await made.gone("InfluxTask", "goes")
    await made.rest(sweeps=1)


def ours(view: View, name: str) -> list[dict[str, Any]]:
    """Tasks and buckets that bear the mark of an object of this name."""
    marked = [(thing, marker_of(thing)) for thing in (*view.tasks, *view.buckets)]
    return [thing for thing, mark in marked if mark and mark.owner.instance == INSTANCE and mark.owner.name == name]


def deletes(made: World, since: int) -> list[str]:
    """Everything that was to delete something in InfluxDB."""
    sent = [one for one in made.history.exchanges[since:] if one.server == INFLUX]
    return [str(one) for one in sent if one.method == "DELETE" or one.path.endswith("/api/v2/delete")]


async def metric(made: World, name: str) -> float:
    """A metric of the operator's last life, without its labels."""
    assert made.operator is not None
    log = made.operator.log.read_text(encoding="utf-8").splitlines()
    address = [json.loads(line)["probes"] for line in log if '"influxops starts"' in line][-1]
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}/metrics") as answer:
        text = await answer.text()
    return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


async def go_back(made: World, stack: Stack, snapshot: Path, operator: str) -> int:
    """Set etcd back while the operator is running, or when it has been killed. How much had passed the proxies by then."""
    assert made.operator is not None
    if operator == "afresh":
        made.operator.kill()
        await made.operator.wait()
    since = len(made.history.exchanges)
    await asyncio.to_thread(restore, stack, snapshot)
    return since


@pytest.mark.parametrize("operator", ["running", "afresh"])
async def test_nothing_is_deleted_when_etcd_is_set_back(
    operator: str, made: World, doomed_stack: Stack, tmp_path: Path
) -> None:
    """Not one DELETE; what has no object is told and left alone; what is back is made or taken over; and then all goes on."""
    snapshot = await asyncio.to_thread(take, doomed_stack, tmp_path / "snapshot")
    await move_on(made)
    before = await made.look()
    since = await go_back(made, doomed_stack, snapshot, operator)
    if operator == "afresh":
        made.start()

    async def healed() -> bool:
        view = await made.settled()
        return view is not None and len(ours(view, "goes")) == len(ours(view, "leaves")) == 1

    await until_async(healed, SOON)
    view = await made.rest()
    assert deletes(made, since) == []
    # What has no object in the cluster is as it was, and is told.
    assert ours(view, "young") == ours(before, "young") != []
    orphans = {("task", "young"), ("bucket", "young")}
    problems = ownership(view, INSTANCE)
    assert all("ORPHAN" in problem and "young" in problem for problem in problems), problems
    assert await metric(made, "influxops_orphans") == 1
    listed = await asyncio.to_thread(
        influxops, "orphans", "list", "--instance-id", INSTANCE, "-o", "json", KUBECONFIG=str(doomed_stack.kubeconfig)
    )
    mine = [one for one in json.loads(listed.stdout)["items"] if one["owner"]["namespace"] == made.namespace]
    assert {(one["what"], one["owner"]["name"]) for one in mine} == orphans, listed
    # What is back is as the cluster says now: changed back, made again, or taken over from its successor.
    (changed,), (taken,) = ours(view, "changes"), ours(view, "anew")
    assert "mem" not in changed["flux"] + taken["flux"]
    assert [one["id"] for one in ours(before, "anew")] == [taken["id"]]
    assert ours(view, "keeps")[0]["description"].startswith("early")
    assert view.foreign(made.foreign) == before.foreign(made.foreign)
    assert made.faults_in_log() == []
    # And the watches see again.
    await made.admin.patch("InfluxTask", "stays", flux=OTHER)
    await made.admin.create("InfluxTask", "young", task(description="from Git once more"))
    view = await made.rest(seconds=SOON)
    assert "mem" in ours(view, "stays")[0]["flux"]
    assert [one["id"] for one in ours(view, "young") if "flux" in one] == [
        one["id"] for one in ours(before, "young") if "flux" in one
    ]
    assert deletes(made, since) == []


@pytest.mark.parametrize("operator", ["running", "afresh"])
async def test_a_deletion_that_is_taken_back_with_etcd_deletes_nothing(
    operator: str, made: World, doomed_stack: Stack, tmp_path: Path
) -> None:
    """Objects were being deleted, and InfluxDB refused for a while; when it does so no longer, the objects are as they were before."""
    snapshot = await asyncio.to_thread(take, doomed_stack, tmp_path / "snapshot")
    before = await made.look()
    refuses = True
    rule = made.influx.add(Rule(lambda one: refuses and one.method == "DELETE", answers(503), times=None))
    await made.admin.delete("InfluxTask", "goes")
    await made.admin.delete("RetentionPolicy", "leaves")
    await until(
        lambda: {path.split("/")[3] for path in (one.path for one in rule.struck)} == {"tasks", "buckets"}, SOON
    )
    since = await go_back(made, doomed_stack, snapshot, operator)
    refuses = False
    if operator == "afresh":
        made.start()
    await made.admin.patch("InfluxTask", "goes", flux=OTHER)

    async def follows() -> bool:
        view = await made.settled()
        return view is not None and "mem" in ours(view, "goes")[0]["flux"]

    await until_async(follows, SOON)
    view = await made.rest()
    assert [one for one in made.history.exchanges[since:] if one.method == "DELETE" and one not in rule.struck] == []
    for name in ("goes", "leaves"):
        assert [one["id"] for one in ours(view, name)] == [one["id"] for one in ours(before, name)] != []
    assert ownership(view, INSTANCE) == []
    assert made.faults_in_log() == []
