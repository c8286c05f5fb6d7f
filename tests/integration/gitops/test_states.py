"""What kstatus (and so Flux CD, Helm and kpt) and Argo CD make of live objects in every state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devstack.stack import Stack
from tests.integration.gitops.conftest import Judge
from tests.support import argocd
from tests.support import stack as support
from tests.support.gallery import STATES, State, gallery
from tests.support.lab import Lab
from tests.support.operator import OperatorProcess
from tests.support.record_gallery import recorded

Object = dict[str, Any]


@pytest.fixture(scope="module")
def live(stack: Stack, operator: OperatorProcess) -> Iterator[dict[State, Object]]:
    """An object in each of the states, brought about once for all tests here."""
    with (
        support.fresh_namespace(stack) as namespace,
        support.fresh_org(stack) as org,
        support.fresh_org(stack) as other,
    ):
        lab = Lab(stack, operator, namespace, org)
        with gallery(lab, other) as found:
            yield found
        lab.clear()
        lab.close()


@pytest.fixture(scope="module")
def verdicts(live: dict[State, Object], kstatus: Judge) -> dict[State, str]:
    """What the reference implementation of kstatus says of all of them."""
    return dict(zip(live, kstatus(list(live.values())), strict=True))


@pytest.mark.parametrize("state", STATES, ids=str)
def test_kstatus(state: State, verdicts: dict[State, str]) -> None:
    """Nothing is Current before influxops has seen it, nothing waits for ever that only a human can mend."""
    assert verdicts[state] == state.kstatus


@pytest.mark.parametrize("state", STATES, ids=str)
def test_argo_cd_health(state: State, live: dict[State, Object]) -> None:
    """The script of manifests/argocd, with nothing but what Argo CD gives to scripts."""
    status, message = argocd.health(live[state])
    assert status == state.health
    assert message.startswith(state.message), message


@pytest.mark.parametrize("state", STATES, ids=str)
def test_argo_cd_offers_what_makes_sense(state: State, live: dict[State, Object]) -> None:
    """Every action that is offered changes something; approve and accept name what the object itself shows."""
    item = live[state]
    offered = argocd.offered(item)
    other = "resume" if item["spec"]["suspend"] else "suspend"
    assert offered == {"reconcile", other} | state.actions
    for name in offered:
        patch = argocd.action_patch(item, name)
        assert set(patch) <= {"metadata", "spec"}
        assert patch
    if "approve" in offered:
        annotations = argocd.action_patch(item, "approve")["metadata"]["annotations"]
        assert annotations == {"influxops.dev/approve": item["status"]["plan"]["hash"]}
    if "accept" in offered:
        annotations = argocd.action_patch(item, "accept")["metadata"]["annotations"]
        assert annotations == {"influxops.dev/accept-target": item["status"]["foundOrgID"]}


@pytest.mark.parametrize("state", STATES, ids=str)
def test_what_is_recorded_is_still_so(state: State, live: dict[State, Object]) -> None:
    """Else record it anew: tests/support/record_gallery.py."""
    assert outline(recorded()[str(state)]) == outline(live[state])


def outline(item: Object) -> Object:
    """What the scripts look at."""
    metadata, status = item["metadata"], item["status"]
    conditions = {one["type"]: (one["status"], one["reason"]) for one in status.get("conditions", [])}
    return {
        "deleting": "deletionTimestamp" in metadata,
        "seen": status["observedGeneration"] == metadata["generation"],
        "conditions": conditions,
        "fields": {"plan", "foundOrgID"} & set(status),
        "suspend": item["spec"].get("suspend"),
    }


def test_no_negative_condition_is_left_at_false(live: dict[State, Object]) -> None:
    """Tools take one for a fault, whatever it is called."""
    for state, item in live.items():
        conditions = item["status"].get("conditions", [])
        assert all(one["status"] == "True" for one in conditions if one["type"] != "Ready"), state
        if state.name not in {"changed", "deleting"}:
            generation = item["metadata"]["generation"]
            assert all(one["observedGeneration"] == generation for one in conditions), state
