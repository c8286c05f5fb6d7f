"""What a drawing says of a stage, and the colours of its words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from influxops.core.pipeline.record import WindowState


class Colour(NamedTuple):
    """Of a box, on light ground and on dark ground: ink on fill has a contrast of 7 or more in both."""

    fill: str
    line: str
    ink: str
    dark_fill: str
    dark_line: str
    dark_ink: str


OTHER = "OTHER"
"""The colour of stages whose word is no state, or who have none."""

COLOURS: Mapping[str, Colour] = {
    WindowState.PENDING.value: Colour("#f6f8fa", "#6e7781", "#24292f", "#21262d", "#8b949e", "#e6edf3"),
    WindowState.READY.value: Colour("#ddf4ff", "#0969da", "#0a3069", "#0c2d6b", "#58a6ff", "#cae8ff"),
    WindowState.RUNNING.value: Colour("#fff8c5", "#9a6700", "#4d2d00", "#3b2300", "#d29922", "#f8e3a1"),
    WindowState.SUCCESS.value: Colour("#dafbe1", "#1a7f37", "#003d16", "#04260f", "#3fb950", "#aff5b4"),
    WindowState.FAILED.value: Colour("#ffebe9", "#cf222e", "#660018", "#490202", "#f85149", "#ffdcd7"),
    OTHER: Colour("#ffffff", "#6e7781", "#24292f", "#161b22", "#8b949e", "#e6edf3"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a drawing says of a stage."""

    word: str = ""
    """A state (``SUCCESS``), which has a colour, or any other word."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Windows by word, such as ``{"SUCCESS": 120, "FAILED": 1}``; zeros are not drawn."""
    note: str = ""
    """A few words more, such as ``every 1h``."""


def lines_of(shown: Shown | None) -> list[str]:
    """The lines below the name: note, word, counts; those that are empty are left out."""
    if shown is None:
        return []
    counts = ", ".join(f"{word} {count}" for word, count in shown.counts.items() if count)
    return [line for line in (shown.note, shown.word, counts) if line]
