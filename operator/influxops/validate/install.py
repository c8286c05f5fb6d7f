"""Finds Node.js and the npm package that reads Flux; fetches the package once, at a version and hash that are pinned.

The package is MIT, by InfluxData, and has no dependency (npm, @influxdata/flux-lsp-node).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from influxops.validate.parser import NoParser

PACKAGE = "@influxdata/flux-lsp-node"
VERSION = "0.8.40"
INTEGRITY = "sha512-0a+0utAhf82RDnUhfJUAyVM1Vuh6tm6QWbx0cR/9abjzdvGSwqYAh4NItp0JyKTB+r9wcZY4RAtWNOLlSW58GQ=="
"""The hash of the package, as npm checks it."""
OWN = "INFLUXOPS_FLUX_PARSER"
"""Names a folder that holds the package, for machines that reach no registry."""
_PATIENCE = 300


@dataclass(frozen=True, slots=True)
class Found:
    """The program and the folder of the package."""

    node: str
    package: Path


def find() -> Found:
    """Find both, and fetch the package when it is not there yet. Raises NoParser with the remedy."""
    node = shutil.which("node")
    if node is None:
        raise NoParser(
            "scripts are not checked: offline that needs Node.js 18 or later, and `node` is not on the PATH; install it, "
            "or give --url to have an InfluxDB check them"
        )
    given = os.environ.get(OWN)
    if given:
        if not (Path(given) / "package.json").is_file():
            raise NoParser(f"scripts are not checked: {OWN} is {given}, which does not hold the npm package {PACKAGE}")
        return Found(node, Path(given).absolute())
    home = _cache() / f"flux-lsp-node-{VERSION}"
    package = home / "node_modules" / PACKAGE
    if not (package / "package.json").is_file():
        _fetch(home)
    return Found(node, package)


def _cache() -> Path:
    own = os.environ.get("INFLUXOPS_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").absolute() / "influxops"


def _fetch(home: Path) -> None:
    npm = shutil.which("npm")
    remedy = f"install {PACKAGE}@{VERSION} where you can and set {OWN} to its folder, or give --url"
    if npm is None:
        raise NoParser(f"scripts are not checked: `npm` is not on the PATH to fetch {PACKAGE}; {remedy}")
    sys.stderr.write(f"influxops: fetching {PACKAGE} {VERSION}, which reads Flux, with npm (once)\n")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="flux-", dir=home.parent) as name:
            folder = Path(name)
            _write_lock(folder)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
            if done.returncode:
                lines = [line for line in (done.stderr or done.stdout).splitlines() if "error" in line.lower()]
                raise NoParser(
                    f"scripts are not checked: npm cannot fetch {PACKAGE}: {(lines or ['no reason given'])[0]}; {remedy}"
                )
            try:
                folder.rename(home)  # whole or not at all
                folder.mkdir()  # for TemporaryDirectory to remove
            except OSError:
                if not home.is_dir():  # else somebody else was faster
                    raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoParser(
            f"scripts are not checked: {PACKAGE} cannot be fetched into {home}: {error}; {remedy}"
        ) from error


def _write_lock(folder: Path) -> None:
    root = {"name": "flux-parser", "version": "0.0.0", "dependencies": {PACKAGE: VERSION}}
    entry = {"version": VERSION, "integrity": INTEGRITY, "license": "MIT"}
    lock = {
        "name": root["name"],
        "version": root["version"],
        "lockfileVersion": 3,
        "packages": {"": root, f"node_modules/{PACKAGE}": entry},
    }
    (folder / "package.json").write_text(json.dumps({**root, "private": True}))
    (folder / "package-lock.json").write_text(json.dumps(lock))
