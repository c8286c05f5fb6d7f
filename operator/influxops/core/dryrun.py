"""A script that is run for its plan and its cost, and writes nothing.

``to()`` is replaced by a function of the same name and parameters that gives the points out instead. That holds for the name
``to`` alone; a script that can write in any other way is not run at all (:func:`effects`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from influxops.core.flux.facts import ScriptFacts

Node = Mapping[str, Any]

HARMLESS = frozenset(
    {
        "array", "bitwise", "contrib/tomhollingworth/events", "date", "date/boundaries", "dict",
        "experimental", "experimental/aggregate", "experimental/array", "experimental/bitwise", "experimental/date/boundaries",
        "experimental/geo", "experimental/json", "experimental/query", "experimental/record", "experimental/table",
        "generate", "influxdata/influxdb", "influxdata/influxdb/schema",
        "influxdata/influxdb/tasks", "influxdata/influxdb/v1", "interpolate", "join", "json", "math",
        "profiler", "regexp", "runtime", "strings", "system", "timezone", "types",
    }
)  # fmt: skip
"""Packages of Flux 0.196 in which nothing writes but ``to`` and ``wideTo`` of the two in ``_WRITING``, and nothing reaches
another system. What is not listed here counts as if it did."""

_WRITING = frozenset({"experimental", "influxdata/influxdb"})
_WRITERS = frozenset({"to", "wideTo"})
_PRELUDE_WRITER = "wideTo"

IMPORTS = 'import influxopsProfiler "profiler"\nimport influxopsSystem "system"\n'
STATEMENTS = (
    'option influxopsProfiler.enabledProfilers = ["query"]\n'
    'to = (tables=<-, bucket="", bucketID="", org="", orgID="", host="", token="", timeColumn="_time", '
    'measurementColumn="_measurement", tagColumns=[], fieldFn=(r) => ({})) => '
    # Each result needs a name of its own, and to() may stand in a function that is called several times.
    'tables |> yield(name: "influxops" + string(v: uint(v: influxopsSystem.time())))\n'
)
"""What is put into the script. ``yield`` is run where ``to`` would be, also where its result is only assigned."""


def harmless(script: str, facts: ScriptFacts) -> str:
    """The script without its writes, for one whose ``effects`` are none."""
    at, cut = facts.imports_at, facts.cut
    before = script[:at] + ("\n" if at else "") + IMPORTS
    return before + script[at:cut] + ("\n" if cut else "") + STATEMENTS + script[cut:]


def effects(tree: Node, facts: ScriptFacts) -> list[str]:
    """Why a script cannot be run without its effects, for people; empty when it can. ``tree`` is that of its file."""
    found = [
        f"it imports {path}, which may write or reach another system" for path in facts.imports if path not in HARMLESS
    ]
    if "profiler" in facts.imports:
        found.append("it imports profiler, which this command sets itself; remove it")
    if "to" in facts.defined:
        found.append("it defines a function to() of its own")
    aliases = dict(_aliases(tree))
    writing = {name for name, path in aliases.items() if path in _WRITING}
    for node in _nodes(tree):
        if node.get("type") != "MemberExpression":
            continue
        owner = str((node.get("object") or {}).get("name", ""))
        key = node.get("property") or {}
        member = str(key.get("name", key.get("value", "")))
        if owner in writing and member in _WRITERS:
            found.append(f"it calls {aliases[owner]}'s {member}(); write {member}() without the package" if member == "to" else f"it calls {aliases[owner]}'s {member}()")  # fmt: skip
    if _PRELUDE_WRITER in set(_bare(tree)):  # needs no import, as to() needs none
        found.append(f"it uses {_PRELUDE_WRITER}(), which writes")
    found += [
        f"it hands on the package {aliases[name]}, which can write" for name in sorted(writing & set(_bare(tree)))
    ]
    return list(dict.fromkeys(found))


def _aliases(tree: Node) -> Iterator[tuple[str, str]]:
    for node in tree.get("imports") or []:
        path = str((node.get("path") or {}).get("value", ""))
        yield str((node.get("as") or {}).get("name") or path.rsplit("/", 1)[-1]), path


def _bare(tree: Node) -> Iterator[str]:
    """Names that are used as values, and not to take a member of them."""
    stack: list[Any] = [tree.get("body") or []]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, Mapping):
            kind = node.get("type")
            if kind == "Identifier":
                yield str(node.get("name", ""))
            elif kind == "MemberExpression":
                owner = node.get("object") or {}
                if owner.get("type") != "Identifier":
                    stack.append(owner)
            elif kind == "Property":
                # {a: x} holds x, {a} holds a
                stack.append(node.get("value") or node.get("key"))
            else:
                stack += [value for name, value in node.items() if name not in {"location", "id"}]


def _nodes(root: Node) -> Iterator[Node]:
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack += node
        elif isinstance(node, Mapping):
            yield node
            stack += [value for name, value in node.items() if name != "location"]


def calls(tree: Node, name: str) -> bool:
    """Whether a script calls a function of this name."""
    return any(
        node.get("type") == "CallExpression" and (node.get("callee") or {}).get("name") == name for node in _nodes(tree)
    )
