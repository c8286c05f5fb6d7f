"""Which windows of a parent stage a child's window needs, and which pairs of cadences can be joined at all."""

from __future__ import annotations

from datetime import UTC, datetime

from influxops.core.pipeline.cadence import Cadence
from influxops.core.pipeline.window import Window

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
"""Where the sample of ``edge_fault`` begins unless the caller knows better."""


def parents_of(child: Cadence, window: Window, parent: Cadence) -> list[Window]:
    """The parent's windows that ``window`` of the child waits for: those whose stop lies in ``(start, stop]`` of it."""
    raise NotImplementedError


def children_of(parent: Cadence, window: Window, child: Cadence) -> list[Window]:
    """The child's windows that wait for ``window`` of the parent: the inverse of ``parents_of``."""
    raise NotImplementedError


def edge_fault(child: Cadence, parent: Cadence, since: datetime = SINCE) -> str:
    """Why the child cannot wait for the parent, with a counterexample and a remedy; empty when it can.

    Both ends of every window of the child must be stops of the parent. Judged over the child's windows of the years after
    ``since`` (a pipeline's ``begin``), so that changes of the clock and ends of months are among them.
    """
    raise NotImplementedError
