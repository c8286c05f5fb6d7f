"""The work queue: keyed, de-duplicating, with priorities and delays, after client-go's.

A key is worked by one worker at a time. A key that is added while it is worked comes again when the worker is done.
Adding a key that waits already keeps the earlier time and the higher priority. One timer serves all delays.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

BACKOFF_FIRST = 0.5
BACKOFF_MAX = 60.0
"""Seconds; doubled with every failure in a row, each with up to 20 % of jitter."""


class Priority(IntEnum):
    """Lower goes first: the next step of what is half done, what a person waits for, what failed, what is only looked at."""

    STEP = -1
    """Between two steps a task may be off: it must not wait behind a thousand others that begin."""
    CHANGE = 0
    RETRY = 1
    RESYNC = 2


@dataclass(slots=True)
class _Entry:
    due: float
    priority: Priority
    serial: int


class WorkQueue(Generic[K]):
    """A queue of keys for N workers in one event loop."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._waiting: dict[K, _Entry] = {}
        self._ready: list[tuple[Priority, float, int, K]] = []
        self._delayed: list[tuple[float, int, K]] = []
        self._working: set[K] = set()
        self._again: dict[K, tuple[Priority, float]] = {}
        self._failures: dict[K, int] = {}
        self._serial = 0
        self._wakeup = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        """Keys that wait or are worked."""
        return len(self._waiting) + len(self._working)

    def add(self, key: K, priority: Priority = Priority.CHANGE, after: float = 0.0) -> None:
        """Ask for a visit in ``after`` seconds at the latest."""
        due = self._clock() + after
        if key in self._working:
            old = self._again.get(key)
            self._again[key] = (priority, due) if old is None else (min(old[0], priority), min(old[1], due))
            return
        entry = self._waiting.get(key)
        if entry is not None and entry.due <= due and entry.priority <= priority:
            return
        if entry is not None:
            due, priority = min(entry.due, due), min(entry.priority, priority)
        self._serial += 1
        self._waiting[key] = _Entry(due, priority, self._serial)
        if due <= self._clock():
            heapq.heappush(self._ready, (priority, due, self._serial, key))
        else:
            heapq.heappush(self._delayed, (due, self._serial, key))
        self._wakeup.set()

    async def get(self) -> K | None:
        """The next key, or None when the queue is closed. The caller must call ``done`` for it."""
        while not self._closed:
            self._promote()
            while self._ready:
                _, _, serial, key = heapq.heappop(self._ready)
                entry = self._waiting.get(key)
                if entry is None or entry.serial != serial:
                    continue
                del self._waiting[key]
                self._working.add(key)
                if self._ready:
                    self._wakeup.set()
                return key
            self._wakeup.clear()
            await self._sleep()
        self._wakeup.set()  # the next worker is to see it too
        return None

    def done(self, key: K) -> None:
        """The worker is finished with the key."""
        self._working.discard(key)
        again = self._again.pop(key, None)
        if again is not None:
            priority, due = again
            self.add(key, priority, max(0.0, due - self._clock()))

    def backoff(self, key: K) -> float:
        """Count a failure of the key and tell how many seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(BACKOFF_MAX, BACKOFF_FIRST * 2.0 ** min(failures, 16))
        return delay * (1 + 0.2 * self._jitter())

    def forget(self, key: K) -> None:
        """The key succeeded: its next failure starts from the shortest delay."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """The object is gone: no visit any more."""
        self._waiting.pop(key, None)
        self._again.pop(key, None)
        self._failures.pop(key, None)

    def clear(self) -> None:
        """Drop every key that waits, when this process stops leading."""
        self._waiting.clear()
        self._again.clear()
        self._ready.clear()
        self._delayed.clear()
        self._failures.clear()

    def oldest_due_seconds(self) -> float:
        """How long the oldest due key has been waiting for a worker; 0 when none is due."""
        now = self._clock()
        self._promote()
        dues = [due for _, due, serial, key in self._ready if (e := self._waiting.get(key)) and e.serial == serial]
        return max(0.0, now - min(dues)) if dues else 0.0

    def close(self) -> None:
        """Let every worker's ``get`` return None, until ``open``."""
        self._closed = True
        self._wakeup.set()

    def open(self) -> None:
        """Give keys again."""
        self._closed = False

    def _promote(self) -> None:
        now = self._clock()
        while self._delayed and self._delayed[0][0] <= now:
            due, serial, key = heapq.heappop(self._delayed)
            entry = self._waiting.get(key)
            if entry is not None and entry.serial == serial:
                heapq.heappush(self._ready, (entry.priority, due, serial, key))

    async def _sleep(self) -> None:
        delay = max(0.0, self._delayed[0][0] - self._clock()) if self._delayed else None
        try:
            async with asyncio.timeout(delay):
                await self._wakeup.wait()
        except TimeoutError:
            return
