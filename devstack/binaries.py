"""Find the servers' programs, in this order: what the user names, what is on PATH (influxd only), what we built.

``KUBEBUILDER_ASSETS`` is the variable that users of controller tests know: a folder with etcd, kube-apiserver and
kubectl. kube-controller-manager is taken from there too when it is there. PATH is not searched for these four:
a kubectl or etcd on PATH may be of any version.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from devstack import toolchain
from devstack.build import build, built
from devstack.errors import DevstackError
from devstack.paths import cache_directory
from devstack.progress import Progress
from devstack.recipes import RECIPES, Recipe
from devstack.toolchain import parse_version


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of a stack."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    influxd: Path

    def assets(self) -> Path:
        """A folder to name in KUBEBUILDER_ASSETS: holds the programs, or links to them."""
        digest = hashlib.sha256("\0".join(map(str, astuple(self))).encode()).hexdigest()[:12]
        folder = cache_directory() / "servers" / f"assets-{digest}"
        folder.mkdir(parents=True, exist_ok=True)
        for field in fields(self):
            link, target = folder / _program(field.name), getattr(self, field.name)
            if not link.is_symlink():
                temporary = folder / f".{link.name}-{os.getpid()}"
                temporary.symlink_to(target)
                temporary.replace(link)
        return folder


def ensure(progress: Progress | None = None) -> Binaries:
    """All programs, building those that are found nowhere.

    Raises DevstackError (MissingTool, BuildFailed) with one sentence for the user.
    """
    progress = progress or Progress()
    wanted = [_program(field.name) for field in fields(Binaries)]
    found = {name: path for name in wanted if (path := given(name)) is not None}
    work: list[tuple[Recipe, tuple[str, ...]]] = []
    for recipe in RECIPES:
        own = [name for name in recipe.packages if name in wanted and name not in found]
        found |= {name: built(recipe, name) for name in own}
        missing = tuple(name for name in own if not found[name].exists())
        if missing:
            work.append((recipe, missing))
    _build_all(work, progress)
    return Binaries(**{field.name: found[_program(field.name)] for field in fields(Binaries)})


def ensure_tools(recipes: Sequence[Recipe], progress: Progress | None = None) -> dict[str, Path]:
    """All binaries and files of these recipes by name, building what is not in the cache. Raises DevstackError."""
    missing = {recipe.name: tuple(n for n in recipe.names if not built(recipe, n).exists()) for recipe in recipes}
    _build_all([(recipe, missing[recipe.name]) for recipe in recipes if missing[recipe.name]], progress or Progress())
    return {name: built(recipe, name) for recipe in recipes for name in recipe.names}


def _build_all(work: Sequence[tuple[Recipe, tuple[str, ...]]], progress: Progress) -> None:
    for recipe, _ in work:
        toolchain.require(recipe)  # of all, before the first is built: that takes minutes
    for number, (recipe, missing) in enumerate(work, start=1):
        build(recipe, missing, progress, counter=f"{number} of {len(work)}")


def given(name: str) -> Path | None:
    """The program that the user's environment brings, or None."""
    if name == "influxd":
        return _given_influxd()
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if not assets:
        return None
    path = (Path(assets) / name).resolve()
    return path if os.access(path, os.X_OK) else None


def _given_influxd() -> Path | None:
    named = os.environ.get("INFLUXD")
    if named:
        path = Path(named).resolve()
        if not os.access(path, os.X_OK) or path.is_dir():
            raise DevstackError(f"INFLUXD names {named}, which is not a program: correct the variable or unset it.")
        return path
    found = shutil.which("influxd")
    return Path(found) if found and influxd_fits(_version_of(found)) else None


def influxd_fits(version_output: str) -> bool:
    """Whether ``influxd version`` tells of a 2.7 or a later 2.x."""
    major, minor = parse_version(version_output)
    return major == 2 and minor >= 7


def _version_of(program: str) -> str:
    try:
        done = subprocess.run([program, "version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def _program(field: str) -> str:
    return field.replace("_", "-")
