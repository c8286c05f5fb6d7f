"""When InfluxDB runs a task: its slots, as the server's scheduler computes them.

A slot is the time that ``now()`` shows in the run (``scheduledFor``); the run starts ``offset`` later. The slots of
``every`` are multiples of it counted from the year 1, as Go's ``Time.Truncate`` counts (task/backend/scheduler in
influxdb 2.7); cron is UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from influxops.core.cron import Cron, parse
from influxops.core.durations import parse_duration

_GO_ZERO = 62_135_596_800
"""Seconds from 0001-01-01 to 1970-01-01, the zero point of Go's Truncate."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one of ``every`` (seconds) and ``cron``; ``offset`` in seconds, may be negative."""

    every: int | None
    cron: Cron | None
    offset: int = 0

    def slot_at_or_before(self, moment: datetime) -> datetime | None:
        """The latest slot that is not after ``moment``; None when there is none in reach."""
        if self.every:
            seconds = int(moment.timestamp()) + _GO_ZERO
            return datetime.fromtimestamp(seconds - seconds % self.every - _GO_ZERO, UTC)
        return self.cron.prev_at_or_before(moment) if self.cron else None

    def slot_after(self, moment: datetime) -> datetime | None:
        """The first slot after ``moment``; None when there is none in reach."""
        if self.every:
            seconds = int(moment.timestamp()) + _GO_ZERO
            return datetime.fromtimestamp(seconds - seconds % self.every + self.every - _GO_ZERO, UTC)
        return self.cron.next_after(moment) if self.cron else None

    def shortest_gap(self) -> int:
        """Least seconds between two slots; for cron over its next hundred slots from a fixed day."""
        if self.every or self.cron is None:
            return self.every or 0
        moment, gaps = datetime(2024, 1, 1, tzinfo=UTC), []
        for _ in range(100):
            slot = self.cron.next_after(moment)
            if slot is None:
                break
            gaps.append(int((slot - moment).total_seconds()))
            moment = slot
        return min(gaps[1:], default=366 * 86400)

    def next_run(self, now: datetime) -> datetime | None:
        """When the next run starts: the first slot whose start (slot plus offset) is after ``now``."""
        offset = timedelta(seconds=self.offset)
        slot = self.slot_after(now - offset)
        return None if slot is None else slot + offset

    def overdue_slot(self, now: datetime, grace: int) -> datetime | None:
        """The latest slot that should have succeeded by ``now``, given ``grace`` seconds after its start."""
        return self.slot_at_or_before(now - timedelta(seconds=self.offset + grace))


@lru_cache(maxsize=4096)
def of_texts(every: str, cron: str, offset: str) -> Schedule | None:
    """The schedule of a stored task, from the texts that the API shows; None when it cannot be understood."""
    try:
        shift = parse_duration(offset).seconds if offset else 0
        if cron:
            return Schedule(None, parse(cron), shift)
        return Schedule(parse_duration(every).seconds, None, shift) if every else None
    except ValueError:
        return None


def of_text(text: str) -> Schedule | None:
    """The schedule of a text such as ``1h +10m`` or ``0 3 * * *``, as ``.status.schedule`` has it; None for any other text."""
    when, _, last = text.rpartition(" ")
    offset = last.removeprefix("+") if when and last[:1] in {"+", "-"} else ""
    if not offset:
        when = text
    cron = " " in when or when.startswith("@")
    return of_texts("" if cron else when, when if cron else "", offset)
