"""Manifests from files: each object with its place, and each fault with its own, so that one bad file hides no other."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from influxops.core.keys import VERSION, Kind
from influxops.core.record import canonical
from influxops.preview.item import Fault
from influxops.preview.places import Document

_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where PyYAML was built with it: ten times faster."""


class _Loader(_Base):  # type: ignore[misc,valid-type]
    """Dates stay texts, as kubectl reads them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"
_MOST_NODES = 500_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    kind: str
    namespace: str
    name: str
    body: dict[str, Any]
    document: Document

    @property
    def place(self) -> str:
        """``file:line`` of its beginning."""
        return f"{self.document.file}:{self.document.line}"


@dataclass(slots=True)
class Manifests:
    """Everything that was read."""

    objects: list[Manifest] = field(default_factory=list)
    """Of our kinds."""
    others: list[Manifest] = field(default_factory=list)
    """Secrets, ConfigMaps, Namespaces and what else the files hold."""
    faults: list[Fault] = field(default_factory=list)


def read_manifests(paths: Iterable[str], namespace: str) -> Manifests:
    """Read files, folders (with all below them) and ``-`` for standard input.

    ``namespace`` is that of objects which name none. Faults are collected, never raised.
    """
    found = Manifests()
    seen: dict[tuple[str, str, str], Manifest] = {}
    for name, text in _texts(paths, found.faults):
        for body, document in _documents(name, text, found.faults):
            _take(found, seen, body, document, namespace)
    return found


def _texts(paths: Iterable[str], faults: list[Fault]) -> Iterator[tuple[str, str]]:
    for given in paths:
        if given == STDIN:
            try:
                yield "standard input", sys.stdin.buffer.read().decode("utf-8")
            except UnicodeDecodeError:
                faults.append(Fault("standard input", "is no UTF-8 text"))
            continue
        path = Path(given)
        if is_folder(path):
            files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
            if not files:
                faults.append(Fault(given, "the folder holds no .yaml, .yml or .json file"))
        else:
            files = [path]
        for file in files:
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except OSError as error:
                faults.append(Fault(str(file), f"cannot be read: {error.strerror or error}"))
            except UnicodeDecodeError:
                faults.append(Fault(str(file), "is no UTF-8 text"))


def is_folder(path: Path) -> bool:
    """Whether it is one."""
    try:
        return path.is_dir()
    except OSError:  # a name that is too long; reading it says so
        return False


def _documents(name: str, text: str, faults: list[Fault]) -> Iterator[tuple[Any, Document]]:
    lines = text.split("\n")
    if name.endswith(".json"):
        try:
            body = json.loads(text.removeprefix("\ufeff"))
        except json.JSONDecodeError as error:
            faults.append(Fault(f"{name}:{error.lineno}:{error.colno}", f"is no valid JSON: {error.msg}"))
        except (ValueError, RecursionError) as error:
            faults.append(Fault(name, f"is no valid JSON: {error}"))
        else:
            yield body, Document(name, lines, _json_node(text))
        return
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        faults.append(Fault(name, f"is no valid YAML: {_problem(error, text)}"))
        return
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            line = node.start_mark.line + 1
            if "*" in text and _too_many(node):
                faults.append(
                    Fault(f"{name}:{line}", "its aliases (*) multiply to more than a manifest may hold: write it out")
                )
                continue
            try:
                yield loader.construct_document(node), Document(name, lines, node, line)
            except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
                faults.append(Fault(f"{name}:{line}", f"is no valid YAML: {_problem(error, text)}"))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        faults.append(Fault(place, f"is no valid YAML: {_problem(error, text)}; what follows in this file is not read"))
    except yaml.YAMLError as error:
        faults.append(Fault(name, f"is no valid YAML: {_problem(error, text)}"))
    finally:
        loader.dispose()


def _problem(error: Exception, text: str = "") -> str:
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    helm = "; it holds {{ }}: if it is a Helm template, render it first (helm template … | influxops … -)"
    return problem + (helm if "{{" in text else "")


def _json_node(text: str) -> yaml.Node | None:
    """The places of a JSON file: nearly all JSON is YAML."""
    loader = _Loader(text.removeprefix("\ufeff"))
    try:
        return loader.get_single_node()  # type: ignore[no-any-return]
    except (yaml.YAMLError, RecursionError):
        return None
    finally:
        loader.dispose()


def _too_many(node: yaml.Node) -> bool:
    """Whether aliases multiply a document beyond what any manifest is."""
    count, stack = 0, [node]
    while stack and count <= _MOST_NODES:
        one = stack.pop()
        count += 1
        if isinstance(one, yaml.MappingNode):
            stack += [part for pair in one.value for part in pair]
        elif isinstance(one, yaml.SequenceNode):
            stack += one.value
    return count > _MOST_NODES


def _take(
    found: Manifests, seen: dict[tuple[str, str, str], Manifest], body: Any, document: Document, namespace: str
) -> None:
    if body is None:
        return
    place = f"{document.file}:{document.line}"
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict | None) or "kind" not in body:
        found.faults.append(Fault(place, "is no Kubernetes object: apiVersion, kind and metadata are missing"))
        return
    if isinstance(body.get("items"), list):
        for number, item in enumerate(body["items"]):
            _take(found, seen, item, document.item(number), namespace)
        return
    meta = body.get("metadata") or {}
    kind, name = str(body["kind"]), meta.get("name")
    ours = str(body.get("apiVersion", "")).startswith("influxops.dev/")
    if not isinstance(name, str) or not name:
        if ours:
            what = (
                "has no metadata.name: write one"
                if name in (None, "")
                else "has a metadata.name that is no text: quote it"
            )
            found.faults.append(Fault(place, f"{kind} {what}"))
        return
    if ours:
        try:
            canonical(body)
        except (TypeError, ValueError, RecursionError) as error:
            found.faults.append(Fault(place, f"{kind} {name} holds what JSON cannot: {error}"))
            return
    manifest = Manifest(kind, str(meta.get("namespace") or namespace), name, body, document)
    if not ours:
        found.others.append(manifest)
        return
    if kind not in set(Kind) or body["apiVersion"] != f"influxops.dev/{VERSION}":
        kinds = ", ".join(sorted(Kind))
        found.faults.append(
            Fault(place, f"{body['apiVersion']} {kind} is not known: influxops.dev/{VERSION} has {kinds}")
        )
        return
    key = (kind, manifest.namespace, name)
    if key in seen:
        found.faults.append(
            Fault(place, f"{kind} {manifest.namespace}/{name} is there already, at {seen[key].place}: remove one")
        )
        return
    seen[key] = manifest
    found.objects.append(manifest)
