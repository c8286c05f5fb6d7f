"""The shape of a script: its text without the contents of its plain strings.

Thousands of tasks are often one script with other buckets, measurements and names. Scripts of one shape have the same
syntax tree but for those strings, so the server need parse only one of them. Nothing is believed of the text alone: a
shape is used only when each string that was taken out of the script stands in the server's own tree, at its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from influxops.core.flux.facts import Node, Places, ScriptFacts, facts_of, nodes_of

MAX_LENGTH = 1 << 14
"""Longer scripts have no shape: they are seldom alike."""

_MARK = "\ue000"
"""Stands for a string, with its number behind it in facts. From the private use area of Unicode; a script that has it has no shape."""

_NUMBERED = re.compile(rf"{_MARK}(\d+)")

_TOKEN = re.compile(
    r"""
    (?P<skip>  \s+ | //[^\n]*         )
  | (?P<text>  "(?:[^"\\]|\\.)*"      )
  | (?P<word>  [^\W\d]\w*             )
  | (?P<other> .                      )
    """,
    re.VERBOSE | re.DOTALL,
)
_UNSURE = frozenset({"/", '"', "@"})
"""Tokens of one character behind which quotes may mean something else: a regular expression, a string that does not end,
an attribute.
"""
_PLAIN = re.compile(r'"[^"\\$\x00-\x1f\x7f]*"')
"""A string without escapes, interpolation and control characters."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The text with a mark for each string that was taken out, and those strings in their order."""

    text: str
    strings: tuple[str, ...]
    places: tuple[int, ...]
    """Where each began in the script, its quote included: offsets in characters."""


def shape_of(script: str) -> Shape | None:
    """The shape of a script; None when its strings cannot be told for certain without a parser.

    What a slash begins that is no comment may be a regular expression, in which quotes mean nothing. Paths of imports,
    keys of records and what stands in brackets stay in the text, for they are structure.
    """
    if len(script) > MAX_LENGTH or _MARK in script:
        return None
    parts: list[str] = []
    strings: list[str] = []
    places: list[int] = []
    words = ("", "")
    held: tuple[int, int] | None = None
    """A plain string of which it is still to be seen what follows."""
    for token in _TOKEN.finditer(script):
        text, kind = token[0], token.lastgroup
        if kind == "skip":
            parts.append(text)
            continue
        if text in _UNSURE or (kind == "text" and "${" in text):
            return None
        if held is not None and text not in ":]":
            part, place = held
            strings.append(parts[part][1:-1])
            places.append(place)
            parts[part] = _MARK
        held = None
        if kind == "text" and "import" not in words and _PLAIN.fullmatch(text):
            held = (len(parts), token.start())
        parts.append(text)
        words = (words[1], text)
    return Shape("".join(parts), tuple(strings), tuple(places))


def general_facts(script: str, shape: Shape, tree: Node) -> ScriptFacts | None:
    """The facts of all scripts of this shape, with marks in place of strings, from the tree of one of them; None when the
    tree does not bear the shape out.
    """
    found = Places(script)
    nodes = nodes_of(tree)
    if any(_MARK in str(node.get("value", "")) for node in nodes):
        return None  # written with escapes, and not to be told from ours
    literals = [node for node in nodes if node.get("type") == "StringLiteral"]
    at = {found.start(node): node for node in literals if "location" in node}
    values: dict[int, str] = {}
    for number, (place, string) in enumerate(zip(shape.places, shape.strings, strict=True)):
        node = at.get(place)
        if node is None or node.get("value") != string:
            return None
        values[id(node)] = f"{_MARK}{number}"
    facts = facts_of(script, _marked(tree, values))
    return facts if all(place >= facts.cut for place in shape.places) else None


def facts_with(general: ScriptFacts, strings: tuple[str, ...]) -> ScriptFacts:
    """The facts of the one script of a shape that has these strings."""

    def own(text: str) -> str:
        return _NUMBERED.sub(lambda match: strings[int(match[1])], text)

    task = general.task
    return replace(
        general,
        reads=frozenset(map(own, general.reads)),
        writes=frozenset(map(own, general.writes)),
        task=task
        and replace(task, name=own(task.name), every=own(task.every), cron=own(task.cron), offset=own(task.offset)),
    )


def _marked(tree: Node, values: Mapping[int, str]) -> Node:
    """A copy of the tree with other values in the nodes of these identities; without recursion, as scripts may nest deeply."""
    copy = dict(tree)
    stack: list[Any] = [copy]
    while stack:
        part = stack.pop()
        for key, inner in list(part.items() if type(part) is dict else enumerate(part)):
            if type(inner) is dict:
                part[key] = {**inner, "value": values[id(inner)]} if id(inner) in values else dict(inner)
                stack.append(part[key])
            elif type(inner) is list:
                part[key] = list(inner)
                stack.append(part[key])
    return copy
