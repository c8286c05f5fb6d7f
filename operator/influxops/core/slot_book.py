"""What is known of the slots of one task that are not settled yet.

A slot is settled when it succeeded, or when nothing more will be done for it. Up to ``settled_until`` every slot is; that
moment is kept in status, so that a restart need not look further back. All else is read from InfluxDB again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from influxops.core.observed import UNFINISHED, Run, RunState
from influxops.core.schedule import Schedule

MOST = 2000
"""Slots of one task that are kept at most, the newest; older ones count as settled."""
CONFIRM = timedelta(seconds=2)
"""Between two looks that find the same runs of a slot. A run that has just ended is in neither of InfluxDB's two places
for a moment, so one look alone cannot tell that there is none."""
RECHECK = timedelta(seconds=30)
"""Between two looks at a run that is under way."""
DOUBT = timedelta(seconds=10)
"""A run that was asked for and is not to be found is waited for so long: the request may have been lost, or still be on
its way."""

_SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class SlotFacts:
    """One slot that is not settled."""

    failed: dict[str, datetime] = field(default_factory=dict)
    """Id of each run that failed -> its end."""
    done: bool = False
    """A run of it succeeded, or somebody cancelled one."""
    cause: str = ""
    """Why the last run failed, where that is known."""
    asked_at: datetime | None = None
    """When a run was last asked for that is not known to have ended."""
    busy_until: datetime | None = None
    """While a run waits or is under way: when to look again."""
    quiet_since: datetime | None = None
    """Since when looks have found the same runs, and none under way."""

    @property
    def last_end(self) -> datetime | None:
        """The end of the last run that failed."""
        return max(self.failed.values(), default=None)

    def took(self, run: Run) -> None:
        """Take in a run that is over."""
        if run.state in UNFINISHED:
            return
        if run.state is not RunState.FAILED:
            self.done = True
        elif run.id not in self.failed:
            self.failed[run.id] = run.finished_at or run.started_at or run.scheduled_for
            self.asked_at = self.busy_until = self.quiet_since = None
        if run.error:
            self.cause = run.error

    def looked(self, runs: Iterable[Run], now: datetime) -> None:
        """Take in what a look at all runs of the slot has found."""
        runs = list(runs)
        known = len(self.failed)
        for run in runs:
            self.took(run)
        if any(run.state in UNFINISHED for run in runs):
            self.busy_until, self.quiet_since = now + RECHECK, None
            return
        self.busy_until = None
        if self.asked_at is not None and now - self.asked_at < DOUBT:
            self.busy_until, self.quiet_since = self.asked_at + DOUBT, None
            return
        self.asked_at = None
        if self.quiet_since is None or len(self.failed) != known:
            self.quiet_since = now

    def asked(self, now: datetime) -> None:
        """A run was asked for, or may have been."""
        self.asked_at, self.busy_until, self.quiet_since = now, now + RECHECK, None

    def confirmed(self, now: datetime) -> bool:
        """Whether two looks, far enough apart, have found no run under way."""
        return self.quiet_since is not None and now - self.quiet_since >= CONFIRM


@dataclass(slots=True)
class SlotBook:
    """The open slots of one task."""

    key: tuple[str, str]
    """(task id, schedule) that it is of: with another of either, all begins anew."""
    walked: datetime
    """Every slot up to here is settled or in ``open``."""
    missed: int = 0
    """Slots that InfluxDB missed and that were not run, so far."""
    given_up: datetime | None = None
    """Slots without a run up to here are given up. It stands in status before a newer missed slot is run: after a restart
    they must not be taken for the newest ones."""
    open: dict[datetime, SlotFacts] = field(default_factory=dict)
    newest_native: datetime | None = None
    """The newest slot that InfluxDB is known to have run by its schedule: it never goes back before it."""
    announced: datetime | None = None
    """The newest missed slot of which people were told that it is run."""
    loaded: bool = False
    """Whether the runs since ``walked`` at the beginning were read."""

    def take(self, schedule: Schedule, runs: Iterable[Run]) -> None:
        """Take in finished runs, in any order and however often they come. Times that are no slots are left out."""
        for run in runs:
            slot = run.scheduled_for
            facts = self.open.get(slot)
            if facts is None:
                if slot <= self.walked or schedule.slot_at_or_before(slot) != slot:
                    continue
                facts = self.open[slot] = SlotFacts()
            facts.took(run)
            if run.requested_at is None and (self.newest_native is None or slot > self.newest_native):
                self.newest_native = slot

    def walk(self, schedule: Schedule, last: datetime | None) -> None:
        """Open every slot up to the ``last`` one whose start has come, the newest ``MOST`` of them."""
        slot, count = last, 0
        while slot is not None and slot > self.walked and count < MOST:
            self.open.setdefault(slot, SlotFacts())
            slot, count = schedule.slot_at_or_before(slot - _SECOND), count + 1
        if last is not None and last > self.walked:
            self.walked = last
        for old in sorted(self.open)[: max(0, len(self.open) - MOST)]:
            del self.open[old]

    def settle(self, slots: Iterable[datetime], *, missed: bool = False) -> None:
        """Nothing more is done for these."""
        for slot in slots:
            if self.open.pop(slot, None) is not None and missed:
                self.missed += 1
                self.given_up = max(slot, self.given_up or slot)

    def settled_until(self) -> datetime:
        """The moment up to which every slot is settled: a second before the oldest open one."""
        oldest = min(self.open, default=None)
        return self.walked if oldest is None or oldest > self.walked else oldest - _SECOND

    @property
    def waiting(self) -> int:
        """Slots that failed or were missed, and are run or to be run again."""
        return sum(
            bool(facts.failed) or facts.asked_at is not None or facts.quiet_since is not None
            for facts in self.open.values()
            if not facts.done
        )

    def in_flight(self) -> int:
        """Runs that were asked for and are not known to have ended."""
        return sum(facts.asked_at is not None for facts in self.open.values())
