"""A tree of names, drawn with lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Node:
    """One line of a tree."""

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    """What is told of it, by the name of the column or field."""
    children: list[Node] = field(default_factory=list)


def lines(roots: Sequence[Node]) -> Iterator[tuple[str, Node]]:
    """Each node with its name behind the branches that lead to it, from top to bottom."""
    for root in roots:
        yield root.name, root
        yield from _below(root, "")


def _below(node: Node, indent: str) -> Iterator[tuple[str, Node]]:
    for number, child in enumerate(node.children, start=1):
        last = number == len(node.children)
        yield f"{indent}{'└─' if last else '├─'} {child.name}", child
        yield from _below(child, indent + ("   " if last else "│  "))
