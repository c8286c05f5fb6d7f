"""Changes of windows that are older than ``lateness.allowed``: told, never run.

The count of an old range costs what its points cost to read, however it is cut, so it is looked at seldom and at a
bounded length; cut into spans of a day instead of windows, it is a row a day for each series. A span is compared with the
sum of what the runs of its windows read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from influxops.core.pipeline.agenda.late import DAY, seconds
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window


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
    joined: list[Span] = []
    for record in sorted(records, key=lambda record: record.window):
        window, count = record.window, record.source_count
        if record.state is not WindowState.SUCCESS or count is None:
            continue
        last = joined[-1] if joined else None
        if last and window.start < last.window.stop:
            continue
        if last and window.start == last.window.stop and _cell(window, length) == _cell(last.window, length):
            joined[-1] = Span(Window(last.window.start, window.stop), last.was + count, last.windows + 1)
        else:
            joined.append(Span(window, count, 1))
    return joined


def too_late(
    found: Iterable[Span], counts: Mapping[Window, int], expires_before: datetime | None = None
) -> list[TooLate]:
    """The spans that have another number of points now than their runs read. Those that start before ``expires_before``
    may have lost some by age, so there only more are told. ``counts`` by ``late.counts_of`` of the spans' windows; spans
    that it lacks are left out.
    """
    return [
        TooLate(span, now)
        for span in found
        if (now := counts.get(span.window)) is not None
        and (now > span.was or (now < span.was and not _fading(span, expires_before)))
    ]


def _cell(window: Window, length: int) -> int:
    return seconds(window.start) // length


def _fading(span: Span, expires_before: datetime | None) -> bool:
    return expires_before is not None and span.window.start < expires_before
