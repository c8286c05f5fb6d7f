"""How each server is built: its Go module in ``servers/``, its packages and its compiler flags.

The go.mod of each module is the one place where a version stands; go.sum makes it verifiable.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path

from devstack.errors import DevstackError
from devstack.paths import SERVERS


@dataclass(frozen=True, slots=True)
class Recipe:
    """One Go module and what is built from it."""

    name: str
    module: str
    """The Go module whose version is the version of the server."""
    packages: dict[str, str]
    """Name of the binary to its Go package."""
    ldflags: str = ""
    """Linker flags; ``{version}``, ``{major}`` and ``{minor}`` are filled in."""
    tags: str = ""
    libflux: bool = False
    """The package links the Rust library of Flux: needs cargo, a C compiler and pkg-config."""
    files: dict[str, str] = field(default_factory=dict)
    """Name of a file that is wanted beside the binaries to its path within the module."""

    @property
    def directory(self) -> Path:
        """The folder of go.mod and go.sum."""
        return SERVERS / self.name

    @property
    def version(self) -> str:
        """The pinned version, without ``v``."""
        return required_version((self.directory / "go.mod").read_text(), self.module)

    @property
    def go(self) -> tuple[int, int]:
        """The oldest Go that builds it."""
        match = re.search(r"^go (\d+)\.(\d+)", (self.directory / "go.mod").read_text(), re.MULTILINE)
        return (int(match.group(1)), int(match.group(2))) if match else (0, 0)

    @property
    def key(self) -> str:
        """Name, version and a hash of all that goes into the build: equal keys mean equal binaries."""
        digest = hashlib.sha256(json.dumps(self._options()).encode())
        for path in self.sources():
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    @property
    def names(self) -> tuple[str, ...]:
        """All that is built: binaries and files."""
        return (*self.packages, *self.files)

    def _options(self) -> list[object]:
        options: list[object] = [self.packages, self.ldflags, self.tags]
        return [*options, self.files] if self.files else options

    def sources(self) -> list[Path]:
        """The files of the module, in a fixed order."""
        return sorted(path for path in self.directory.iterdir() if path.suffix in {".go", ".mod", ".sum"})

    def arguments(self, output: Path, binaries: tuple[str, ...]) -> list[str]:
        """The command that builds these binaries into the folder ``output``."""
        major, minor, _ = self.version.split(".", 2)
        linker = "-s -w " + self.ldflags.format(version=self.version, major=major, minor=minor)
        command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", linker.strip()]
        if self.tags:
            command += ["-tags", self.tags]
        return [*command, "-o", f"{output}/", *(self.packages[name] for name in binaries)]


def required_version(go_mod: str, module: str) -> str:
    """The version, without ``v``, at which a go.mod requires a module; DevstackError when it does not."""
    match = re.search(rf"^(?:require)?\s*{re.escape(module)} v(\S+)", go_mod, re.MULTILINE)
    if match is None:
        raise DevstackError(f"go.mod does not require {module}: restore devstack/servers from the repository.")
    return match.group(1)


_KUBE_VERSION = "k8s.io/component-base/version"

KUBE = Recipe(
    name="kube",
    module="k8s.io/kubernetes",
    packages={
        name: f"k8s.io/kubernetes/cmd/{name}" for name in ("kube-apiserver", "kube-controller-manager", "kubectl")
    },
    # Without these the server reports v0.0.0-master.
    ldflags=f"-X {_KUBE_VERSION}.gitVersion=v{{version}} -X {_KUBE_VERSION}.gitMajor={{major}} "
    f"-X {_KUBE_VERSION}.gitMinor={{minor}}",
)
ETCD = Recipe(name="etcd", module="go.etcd.io/etcd/server/v3", packages={"etcd": "."})
INFLUXD = Recipe(
    name="influxd",
    module="github.com/influxdata/influxdb/v2",
    packages={"influxd": "github.com/influxdata/influxdb/v2/cmd/influxd"},
    ldflags="-X main.version=v{version}",
    tags="sqlite_foreign_keys,sqlite_json",
    libflux=True,
)

RECIPES = (ETCD, KUBE, INFLUXD)
"""In the order in which they are built: the quick one first, so that a broken setup shows at once."""

KSTATUS = Recipe(name="kstatus", module="sigs.k8s.io/cli-utils", packages={"kstatus": "."})
FLUX = Recipe(
    name="flux",
    module="github.com/fluxcd/kustomize-controller",
    packages={"kustomize-controller": "github.com/fluxcd/kustomize-controller"},
    files={"kustomizations.yaml": "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml"},
)

TOOLS = (KSTATUS, FLUX)
"""What no stack needs and some tests do: built when one of these is about to run."""
