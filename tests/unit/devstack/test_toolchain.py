"""Compilers: versions read, missing ones told in one sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devstack import toolchain
from devstack.errors import MissingTool
from devstack.recipes import ETCD, FLUX, INFLUXD


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but what the test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("CC", "RUSTUP_TOOLCHAIN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.24.3 linux/amd64", (1, 24)),
        ("go version go1.26rc1 linux/arm64", (1, 26)),
        ("cargo 1.95.0 (f2d3ce0bd 2026-03-21)", (1, 95)),
        ("InfluxDB v2.7.12 (git: none) build_date: x", (2, 7)),
        ("", (0, 0)),
        ("nonsense", (0, 0)),
    ],
)
def test_versions_are_read(text: str, version: tuple[int, int]) -> None:
    assert toolchain.parse_version(text) == version


@pytest.mark.parametrize(
    ("listing", "chosen"),
    [
        (
            "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-x86_64-unknown-linux-gnu\n",
            "stable-x86_64-unknown-linux-gnu",
        ),
        ("1.72.0-x\nstable-x (default)\n", "stable-x"),
        ("nightly-x\n", "nightly-x"),
        ("no installed toolchains\n", ""),
        ("", ""),
    ],
)
def test_an_installed_rust_is_chosen(listing: str, chosen: str) -> None:
    assert toolchain.choose_toolchain(listing) == chosen


def test_missing_go_is_one_sentence_with_the_version_and_the_place(only: Path) -> None:
    with pytest.raises(MissingTool) as caught:
        toolchain.require(ETCD)
    assert str(caught.value) == (
        f"Building etcd {ETCD.version} needs Go 1.24 or later, and there is no go on PATH: install it from https://go.dev/dl/."
    )


def test_old_go_is_told_with_its_version(only: Path) -> None:
    program(only, "go", "echo go version go1.19.3 linux/amd64")
    with pytest.raises(MissingTool, match=r"go on PATH is 1\.19"):
        toolchain.require(ETCD)


def test_go_that_may_fetch_a_newer_go_is_enough(only: Path) -> None:
    program(only, "go", 'if [ "$1" = env ]; then echo auto; else echo go version go1.22.1 linux/amd64; fi')
    toolchain.require(ETCD)
    program(only, "go", 'if [ "$1" = env ]; then echo local; else echo go version go1.22.1 linux/amd64; fi')
    with pytest.raises(MissingTool, match=r"1\.22"):
        toolchain.require(ETCD)


def test_a_recipe_may_need_a_newer_go(only: Path) -> None:
    program(only, "go", 'if [ "$1" = env ]; then echo local; else echo go version go1.25.1 linux/amd64; fi')
    toolchain.require(ETCD)
    with pytest.raises(MissingTool, match=r"needs Go 1\.26 or later, and go on PATH is 1\.25"):
        toolchain.require(FLUX)


def test_missing_cargo_is_told_for_influxd_and_only_there(only: Path) -> None:
    program(only, "go", "echo go version go1.25.0 linux/amd64")
    toolchain.require(ETCD)
    with pytest.raises(MissingTool, match=r"needs Rust 1\.72 or later \(cargo\).*rustup\.rs.*INFLUXD"):
        toolchain.require(INFLUXD)


def test_old_cargo_and_missing_c_compiler_are_told(only: Path) -> None:
    program(only, "go", "echo go version go1.25.0 linux/amd64")
    program(only, "cargo", "echo cargo 1.60.0")
    with pytest.raises(MissingTool, match=r"cargo on PATH is 1\.60"):
        toolchain.require(INFLUXD)
    program(only, "cargo", "echo cargo 1.80.0")
    with pytest.raises(MissingTool, match=r"no cc on PATH"):
        toolchain.require(INFLUXD)
    program(only, "cc", "true")
    toolchain.require(INFLUXD)


def test_flux_is_built_with_an_installed_rust_and_without_denied_warnings(only: Path) -> None:
    program(only, "rustup", "echo 'stable-x (default)'")
    env = toolchain.environment(INFLUXD, only)
    assert env["RUSTUP_TOOLCHAIN"] == "stable-x"
    assert "--cap-lints warn" in Path(env["RUSTC_WRAPPER"]).read_text()
    assert os.access(env["RUSTC_WRAPPER"], os.X_OK)
    assert env["CGO_ENABLED"] == "1"


def test_the_users_choice_of_rust_is_kept(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTUP_TOOLCHAIN", "mine")
    assert toolchain.environment(INFLUXD, only)["RUSTUP_TOOLCHAIN"] == "mine"


def test_a_stand_in_for_pkg_config_comes_last_on_path(only: Path) -> None:
    env = toolchain.environment(INFLUXD, only)
    first, last = env["PATH"].split(os.pathsep)
    assert first == str(only)
    assert os.access(Path(last) / "pkg-config", os.X_OK)
    program(only, "pkg-config", "true")
    assert toolchain.environment(INFLUXD, only)["PATH"] == str(only)


def test_a_workspace_of_the_user_does_not_reach_the_build(only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOS", "windows")
    env = toolchain.environment(ETCD, only)
    assert env["GOWORK"] == "off"
    assert "GOOS" not in env
