"""Trees and ages as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from influxops.cli.tree import as_item
from influxops.core.age import age
from influxops.core.tree import Node, lines

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_branches() -> None:
    """Each line shows where it hangs, and the last of each branch ends it."""
    first = Node("b", children=[Node("c"), Node("d", children=[Node("e")])])
    roots = [Node("a", children=[first, Node("f", children=[Node("g")])]), Node("h")]
    assert [text for text, _ in lines(roots)] == [
        "a",
        "├─ b",
        "│  ├─ c",
        "│  └─ d",
        "│     └─ e",
        "└─ f",
        "   └─ g",
        "h",
    ]
    assert [node.name for _, node in lines(roots)] == list("abcdefgh")
    assert list(lines([])) == []


def test_items_hold_the_same() -> None:
    """Without what is empty, and without an age, which is old the moment it is printed."""
    node = Node("x", {"name": "x", "message": "", "age": "3m", "opaque": True}, [Node("y", {"name": "y"})])
    assert as_item(node) == {"name": "x", "opaque": True, "children": [{"name": "y"}]}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    """One unit, rounded down; never negative, whatever the clocks say."""
    assert age(NOW - timedelta(seconds=seconds), NOW) == text
