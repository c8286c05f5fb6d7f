"""The compilers: what is there, what is missing, and the environment they are called with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from devstack.errors import MissingTool
from devstack.recipes import Recipe

GO_MINIMUM = (1, 24)
GO_SWITCHES = (1, 21)
"""From here on Go fetches by itself the newer Go that a module asks for, unless GOTOOLCHAIN forbids it."""
CARGO_MINIMUM = (1, 72)
"""``rust-version`` in Flux's Cargo.toml."""


def parse_version(text: str) -> tuple[int, int]:
    """Major and minor of the first version in the output of ``go version`` or ``cargo --version``; (0, 0) if none."""
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def require(recipe: Recipe) -> None:
    """Check that the recipe's compilers are there. Raises MissingTool: what to install and which version."""
    _require_go(recipe)
    if recipe.libflux:
        _require_cargo(recipe)
        _require_c(recipe)


def environment(recipe: Recipe, scratch: Path) -> dict[str, str]:
    """The variables to build with. Writes helper scripts into ``scratch`` and builds the helper that libflux needs."""
    env = {**os.environ, "GOWORK": "off", "GO111MODULE": "on", "CGO_ENABLED": "1" if recipe.libflux else "0"}
    for name in ("GOOS", "GOARCH", "GOBIN"):
        env.pop(name, None)
    if recipe.libflux:
        env |= _rust_environment(scratch)
        env["PKG_CONFIG"] = str(scratch / "tools" / "pkg-config")
    return env


def helper_command(recipe: Recipe, scratch: Path) -> list[str] | None:
    """The command that builds InfluxData's pkg-config, which builds libflux with cargo; None when not needed."""
    if not recipe.libflux:
        return None
    package = "github.com/influxdata/pkg-config"
    return ["go", "build", "-mod=readonly", "-buildvcs=false", "-o", str(scratch / "tools" / "pkg-config"), package]


def _require_go(recipe: Recipe) -> None:
    minimum = max(GO_MINIMUM, recipe.go)
    wanted = f"Go {_dotted(minimum)} or later"
    found = _output(["go", "version"], GOTOOLCHAIN="local")
    if found is None:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs {wanted}, and there is no go on PATH: "
            "install it from https://go.dev/dl/."
        )
    version = parse_version(found)
    may_switch = version >= GO_SWITCHES and (_output(["go", "env", "GOTOOLCHAIN"]) or "").strip() != "local"
    if version < minimum and not may_switch:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs {wanted}, and go on PATH is "
            f"{_dotted(version)}: install a newer one from https://go.dev/dl/."
        )


def _require_cargo(recipe: Recipe) -> None:
    wanted = f"Rust {_dotted(CARGO_MINIMUM)} or later (cargo)"
    where = "install it from https://rustup.rs, or put an influxd 2.7 on PATH or in INFLUXD"
    if shutil.which("cargo") is None:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs {wanted}, and there is no cargo on PATH: {where}."
        )
    found = _output(["cargo", "--version"], **_rustup_toolchain())
    if found is None:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs {wanted}, and the cargo on PATH does not run: "
            f"`rustup default stable` installs one, or {where}."
        )
    version = parse_version(found)
    if version < CARGO_MINIMUM:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs {wanted}, and cargo on PATH is {_dotted(version)}: {where}."
        )


def _require_c(recipe: Recipe) -> None:
    if shutil.which(os.environ.get("CC") or "cc") is None and shutil.which("gcc") is None:
        raise MissingTool(
            f"Building {recipe.name} {recipe.version} needs a C compiler, and there is no cc on PATH: "
            "install gcc (Debian and Ubuntu: apt install gcc libc6-dev)."
        )


def _rust_environment(scratch: Path) -> dict[str, str]:
    """Flux pins an old Rust in rust-toolchain and denies warnings that newer Rust has, in its build script too."""
    wrapper = _script(scratch / "tools" / "rustc-wrapper", 'exec "$@" --cap-lints warn')
    env = {**_rustup_toolchain(), "RUSTC_WRAPPER": str(wrapper)}
    if shutil.which("pkg-config") is None:
        standin = Path(__file__).with_name("pkgconfig.py")
        folder = _script(scratch / "standins" / "pkg-config", f'exec "{sys.executable}" -I "{standin}" "$@"').parent
        env["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{folder}"
    return env


def _rustup_toolchain() -> dict[str, str]:
    """An installed toolchain, named so that rustup does not look for the one in rust-toolchain."""
    if os.environ.get("RUSTUP_TOOLCHAIN"):
        return {}
    chosen = choose_toolchain(_output(["rustup", "toolchain", "list"]) or "")
    return {"RUSTUP_TOOLCHAIN": chosen} if chosen else {}


def choose_toolchain(listing: str) -> str:
    """The active or default toolchain of ``rustup toolchain list``, else the first one; "" when there is none."""
    lines = [line for line in listing.splitlines() if line.strip() and not line.startswith("no installed")]
    marked = [line for line in lines if "(" in line and ("active" in line or "default" in line)]
    return (marked or lines or [""])[0].partition(" ")[0]


def _script(path: Path, line: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o700)
    return path


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _output(command: list[str], **extra: str) -> str | None:
    """Standard output of a short command run outside of any project; None when it is missing or fails."""
    try:
        done = subprocess.run(
            command, cwd="/", env={**os.environ, **extra}, capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
