"""When finished runs are looked for between two sweeps, so that a status is not late by a whole interval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from influxops.core.observed import TaskRecord
from influxops.core.schedule import of_texts
from influxops.reconcile.state import TaskState

SETTLE = timedelta(seconds=3)
"""From the start of a run to the look: InfluxDB takes about a second to start it, and most end in the next."""
AGAIN = timedelta(seconds=5)
"""Until the next look while a run is still missing; also the least time between two looks."""
FOLLOW = timedelta(seconds=30)
"""A run that has not ended so long after its start is left to the sweeps."""
RARE = 30
"""Seconds. Tasks that run more often than this are left to the sweeps: looking after them would never end."""


@dataclass(frozen=True, slots=True)
class _Times:
    """What a schedule comes to at one moment."""

    due: datetime | None = None
    """The latest slot that should have started."""
    next_start: datetime | None = None
    often: bool = True


class Dues:
    """The slots of many tasks at one moment. Thousands of tasks share a few schedules, so each is worked out once."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._times: dict[tuple[str, str, str], _Times] = {}
        self._open: list[tuple[TaskState, TaskRecord]] = []

    def open_slot(self, state: TaskState, record: TaskRecord) -> datetime | None:
        """The first slot whose run should have started and is not known to have ended."""
        texts = record.every, record.cron, record.offset
        due = self._of(texts).due
        if due is None or due <= record.updated_at:
            return None
        last = state.runs.last
        if last is not None and last.scheduled_for >= due:
            return None
        self._open.append((state, record))
        if last is None:
            return due
        schedule = of_texts(*texts)
        return None if schedule is None else schedule.slot_after(last.scheduled_for)

    def next_look(self) -> datetime | None:
        """When a look is worth its query; None when the sweeps are enough. For the tasks that were asked about."""
        looks = [times.next_start + SETTLE for times in self._times.values() if times.next_start and not times.often]
        if any(self._awaited(state, record) for state, record in self._open):
            looks.append(self._now + AGAIN)
        return min(looks, default=None)

    def _awaited(self, state: TaskState, record: TaskRecord) -> bool:
        """Whether the latest run should have started a moment ago, and is still not known to have ended."""
        times = self._of((record.every, record.cron, record.offset))
        schedule = of_texts(record.every, record.cron, record.offset)
        if times.often or times.due is None or schedule is None:
            return False
        last = state.runs.last
        ended = last is not None and last.scheduled_for >= times.due
        return not ended and self._now - times.due - timedelta(seconds=schedule.offset) <= FOLLOW

    def _of(self, texts: tuple[str, str, str]) -> _Times:
        known = self._times.get(texts)
        if known is None:
            known = self._times[texts] = self._work_out(texts)
        return known

    def _work_out(self, texts: tuple[str, str, str]) -> _Times:
        schedule = of_texts(*texts)
        if schedule is None:
            return _Times()
        often = 0 < (schedule.every or 0) < RARE
        return _Times(schedule.overdue_slot(self._now, 0), schedule.next_run(self._now), often)
