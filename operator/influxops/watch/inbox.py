"""The way of events from the thread of kopf to the event loop of the operator, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from influxops.core.keys import Key
from influxops.core.record import Record

BATCH = 200
"""Events delivered before the loop gets its turn: about 2 ms of work."""


class Sink(Protocol):
    """Who is told of objects. Both are called on the operator's own event loop and must not raise."""

    def upsert(self, record: Record) -> None:
        """An object is there, in this state; told again whenever it changes, and sometimes when it did not."""
        ...

    def remove(self, key: Key, uid: str) -> None:
        """The object of this uid is gone."""
        ...


Event = Record | tuple[Key, str]
"""A record, or key and uid of an object that is gone."""


class Inbox:
    """Events put in by any thread come out on one loop, one wake-up for many.

    Args:
        loop: the loop that ``deliver`` is called on.
        deliver: takes one event; must not raise.

    """

    def __init__(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[Event], None]) -> None:
        self._loop = loop
        self._deliver = deliver
        self._events: deque[Event] = deque()
        self._woken = False

    def put(self, event: Event) -> None:
        """From any thread. After the loop is closed, events are dropped."""
        self._events.append(event)
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:
                self._events.clear()

    def _drain(self) -> None:
        # First the flag, then the events: what is put in between wakes the loop once too often, never too rarely.
        self._woken = False
        for _ in range(BATCH):
            try:
                event = self._events.popleft()
            except IndexError:
                return
            self._deliver(event)
        self._woken = True
        self._loop.call_soon(self._drain)
