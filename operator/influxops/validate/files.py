"""Which files are judged: manifests, and scripts in .flux files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from influxops.core.lint.catalogue import RULES
from influxops.preview.item import Fault
from influxops.preview.manifests import STDIN, SUFFIXES, Manifests, read_manifests
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
        if given != STDIN and path.is_dir():
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
            manifests.append(given)
    found = read_manifests(dict.fromkeys(manifests), namespace)
    found.faults = faults + [fault for fault in found.faults if not _foreign(fault, manifests)]
    sources = []
    for path in dict.fromkeys(scripts):
        try:
            sources.append(Source(path.read_text(encoding="utf-8"), str(path)))
        except OSError as error:
            found.faults.append(Fault(str(path), f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError:
            found.faults.append(Fault(str(path), "is no UTF-8 text"))
    return found, sources, len(set(manifests)) + len(set(scripts))


def _foreign(fault: Fault, files: Iterable[str]) -> bool:
    """Whether a fault is of a file that speaks of nothing of ours."""
    file = next((name for name in files if fault.place == name or fault.place.startswith(f"{name}:")), None)
    try:
        return file is not None and file != STDIN and _OURS not in Path(file).read_bytes()
    except OSError:
        return False


def rules_text() -> str:
    """All lints, one a line."""
    width = max(len(rule.name) for rule in RULES)
    return "".join(f"{rule.name:{width}}  {rule.severity:7}  {rule.summary}\n" for rule in RULES)
