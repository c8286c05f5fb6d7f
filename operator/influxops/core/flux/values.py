"""What a script uses as values, and which names its functions' parameters hide there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]


def values(body: list[Node]) -> Iterator[tuple[Node, frozenset[str]]]:
    """Every identifier and member expression that stands for a value, callees included, with the names that are parameters there.

    A member expression comes before the object that it is of. Without recursion: scripts may nest deeper than Python likes.
    """
    stack: list[tuple[Any, frozenset[str]]] = [(body, frozenset())]
    while stack:
        node, hidden = stack.pop()
        if type(node) is list:
            stack.extend((item, hidden) for item in node)
        if type(node) is not dict:
            continue
        parts = [value for key, value in node.items() if key not in {"location", "id"}]
        match node.get("type"):
            case "Identifier":
                yield node, hidden
            case "MemberExpression":
                yield node, hidden
                parts = [node.get("object")]
            case "Property" if node.get("value") is not None:
                parts = [node.get("value")]  # {a: x} holds x, {a} holds a
            case "FunctionExpression":
                params = node.get("params") or []
                stack.extend((param.get("value"), hidden) for param in params)
                hidden |= {name_of(param.get("key") or {}) for param in params}
                parts = [node.get("body")]
        stack.extend((part, hidden) for part in parts)


def name_of(key: Node) -> str:
    """The name of a property or parameter: an identifier or a string."""
    return str(key.get("name", key.get("value", "")))
