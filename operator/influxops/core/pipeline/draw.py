"""A graph of stages as text for a terminal, as Mermaid and as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from influxops.core.pipeline.graph import Graph


@dataclass(frozen=True, slots=True)
class Shown:
    """What a drawing says of a stage."""

    word: str
    """A state (``SUCCESS``) or any other word; known states have a colour."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Windows by word, such as ``{"SUCCESS": 120, "FAILED": 1}``; zeros are left out of drawings."""
    note: str = ""
    """A few words more, such as ``every 1h``."""


def mermaid(graph: Graph, states: Mapping[str, Shown] | None = None) -> str:
    """A Mermaid flowchart, as GitHub and many wikis draw it."""
    raise NotImplementedError


def svg(graph: Graph, states: Mapping[str, Shown] | None = None, title: str = "Stages") -> str:
    """One self-contained SVG element, readable on light and dark ground; states by colour and by word."""
    raise NotImplementedError


def text(graph: Graph, states: Mapping[str, Shown] | None = None) -> str:
    """Boxes and arrows of Unicode, from top to bottom, for a terminal with a fixed-width font."""
    raise NotImplementedError
