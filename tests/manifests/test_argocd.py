"""What is shipped for Argo CD: one text for three kinds, and a verdict for each state of an object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lupa
import pytest
import yaml

from tests.manifests.support import MANIFESTS

ARGOCD = MANIFESTS / "argocd"
DATA = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())["data"]
KINDS = ("InfluxConnection", "InfluxTask", "RetentionPolicy")
CASES = yaml.safe_load((Path(__file__).parent / "argocd-health.yaml").read_text())


@pytest.mark.parametrize("kind", KINDS)
def test_the_config_map_holds_health_lua(kind: str) -> None:
    """Word for word."""
    assert DATA[f"resource.customizations.health.influxops.dev_{kind}"] == (ARGOCD / "health.lua").read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_actions_are_well_formed(kind: str) -> None:
    """What discovery offers is defined, and nothing else."""
    actions = yaml.safe_load(DATA[f"resource.customizations.actions.influxops.dev_{kind}"])
    names = [definition["name"] for definition in actions["definitions"]]
    assert names == ["reconcile", "suspend", "resume"]
    for name in names:
        assert f"{name} = " in actions["discovery.lua"]


def test_every_verdict_has_a_case() -> None:
    """The states of Argo CD that the script can give."""
    assert {case["health"]["status"] for case in CASES} == {"Progressing", "Degraded", "Suspended", "Healthy"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_health(case: dict[str, Any]) -> None:
    """Health.lua over real shapes of status, in a real Lua."""
    lua = lupa.LuaRuntime()
    lua.globals().obj = lua.table_from(case["object"], recursive=True)
    result = lua.execute((ARGOCD / "health.lua").read_text())
    assert {"status": result.status, "message": result.message} == case["health"]
