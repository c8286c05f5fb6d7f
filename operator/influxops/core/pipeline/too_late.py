"""Changes of windows that are older than ``lateness.allowed``: told, never run.

The count of an old range costs what its points cost to read, however it is cut, so it is looked at seldom and at a
bounded length; cut into spans of a day instead of windows, it is a row a day for each series. A span is compared with the
sum of what the runs of its windows read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.window import Window

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Span:
    """Adjoining windows of a stage as one."""

    window: Window
    """From the start of the first to the stop of the last."""
    was: int
    """Points that their runs read."""
    windows: int
    """How many there are."""


@dataclass(frozen=True, slots=True)
class TooLate:
    """A span whose source has another count than when its windows ran."""

    span: Span
    now: int


def spans(records: Iterable[WindowRecord], length: int = DAY) -> list[Span]:
    """Adjoining windows of one stage joined, oldest first, within cells of ``length`` seconds from 1970-01-01T00:00Z (a
    window belongs to the cell in which it starts). Of windows that overlap (sliding), those that follow each other
    without overlap. Left out: records that are no SUCCESS or carry no ``source_count``.
    """
    raise NotImplementedError


def too_late(found: Iterable[Span], counts: Mapping[Window, int]) -> list[TooLate]:
    """The spans with more points now than their runs read (fewer are what retention and deletes leave). ``counts`` by
    ``late.counts_of`` of the spans' windows; spans that it lacks are left out.
    """
    raise NotImplementedError
