"""What is shipped for Argo CD: one text for all kinds, and a verdict for each state of an object."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from influxops.api.kinds import KINDS
from tests.manifests.support import MANIFESTS
from tests.support import argocd
from tests.support.gallery import STATES, State
from tests.support.lab import BACKFILL, CONNECTION, PIPELINE
from tests.support.record_gallery import recorded

OBJECTS = recorded()
RUN_WINDOWS = [state for state in STATES if state.kind in {PIPELINE, BACKFILL}]
KIND_NAMES = [kind.name for kind in KINDS]
Object = dict[str, Any]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_config_map_holds_health_lua(kind: str) -> None:
    """Word for word."""
    assert argocd.scripts(kind, "health") == (MANIFESTS / "argocd/health.lua").read_text()


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_what_discovery_offers_is_defined(kind: str) -> None:
    """And nothing else is."""
    actions = yaml.safe_load(argocd.scripts(kind, "actions"))
    names = {definition["name"] for definition in actions["definitions"]}
    own = {CONNECTION: {"accept"}, PIPELINE: set(), BACKFILL: set()}.get(kind, {"approve"})
    assert names == {"reconcile", "suspend", "resume"} | own
    whole = "succeeded" if kind == BACKFILL else "synced"
    assert set(argocd.run(actions["discovery.lua"], OBJECTS[f"{kind}-{whole}"])) == names


def test_every_verdict_has_a_state() -> None:
    """Of those that Argo CD knows for an object that exists."""
    assert {state.health for state in STATES} == {"Progressing", "Degraded", "Suspended", "Healthy"}


@pytest.mark.parametrize("state", STATES, ids=str)
def test_health(state: State) -> None:
    """Health.lua over what a real API server gave, in a Lua as poor as that of Argo CD."""
    status, message = argocd.health(OBJECTS[str(state)])
    assert status == state.health
    assert message.startswith(state.message)


@pytest.mark.parametrize("state", RUN_WINDOWS, ids=str)
def test_pipelines_and_backfills_can_be_visited_suspended_and_resumed(state: State) -> None:
    """And nothing else is offered."""
    item = OBJECTS[str(state)]
    assert argocd.offered(item) == {"reconcile", "resume" if item["spec"]["suspend"] else "suspend"}
    other = not item["spec"]["suspend"]
    assert argocd.action_patch(item, "suspend" if other else "resume") == {"spec": {"suspend": other}}


@pytest.mark.parametrize(
    ("name", "change", "verdict"),
    [
        ("synced", {"status": None}, ("Progressing", "Waiting for influxops")),
        ("bad-script", {"spec": {"suspend": True}}, ("Degraded", "InvalidScript: ")),
        ("failing", {"spec": {"suspend": True}}, ("Suspended", "Suspended by spec.suspend")),
    ],
)
def test_health_of_what_is_seldom_met(name: str, change: Object, verdict: tuple[str, str]) -> None:
    """No status at all (CRDs without their default), and what comes first when two things hold."""
    status, message = argocd.health(OBJECTS[f"InfluxTask-{name}"] | change)
    assert status == verdict[0]
    assert message.startswith(verdict[1])


def test_an_action_that_makes_no_sense_says_so() -> None:
    """The buttons are disabled; `argocd app actions run` may still try."""
    with pytest.raises(argocd.LuaError, match="no plan waits"):
        argocd.action_patch(OBJECTS["InfluxTask-synced"], "approve")
    with pytest.raises(argocd.LuaError, match="nothing to accept"):
        argocd.action_patch(OBJECTS["InfluxConnection-synced"], "accept")


@pytest.mark.parametrize(
    "script", ["return os.date()", "return string.upper('a')", "return ('a'):upper()", "return math.pi"]
)
def test_the_lua_of_the_tests_is_as_poor_as_that_of_argo_cd(script: str) -> None:
    """Or a script could pass here and fail there."""
    with pytest.raises(argocd.LuaError):
        argocd.run(script, {})
