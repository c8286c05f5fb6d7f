"""What the fixtures of tests/conftest.py do: one stack a test run, with fresh organisations and namespaces on it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from devstack.binaries import ensure, ensure_tools
from devstack.errors import DevstackError, ServerFailed
from devstack.influx import InfluxOrg
from devstack.progress import Progress
from devstack.recipes import TOOLS, Recipe
from devstack.stack import Stack

CRDS = Path(__file__).parents[2] / "crds"
SERVED_SECONDS = 60.0


def build_servers(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Build the servers that are missing before the first test: it takes minutes, shows progress, has no time limit.

    What only some tests need is built when one of these is among the items.
    """
    tools = tools_for(items)
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        try:
            ensure(Progress())
            ensure_tools(tools, Progress())
        except DevstackError as error:
            pytest.exit(str(error), returncode=1)


def tools_for(items: list[pytest.Item]) -> list[Recipe]:
    """The recipes that these tests ask for, by a fixture named after one: ``flux_tool``, ``kstatus_tool``."""
    used = {name for item in items if isinstance(item, pytest.Function) for name in item.fixturenames}
    return [recipe for recipe in TOOLS if f"{recipe.name}_tool" in used]


def needs_servers(items: list[pytest.Item]) -> bool:
    """Whether any of these tests runs against real servers: all but those in tests/unit."""
    unit = Path(__file__).parents[1] / "unit"
    return any(not item.path.is_relative_to(unit) for item in items)


def install_crds(stack: Stack, folder: Path = CRDS) -> None:
    """Apply the CRDs of a folder and wait until their kinds are served; nothing happens when it holds none."""
    files = [path for path in sorted(folder.glob("*.yaml")) if path.stem.lower() != "kustomization"]
    if not files:
        return
    arguments = [argument for path in files for argument in ("-f", str(path))]
    stack.kubectl("apply", "--server-side", "--force-conflicts", *arguments)
    stack.kubectl("wait", "--for=condition=Established", f"--timeout={SERVED_SECONDS:.0f}s", *arguments)
    for path in files:
        for definition in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            _wait_served(stack, definition["spec"])


def _wait_served(stack: Stack, spec: dict[str, object]) -> None:
    """Established comes a moment before the API server answers for the kind."""
    names, versions = spec["names"], spec["versions"]
    assert isinstance(names, dict)
    assert isinstance(versions, list)
    path = f"/apis/{spec['group']}/{versions[0]['name']}/{names['plural']}"
    deadline = time.monotonic() + SERVED_SECONDS
    while stack.kube.endpoint().status(path) != 200:
        assert time.monotonic() < deadline, f"{path} is not served within {SERVED_SECONDS:.0f} s"
        time.sleep(0.03)


@contextmanager
def fresh_org(stack: Stack) -> Iterator[InfluxOrg]:
    """An organisation with one bucket and one user, removed with its tasks afterwards."""
    org = stack.influx.new_org()
    yield org
    stack.influx.start()  # should the test have killed it
    stack.influx.drop_org(org)


@contextmanager
def fresh_namespace(stack: Stack) -> Iterator[str]:
    """A namespace of a name never used before; its deletion is asked for and not waited for."""
    name = f"test-{secrets.token_hex(4)}"
    stack.kube.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    try:
        stack.kube.call("DELETE", f"/api/v1/namespaces/{name}")
    except ServerFailed as error:
        if ": 404 " not in str(error):  # the test has deleted it
            raise
