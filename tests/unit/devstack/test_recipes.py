"""What is built, at which version."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from devstack import recipes
from devstack.errors import DevstackError
from devstack.recipes import ETCD, FLUX, INFLUXD, KSTATUS, KUBE, RECIPES, TOOLS, Recipe, required_version
from tests.support.stack import tools_for


@pytest.mark.parametrize("recipe", [*RECIPES, *TOOLS], ids=lambda recipe: recipe.name)
def test_versions_are_pinned_with_checksums(recipe: Recipe) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", recipe.version)
    sums = (recipe.directory / "go.sum").read_text()
    assert f"{recipe.module} v{recipe.version} h1:" in sums


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_module_builds_with_the_oldest_go_that_the_readme_names(recipe: Recipe) -> None:
    assert re.search(r"^go 1\.24(\.0)?$", (recipe.directory / "go.mod").read_text(), re.MULTILINE)


def test_what_only_tests_need_says_which_go_it_needs() -> None:
    assert KSTATUS.go == (1, 24)
    assert FLUX.go == (1, 26)


@pytest.fixture
def kstatus_tool() -> None:
    """As a test that needs kstatus asks for it."""


def test_a_tool_is_built_for_the_tests_that_ask_for_it(request: pytest.FixtureRequest, kstatus_tool: None) -> None:
    assert tools_for([request.node]) == [KSTATUS]


@pytest.mark.parametrize("flux", ["from()"])
def test_no_tool_is_built_for_others(request: pytest.FixtureRequest, flux: str) -> None:
    assert tools_for([request.node]) == []


def test_no_stack_needs_the_tools_of_the_tests() -> None:
    assert not {recipe.name for recipe in RECIPES} & {recipe.name for recipe in TOOLS}


def test_servers_tell_their_version() -> None:
    linker = KUBE.arguments(Path("/out"), ("kubectl",))
    assert f"gitVersion=v{KUBE.version} " in " ".join(linker)
    assert f"main.version=v{INFLUXD.version}" in " ".join(INFLUXD.arguments(Path("/out"), ("influxd",)))


def test_only_what_is_asked_for_is_built() -> None:
    assert KUBE.arguments(Path("/out"), ("kubectl",))[-1] == "k8s.io/kubernetes/cmd/kubectl"
    assert KUBE.arguments(Path("/out"), ("kubectl",))[-2] == "/out/"


def test_go_sum_is_never_changed_by_a_build() -> None:
    assert "-mod=readonly" in ETCD.arguments(Path("/out"), ("etcd",))


def test_the_key_changes_with_sources_and_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ETCD.directory, tmp_path / "etcd")
    monkeypatch.setattr(recipes, "SERVERS", tmp_path)
    before = ETCD.key
    assert before.startswith(f"etcd-{ETCD.version}-")
    assert replace(ETCD, tags="other").key != before
    with (tmp_path / "etcd" / "main.go").open("a") as source:
        source.write("// changed\n")
    assert ETCD.key != before


def test_a_go_mod_without_the_module_is_named() -> None:
    with pytest.raises(DevstackError, match=r"does not require example\.org/x"):
        required_version("module m\n\nrequire example.org/xy v1.0.0\n", "example.org/x")


def test_a_version_is_found_in_a_line_and_in_a_block() -> None:
    assert required_version("require example.org/x v1.2.3\n", "example.org/x") == "1.2.3"
    assert required_version("require (\n\ta.b/c v0.1.0\n\texample.org/x v1.2.3\n)\n", "example.org/x") == "1.2.3"
