"""Which slots of a task to run again, and when: failed ones by ``retry``, missed ones by ``catchUp``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from influxops.core.observed import RUNS_KEPT
from influxops.core.schedule import Schedule
from influxops.core.slot_book import CONFIRM, SlotBook, SlotFacts

GRACE = timedelta(seconds=90)
"""After its start, until a slot without a run counts as missed. It covers clocks that differ, and a full queue. A newer
slot that has run by the schedule proves it sooner."""
UNDER_WAY = timedelta(seconds=5)
"""The same for a slot before one that has run."""
FORGETS = RUNS_KEPT - timedelta(hours=1)
"""Whether an older slot ran cannot be known, so it is left alone."""
LONGEST = timedelta(hours=6)
"""Without ``catchUp``, a slot that has no finished run is waited for so long: it may still fail."""


class CatchUpPolicy(StrEnum):
    """Which missed slots are run."""

    NONE = "None"
    LATEST = "Latest"
    ALL = "All"


class Cause(StrEnum):
    """Why a slot is run; a label of metrics."""

    RETRY = "retry"
    CATCH_UP = "catchup"


@dataclass(frozen=True, slots=True)
class Pauses:
    """Exponential backoff; seconds. ``jitter`` is a part of the pause, by which it is longer or shorter."""

    initial: float = 10.0
    factor: float = 2.0
    longest: float = 600.0
    jitter: float = 0.2

    def after(self, failures: int, seed: str) -> float:
        """Seconds from the end of the ``failures``-th failed run to the next.

        The jitter comes from ``seed`` and the count, so that it is the same after a restart.
        """
        pause = self.longest
        if self.initial * self.factor ** min(failures - 1, 100) < self.longest:
            pause = self.initial * self.factor ** (failures - 1)
        share = int.from_bytes(sha256(f"{seed}/{failures}".encode()).digest()[:4]) / 0xFFFF_FFFF
        return min(self.longest, pause * (1 + self.jitter * (2 * share - 1)))


@dataclass(frozen=True, slots=True)
class Policy:
    """What the spec says. ``retries`` 0: failed slots are left; ``catch_up`` None: nobody looks for missed ones."""

    retries: int = 0
    pauses: Pauses = Pauses()
    catch_up: CatchUpPolicy | None = None
    max_windows: int = 168

    @property
    def wanted(self) -> bool:
        """Whether anybody is to look after slots at all."""
        return bool(self.retries) or self.catch_up is not None


@dataclass(frozen=True, slots=True)
class Rerun:
    """One slot to be run now."""

    slot: datetime
    cause: Cause
    failures: int
    """Runs of it that failed so far."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do for one task at one moment."""

    run: tuple[Rerun, ...] = ()
    """Oldest first; all but for a second look and for the limits."""
    look: tuple[datetime, ...] = ()
    """Slots whose runs are to be looked for first."""
    settled: tuple[datetime, ...] = ()
    missed: tuple[datetime, ...] = ()
    """Slots that InfluxDB missed and that are not run."""
    next_look: datetime | None = None
    """When there may be something to do; None: when a run ends or a slot starts."""


def decide(schedule: Schedule, policy: Policy, book: SlotBook, now: datetime) -> Decision:
    """Sort the open slots. Nothing is changed; ``book.settle`` takes what is settled."""
    offset = timedelta(seconds=schedule.offset)
    settled: list[datetime] = []
    look: list[datetime] = []
    retry: list[Rerun] = []
    absent: list[datetime] = []
    undecided: set[datetime] = set()
    times: list[datetime] = []
    for slot in sorted(book.open):
        facts = book.open[slot]
        start = slot + offset
        if facts.done or start < now - FORGETS or (facts.failed and len(facts.failed) > policy.retries):
            settled.append(slot)
        elif facts.busy_until is not None:
            if facts.busy_until <= now:
                look.append(slot)
            times.append(max(now, facts.busy_until))
        elif facts.failed:
            due = _due(policy.pauses, book.key[0], slot, facts)
            if due > now:
                times.append(due)
            elif facts.quiet_since is None:
                look.append(slot)
            else:
                retry.append(Rerun(slot, Cause.RETRY, len(facts.failed)))
        elif book.given_up is not None and slot <= book.given_up:
            settled.append(slot)
        elif policy.catch_up is None:
            if start < now - LONGEST:
                settled.append(slot)
        elif not _is_due(start, slot, book, now):
            undecided.add(slot)
            times.append(start + GRACE)
        elif facts.quiet_since is None:
            undecided.add(slot)
            look.append(slot)
        else:
            absent.append(slot)
    catch, missed = _catch_up(schedule, policy, absent, undecided)
    times += [max(now, book.open[one.slot].quiet_since or now) + CONFIRM for one in (*retry, *catch)]
    times += [now + CONFIRM] if look else []
    run = sorted((*retry, *catch), key=lambda one: one.slot)
    return Decision(tuple(run), tuple(look), tuple(settled), tuple(missed), min(times, default=None))


def _is_due(start: datetime, slot: datetime, book: SlotBook, now: datetime) -> bool:
    passed = book.newest_native is not None and book.newest_native > slot
    return start + (UNDER_WAY if passed else GRACE) <= now


def _catch_up(
    schedule: Schedule, policy: Policy, absent: list[datetime], undecided: Iterable[datetime]
) -> tuple[list[Rerun], list[datetime]]:
    """Which of the missed slots to run, and which to give up.

    While the slot after them may turn out to be missed too, nothing is given up or run: it might be the newest one.
    """
    if not absent:
        return [], []
    waiting = set(undecided)
    if schedule.slot_after(absent[-1]) in waiting or any(slot < absent[-1] for slot in waiting):
        return [], []
    if policy.catch_up is CatchUpPolicy.NONE:
        return [], absent
    keep = 1 if policy.catch_up is CatchUpPolicy.LATEST else policy.max_windows
    return [Rerun(slot, Cause.CATCH_UP, 0) for slot in absent[-keep:]], absent[:-keep]


def _due(pauses: Pauses, task_id: str, slot: datetime, facts: SlotFacts) -> datetime:
    seconds = pauses.after(len(facts.failed), f"{task_id}/{slot.timestamp():.0f}")
    return (facts.last_end or slot) + timedelta(seconds=seconds)
