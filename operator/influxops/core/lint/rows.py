"""What a path lets through and what it makes of a row: read from the functions of ``filter``, ``set`` and ``map``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from influxops.core.lint.flow import Call, Function, Node, Value, properties
from influxops.core.lint.script import Script


def kept(script: Script, path: Iterable[Call], column: str) -> frozenset[str] | None:
    """The values of a column that a path lets through or sets; None: any."""
    found: frozenset[str] | None = None
    for call in path:
        if call.name == "set" and script.flows.text(call.arguments.get("key")) == column:
            text = script.flows.text(call.arguments.get("value"))
            found = None if text is None else frozenset({text})
        if call.name == "filter":
            function = call.arguments.get("fn")
            if isinstance(function, Function):
                allowed = compared(function.node.get("body") or {}, column)
                found = allowed if found is None else found if allowed is None else found & allowed
    return found


def compared(node: Node, column: str) -> frozenset[str] | None:
    """The literals that a predicate compares a column, or a parameter, with; None when it lets others through as well."""
    match node.get("type"):
        case "ParenExpression":
            return compared(node.get("expression") or {}, column)
        case "Block":
            last = (node.get("body") or [{}])[-1]
            return compared(last.get("argument") or {}, column)
        case "LogicalExpression":
            left, right = (compared(node.get(side) or {}, column) for side in ("left", "right"))
            if str(node.get("operator")).lower() == "and":
                return right if left is None else left if right is None else left & right
            return None if left is None or right is None else left | right
        case "BinaryExpression" if node.get("operator") == "==":
            sides = [node.get("left") or {}, node.get("right") or {}]
            for one, other in (sides, sides[::-1]):
                key = one.get("property") or (one if one.get("type") == "Identifier" else {})
                if key.get("name", key.get("value")) == column and other.get("type") == "StringLiteral":
                    return frozenset({str(other.get("value", ""))})
    return None


def mentions(node: object, column: str) -> bool:
    """Whether a column of the row stands anywhere in an expression."""
    stack = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack += one
        elif isinstance(one, Mapping):
            key = one.get("property")
            if isinstance(key, Mapping) and key.get("name", key.get("value")) == column:
                return True
            stack += [value for name, value in one.items() if name != "location"]
    return False


def unread(path: Iterable[Call], column: str) -> bool:
    """Whether a filter speaks of a column in a way that tells no values: ``!=``, a regular expression, ``contains``."""
    for call in path:
        if call.name != "filter":
            continue
        function = call.arguments.get("fn")
        if not isinstance(function, Function):
            return True
        body = function.node.get("body") or {}
        if mentions(body, column) and compared(body, column) is None:
            return True
    return False


def record_of(value: Value | None) -> tuple[dict[str, Node], bool] | None:
    """The record that a function of one row gives back, and whether it keeps the row's other columns (``with``).

    None when its form tells too little.
    """
    if not isinstance(value, Function):
        return None
    body = value.node.get("body") or {}
    if body.get("type") == "Block":
        body = (body.get("body") or [{}])[-1].get("argument") or {}
    while body.get("type") == "ParenExpression":
        body = body.get("expression") or {}
    if body.get("type") != "ObjectExpression":
        return None
    return properties(body), bool(body.get("with"))
