"""Which files are judged: manifests, and scripts in .flux files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from influxops.core.lint.catalogue import RULES
from influxops.preview.item import Fault
from influxops.preview.manifests import STDIN, SUFFIXES, Manifests, is_folder, read_manifests
from influxops.validate.sources import Source

FLUX = ".flux"
_OURS = b"influxops.dev/"


def read_files(paths: Iterable[str], namespace: str) -> tuple[Manifests, list[Source], int]:
    """Read files, folders (with all below them) and ``-``; the manifests, the scripts, and the number of files.

    A file that speaks of nothing of ours is passed over, whatever is in it: folders hold Helm values and the like.
    """
    manifests: list[str] = []
    scripts: list[Path] = []
    faults: list[Fault] = []
    for given in paths:
        path = Path(given)
        if given != STDIN and is_folder(path):
            below = sorted(file for file in path.rglob("*") if file.is_file() and ".git" not in file.parts)
            mine = [str(file) for file in below if file.suffix in SUFFIXES]
            flux = [file for file in below if file.suffix == FLUX]
            manifests += mine
            scripts += flux
            if not mine and not flux:
                faults.append(Fault(given, "the folder holds no .yaml, .yml, .json or .flux file"))
        elif path.suffix == FLUX:
            scripts.append(path)
        else:
            manifests.append(given if given == STDIN else str(path))
    found = read_manifests(_once(manifests), namespace)
    found.faults = faults + [fault for fault in found.faults if not _foreign(fault, manifests)]
    sources = []
    for path in map(Path, _once(str(path) for path in scripts)):
        try:
            text = path.read_text(encoding="utf-8")
            if text.startswith("\ufeff"):
                message = "begins with a byte order mark, which InfluxDB refuses: save it as UTF-8 without one"
                found.faults.append(Fault(str(path), message))
            sources.append(Source(text.removeprefix("\ufeff"), str(path)))
        except OSError as error:
            found.faults.append(Fault(str(path), f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError:
            found.faults.append(Fault(str(path), "is no UTF-8 text"))
    return found, sources, len(set(manifests)) + len(set(scripts))


def _once(files: Iterable[str]) -> list[str]:
    """Each file once, however it is spelled."""
    return list({file if file == STDIN else os.path.realpath(file): file for file in files}.values())


def _foreign(fault: Fault, files: Iterable[str]) -> bool:
    """Whether a fault is of a file that speaks of nothing of ours."""
    file = next((name for name in files if fault.place == name or fault.place.startswith(f"{name}:")), None)
    if file is None or file == STDIN or fault.message == "is no UTF-8 text":
        return False
    try:
        return Path(file).stem == "kustomization" or _OURS not in Path(file).read_bytes()
    except OSError:
        return False


def rules_text() -> str:
    """All lints, one a line."""
    width = max(len(rule.name) for rule in RULES)
    return "".join(f"{rule.name:{width}}  {rule.severity:7}  {rule.summary}\n" for rule in RULES)
