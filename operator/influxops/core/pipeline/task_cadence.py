"""The windows of an InfluxTask: what the runs of its schedule cover."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from influxops.core.durations import Duration
from influxops.core.pipeline.window import Window
from influxops.core.schedule import Schedule


class Windows(Protocol):
    """What a stage needs of its cadence: ``Cadence`` and ``SlotCadence`` both have it. Meanings as in ``Cadence``."""

    def latest(self, moment: datetime) -> Window | None:
        """The last window whose stop is not after ``moment``."""

    def following(self, window: Window) -> Window:
        """The window with the first stop after that of ``window``."""

    def stopping_at(self, stop: datetime) -> Window | None:
        """The window with exactly this stop."""

    def between(self, start: datetime, stop: datetime) -> Iterator[Window]:
        """Windows whose stop lies in ``(start, stop]``, oldest first."""

    def count_between(self, start: datetime, stop: datetime) -> int:
        """How many ``between`` gives."""


class TaskCadenceFault(ValueError):
    """The task has no windows that a backfill could run; the message says what to write."""


@dataclass(frozen=True, slots=True)
class SlotCadence:
    """Windows of the slots of a schedule: stop = the slot rounded down to ``align``, start = stop - period - lookback."""

    schedule: Schedule
    period: Duration
    align: Duration
    lookback: Duration


def task_cadence(
    schedule: Schedule, period: Duration | None, align: Duration | None, lookback: Duration | None
) -> SlotCadence:
    """The windows of a task from its schedule and ``spec.window``, whose absent words are filled as InfluxTask does.

    Raises TaskCadenceFault when slots and windows are not one to one: two slots that round down to one stop.
    """
    raise NotImplementedError
