"""Which status is written next, and when. Pure: time comes in as an argument, in monotonic seconds.

Ten thousand tasks may end in the same minute. A change of outcome goes first, in the order of its coming. A routine
update (one more run of the same outcome) is written at most once in an interval for an object, the longest waiting first, and
always with the newest content. All of it keeps to one rate.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from influxops.core.keys import Key

BACKOFF = (1.0, 60.0)
"""Seconds until a failed write is tried again: the first time, and at most."""


@dataclass(slots=True)
class Pending:
    """A status that waits to be written."""

    key: Key
    uid: str
    status: Mapping[str, Any]
    urgent: bool
    since: float
    """When the oldest update that is not written yet was offered."""
    not_before: float
    attempts: int = 0


class Bucket:
    """A token bucket. Args: tokens a second, and how many may be saved up; it starts full."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at: float | None = None

    def ready_at(self, now: float) -> float:
        """When the next token is there; not later than ``now`` if one is."""
        self._fill(now)
        # A hair less than one token counts as one: sums of fractions never quite reach it.
        return now if self._tokens >= 1 - 1e-9 else now + (1 - self._tokens) / self._rate

    def take(self, now: float) -> bool:
        """Take a token if there is one."""
        if self.ready_at(now) > now:
            return False
        self._tokens -= 1
        return True

    def _fill(self, now: float) -> None:
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now


class Schedule:
    """The queue of the status writer.

    Args:
        rate: writes a second over all objects.
        interval: seconds between two routine updates of one object, at least.

    """

    def __init__(self, rate: float, interval: float) -> None:
        self._interval = interval
        self._bucket = Bucket(rate, burst=max(1.0, rate))
        self._pending: dict[Key, Pending] = {}
        self._written: dict[Key, float] = {}
        # Heaps with lazy deletion: an entry counts only while it is the one that `_pending` would make.
        self._waiting: list[tuple[float, int, Key]] = []
        self._urgent: list[tuple[float, int, Key]] = []
        self._routine: list[tuple[float, int, Key]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, key: Key) -> bool:
        return key in self._pending

    def offer(self, key: Key, uid: str, status: Mapping[str, Any], now: float, *, urgent: bool) -> None:
        """Want a status written; it takes the place of one that waits for the same object."""
        old = self._pending.get(key)
        if old is not None and old.uid != uid:
            old = None
        earliest = now if urgent else max(now, self._written.get(key, float("-inf")) + self._interval)
        if old is None:
            entry = Pending(key, uid, status, urgent, since=now, not_before=earliest)
        else:
            urgent = urgent or old.urgent
            failing = old.attempts > 0
            not_before = old.not_before if failing or not urgent else min(old.not_before, now)
            entry = Pending(key, uid, status, urgent, old.since, not_before, old.attempts)
        self._put(entry)

    def pop(self, now: float) -> Pending | None:
        """Take what is to be written now; None when nothing is due or the rate is used up."""
        self._ripen(now)
        for heap in (self._urgent, self._routine):
            while heap:
                since, _, key = heap[0]
                entry = self._pending.get(key)
                if entry is None or entry.since != since or entry.urgent is not (heap is self._urgent):
                    heapq.heappop(heap)
                    continue
                if not self._bucket.take(now):
                    return None
                heapq.heappop(heap)
                del self._pending[key]
                return entry
        return None

    def next_at(self, now: float) -> float | None:
        """When ``pop`` is worth the next call; None: not before something is offered."""
        self._ripen(now)
        if not self._pending:
            return None
        if self._urgent or self._routine:
            return self._bucket.ready_at(now)
        return max(self._waiting[0][0], self._bucket.ready_at(now)) if self._waiting else None

    def written(self, key: Key, now: float) -> None:
        """A status of this object was written, by whatever path."""
        self._written[key] = now

    def retry(self, entry: Pending, now: float, retry_after: float | None = None) -> None:
        """A write failed and may succeed later; dropped if a newer status waits already."""
        if entry.key in self._pending:
            return
        pause = min(BACKOFF[1], BACKOFF[0] * 2**entry.attempts)
        entry.attempts += 1
        entry.not_before = now + max(pause, retry_after or 0.0)
        self._put(entry)

    def drop(self, key: Key) -> None:
        """What waits for this object is not wanted any more."""
        self._pending.pop(key, None)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._pending.pop(key, None)
        self._written.pop(key, None)

    def clear(self) -> None:
        """Nothing is wanted any more."""
        self._pending.clear()
        self._waiting.clear()
        self._urgent.clear()
        self._routine.clear()

    def oldest(self, now: float) -> float:
        """Seconds that the longest waiting update has waited; 0 when none waits."""
        return max((now - entry.since for entry in self._pending.values()), default=0.0)

    def _put(self, entry: Pending) -> None:
        self._pending[entry.key] = entry
        self._count += 1
        heapq.heappush(self._waiting, (entry.not_before, self._count, entry.key))

    def _ripen(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            ripe, count, key = heapq.heappop(self._waiting)
            entry = self._pending.get(key)
            if entry is not None and entry.not_before == ripe:
                heapq.heappush(self._urgent if entry.urgent else self._routine, (entry.since, count, key))
