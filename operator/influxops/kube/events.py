"""Events on our objects: what ``kubectl describe`` shows at its end.

Fire and forget: an Event is worth neither a delay nor an error. What repeats within ten minutes becomes one Event with
a count. The reason of an Event is the reason of the condition it belongs to.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from influxops.core.keys import Key
from influxops.kube.errors import KubeError, NotFound, NotLeader
from influxops.kube.event_series import Aggregator, Happening, Series
from influxops.kube.lease_state import micro_time
from influxops.kube.status_schedule import Bucket

log = logging.getLogger(__name__)

CONTROLLER = "influxops.dev/operator"
"""``reportingController`` of every Event."""

MAX_NOTE = 1024
"""Bytes of a note that the API takes."""

QUEUE = 1000
"""Requests that may wait; more are dropped and counted."""

BURST = 50.0
RATE = 5.0
"""Requests at once, and a second, over all objects."""

WHILE_BUSY = 0.5
"""Seconds until it is looked again whether there is time for good news."""

Type = Literal["Normal", "Warning"]


class EventStore(Protocol):
    """Who can write Events; ``KubeClient`` can."""

    async def create_event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Create."""
        ...

    async def patch_event(self, namespace: str, name: str, patch: Mapping[str, Any]) -> dict[str, Any]:
        """Merge."""
        ...


@dataclass(frozen=True, slots=True)
class _Occurrence:
    series: Series
    at: datetime


class EventRecorder:
    """Records Events.

    Args:
        store: writes them.
        instance: names this process in ``reportingInstance``; default the host name.
        busy: while it says so only warnings are sent; what went well is told afterwards.

    """

    def __init__(
        self, store: EventStore, *, instance: str | None = None, busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._busy = busy
        self.sent = 0
        """Requests that succeeded."""
        self.dropped = 0
        """Requests that were not made, or failed."""
        self._store = store
        self._instance = (instance or socket.gethostname() or "influxops")[:128]
        self._aggregator = Aggregator()
        self._bucket = Bucket(RATE, BURST)
        self._queue: deque[_Occurrence] = deque()
        self._wake = asyncio.Event()

    def record(self, key: Key, uid: str, type_: Type, reason: str, message: str) -> None:
        """Something happened to an object. Never raises, never waits.

        ``reason``: one CamelCase word, that of the condition.
        """
        what = Happening(key, uid, type_, reason, message)
        name = f"{key.name[:200]}.{uuid.uuid4().hex[:16]}"
        series = self._aggregator.occurred(what, name, asyncio.get_running_loop().time())
        if series is None or series.queued:
            return  # counted; told with the next request of the series
        if len(self._queue) >= QUEUE:
            self.dropped += 1
            if type_ != "Warning" or not self._make_room():
                return
        series.queued = True
        self._queue.append(_Occurrence(series, datetime.now(UTC)))
        self._wake.set()

    def _make_room(self) -> bool:
        """Give up the oldest good news for a warning."""
        normal = next((one for one in self._queue if one.series.what.type == "Normal"), None)
        if normal is None:
            return False
        normal.series.queued = False
        self._queue.remove(normal)
        return True

    def warning(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Record what a human should look at."""
        self.record(key, uid, "Warning", reason, message)

    def normal(self, key: Key, uid: str, reason: str, message: str) -> None:
        """Record what went well."""
        self.record(key, uid, "Normal", reason, message)

    async def run(self, stop: asyncio.Event) -> None:
        """Send what waits until ``stop``; then what is left, as far as the rate allows without a pause."""
        loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(stop.wait())
        try:
            while self._queue or not stop.is_set():
                if not self._queue:
                    await self._idle(stopping)
                    continue
                pause = self._bucket.ready_at(loop.time()) - loop.time()
                if pause > 0:
                    if stop.is_set():
                        break
                    await asyncio.wait({stopping}, timeout=pause)
                    continue
                occurrence = self._next(at_end=stop.is_set())
                if occurrence is None:
                    await asyncio.wait({stopping}, timeout=WHILE_BUSY)
                    continue
                self._bucket.take(loop.time())
                await self._send(occurrence)
        finally:
            stopping.cancel()
            self.dropped += len(self._queue)
            self._queue.clear()

    def _next(self, *, at_end: bool) -> _Occurrence | None:
        """The next to send, taken off the queue; None while there are only good news, and no time for them."""
        if at_end or not self._busy():
            return self._queue.popleft()
        urgent = next((one for one in self._queue if one.series.what.type == "Warning"), None)
        if urgent is not None:
            self._queue.remove(urgent)
        return urgent

    async def _idle(self, stopping: asyncio.Task[Any]) -> None:
        self._wake.clear()
        woken = asyncio.create_task(self._wake.wait())
        try:
            await asyncio.wait({stopping, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()

    async def _send(self, occurrence: _Occurrence) -> None:
        series = occurrence.series
        series.queued = False
        count = series.count
        try:
            if series.told == 0:
                await self._store.create_event(self._event(series, count, occurrence.at))
            else:
                patch = {"series": {"count": count, "lastObservedTime": micro_time(datetime.now(UTC))}}
                await self._store.patch_event(series.what.key.namespace, series.name, patch)
        except NotLeader:
            self.dropped += 1
        except NotFound:
            self.dropped += 1
            self._aggregator.lost(series)
        except KubeError as error:
            self.dropped += 1
            log.debug("an event on %s was not written: %s", series.what.key, error)
        else:
            self.sent += 1
            series.told = count

    def _event(self, series: Series, count: int, at: datetime) -> dict[str, Any]:
        what = series.what
        event: dict[str, Any] = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": what.key.namespace, "name": series.name},
            "eventTime": micro_time(at),
            "type": what.type,
            "reason": what.reason,
            "note": clip(what.message, MAX_NOTE),
            "action": "Reconcile",
            "reportingController": CONTROLLER,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": what.key.kind.api_version,
                "kind": what.key.kind.value,
                "namespace": what.key.namespace,
                "name": what.key.name,
                "uid": what.uid,
            },
        }
        if count > 1:
            event["series"] = {"count": count, "lastObservedTime": micro_time(at)}
        return event


def clip(text: str, limit: int) -> str:
    """The text, or as much of its beginning as fits into ``limit`` bytes with a sign that it goes on."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit:
        return raw.decode()
    return raw[: limit - 3].decode("utf-8", "ignore") + "…"
