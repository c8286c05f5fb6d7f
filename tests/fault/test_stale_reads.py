"""A Secret is read, not watched: what if the read is answered from the past?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from devstack.stack import Stack
from tests.fault.workloads_consent import one_task
from tests.support.faults import Fault, Reply, Rule, Stage, request_to
from tests.support.history import KUBE
from tests.support.nursery import Nursery
from tests.support.oracles import View, ownership, summary
from tests.support.world import CONNECTION, INSTANCE, world

pytestmark = pytest.mark.timeout(240)

PATIENCE = 90.0
"""Seconds; a token that is refused is first met by the next sweep."""


def reason(view: View) -> str:
    """Of the connection's Ready condition."""
    conditions = view.live("InfluxConnection")[CONNECTION].get("status", {}).get("conditions", [])
    return next((one["reason"] for one in conditions if one["type"] == "Ready"), "")


@pytest.mark.prove
@pytest.mark.parametrize("deleting", [False, True], ids=["while all rests", "while a task is deleted"])
async def test_the_rotation_of_a_token_is_hidden(
    deleting: bool, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """The old token is refused, and only it can be read: the connection says so, nothing is made or let go of, and as soon as the new
    one is read all is as it should be.
    """
    async with world(fault_stack, nursery, tmp_path) as made:
        await made.plant_foreign()
        made.start()
        await one_task(made)
        before = await made.rest(sweeps=1)
        since = len(made.history.exchanges)
        path = f"/api/v1/namespaces/{made.namespace}/secrets/influx-token"
        old: dict[str, Any] = await made.admin.call("GET", path)
        reply = Reply(200, json.dumps(old).encode())
        frozen = made.kube.add(
            Rule(
                request_to(KUBE, "GET", "/secrets/influx-token"), Fault("frozen", Stage.BEFORE, reply=reply), times=None
            )
        )
        await made.admin.change_secret("influx-token", token=await made.new_token())
        await made.revoke()
        await made.until(lambda view: reason(view) == "Unauthorized", PATIENCE)
        if deleting:
            await made.admin.delete("InfluxTask", "alpha")
            await made.until(lambda view: "deletionTimestamp" in view.live("InfluxTask")["alpha"]["metadata"])
        assert summary(made.history.writes(since)) == {}
        assert frozen.struck
        made.kube.rules.remove(frozen)
        view = await made.rest()
        assert ownership(view, INSTANCE) == []
        assert view.foreign(made.foreign) == before.foreign(made.foreign)
        expected = {("task-alpha", "delete"): 1} if deleting else {}
        assert summary(made.history.writes(since)) == expected
        if not deleting:
            assert view.tasks == before.tasks
