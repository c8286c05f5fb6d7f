"""Writes status: only when it differs from what stands there, never faster than allowed.

The times of conditions alone are no difference. Two operators that both believe that they lead, each with the second in
which it saw an object become Ready, would overwrite each other for ever.

Two ways in. ``now`` is for the result of a reconcile: it writes at once and raises what goes wrong, for the queue to
repeat. ``later`` is for what runs report: it is merged with what waits for the same object and written in its turn.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from influxops.core.keys import Key
from influxops.core.record import Record, canonical, plain
from influxops.kube.errors import Conflict, KubeError, NotFound, NotLeader, Replaced, Unavailable, Unprocessable
from influxops.kube.status_schedule import Pending, Schedule

log = logging.getLogger(__name__)

PARALLEL = 8
"""Writes of ``later`` under way at a time."""

REFUSED_FOR = 300.0
"""Seconds until a status that the API has refused for its content, or for that of its object, is tried again."""

_TIMES = re.compile(rb'"lastTransitionTime":"[^"]*"')  # within a string its quotes would be escaped


class StatusTarget(Protocol):
    """Who can write a status; ``KubeClient`` can."""

    async def apply_status(
        self, key: Key, uid: str, status: Mapping[str, Any], resource_version: str | None = None
    ) -> dict[str, Any]:
        """Make the status exactly this; the object as it then is."""
        ...


@dataclass(frozen=True, slots=True)
class _Last:
    """What stands in the cluster, as far as we know."""

    uid: str
    digest: bytes
    """Empty when what stands there is not known."""
    version: int


class StatusWriter:
    """Writes each status once.

    Args:
        target: does the writing.
        writes_per_second: of ``later``, over all objects.
        interval: seconds between two routine updates of one object, at least.

    """

    def __init__(self, target: StatusTarget, *, writes_per_second: float = 50.0, interval: float = 30.0) -> None:
        self.writes = 0
        """Statuses written."""
        self.skipped = 0
        """Statuses that stood there already."""
        self.failed = 0
        """Writes that the API refused for good or for now."""
        self.on_written: Callable[[Key, dict[str, Any]], None] | None = None
        """Told of each written object as the API answered it, so that a cache need not wait for the watch."""
        self.may: Callable[[Key], bool] = lambda _: True
        """Whether this process speaks for an object; what waits for one of which it does not is dropped."""
        self.on_lost: Callable[[Key], None] = lambda _: None
        """Told of an object that is gone or was made anew, as a write to it has shown."""
        self._target = target
        self._schedule = Schedule(writes_per_second, interval)
        self._last: dict[Key, _Last] = {}
        self._refused: dict[Key, tuple[str, bytes, float]] = {}
        """Object -> uid, digest and until when: what the API would not have, so that it is not asked again at each sweep."""
        self._locks: dict[Key, tuple[asyncio.Lock, int]] = {}
        self._sent: dict[Key, bytes] = {}
        """Object -> digest of the write that is under way: the watch may tell of it before its answer does."""
        self._turning: dict[Key, Pending] = {}
        """What was taken off the schedule and is about to be written, unless something newer is written before."""
        self._offered = asyncio.Event()

    @property
    def pending(self) -> int:
        """Updates that wait."""
        return len(self._schedule)

    @property
    def oldest_pending_seconds(self) -> float:
        """How long the oldest of them has waited."""
        return self._schedule.oldest(_time())

    def seen(self, record: Record) -> bool:
        """Take note of the status that a watch reports, unless it is older than our last write.

        Tells whether somebody else has written over a status that this process speaks for.
        """
        version = _version(record.resource_version)
        last = self._last.get(record.key)
        if last is not None and last.uid != record.uid:
            last = None
        if last is not None and version <= last.version:
            return False
        digest = b"" if record.mangled else _digest(plain(record.packed_status))
        self._last[record.key] = _Last(record.uid, digest, version)
        if last is None or digest in {last.digest, self._sent.get(record.key)}:
            return False
        return self.may(record.key)

    def rewind(self, record: Record) -> None:
        """Take note of the status that stands there now, although a newer one was known: the cluster was set back."""
        self._forget(record.key)
        self.seen(record)

    def gone(self, key: Key, uid: str) -> None:
        """The object was deleted: what waits for it is dropped."""
        last = self._last.get(key)
        if last is None or last.uid == uid:
            self._forget(key)

    async def let_go(self, keys: Iterable[Key]) -> None:
        """Drop what waits for these objects, and return when none of them is being written."""
        for key in keys:
            if key in self._schedule or key in self._turning or key in self._locks:
                async with self._only(key):
                    self._schedule.drop(key)
                    self._turning.pop(key, None)

    def clear(self) -> None:
        """Drop everything that waits: the lease is lost, the next leader finds out itself."""
        self._schedule.clear()

    async def now(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool:
        """Write at once if it differs; whether it was written. What waits for the object is dropped.

        An object that is gone or was made anew is no error: there is nothing left to report on. Raises ``NotLeader``
        and every other ``KubeError``.
        """
        async with self._only(key):
            self._schedule.drop(key)
            self._turning.pop(key, None)
            try:
                return await self._write(key, uid, status)
            except NotFound:
                self._wait_for_its_end(Pending(key, uid, status, urgent=True, since=_time(), not_before=_time()))
                return False

    def later(self, key: Key, uid: str, status: Mapping[str, Any], *, urgent: bool) -> None:
        """Write in its turn if it then differs. ``urgent``: the outcome changed. The newest content wins."""
        last = self._last.get(key)
        stands = last is not None and (last.uid, last.digest) == (uid, _digest(canonical(status)))
        if stands and key not in self._schedule and key not in self._turning and key not in self._sent:
            self.skipped += 1
            return
        self._schedule.offer(key, uid, status, _time(), urgent=urgent)
        self._offered.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Write what waits, until ``stop``. Raises nothing but cancellation."""
        tasks: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                entry = self._schedule.pop(_time()) if len(tasks) < PARALLEL else None
                if entry is not None:
                    self._turning[entry.key] = entry
                    task = asyncio.create_task(self._turn(entry))
                    tasks.add(task)
                    continue
                await self._rest(stopping, tasks)
                tasks = {task for task in tasks if not task.done()}
        finally:
            stopping.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _rest(self, stopping: asyncio.Task[Any], tasks: set[asyncio.Task[None]]) -> None:
        """Wait until there may be something to write."""
        self._offered.clear()
        offered = asyncio.create_task(self._offered.wait())
        timeout = None
        if len(tasks) < PARALLEL:
            due = self._schedule.next_at(_time())
            timeout = None if due is None else max(0.001, due - _time())
        try:
            await asyncio.wait({stopping, offered, *tasks}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            offered.cancel()

    async def _turn(self, entry: Pending) -> None:
        try:
            async with self._only(entry.key):
                if entry.key in self._schedule or self._turning.pop(entry.key, None) is not entry:
                    return  # a newer status came while this one waited for its turn
                await self._write(entry.key, entry.uid, entry.status)
        except NotLeader:
            self.clear()
        except NotFound:
            self._wait_for_its_end(entry)
        except (Unavailable, Conflict) as error:
            log.debug("the status of %s could not be written, tried again: %s", entry.key, error)
            self._again(entry, getattr(error, "retry_after", None))
        except KubeError as error:
            log.log(
                logging.DEBUG if entry.attempts else logging.ERROR, "the status of %s was refused: %s", entry.key, error
            )
            # Nobody may come by to say it once more, and a right or a CRD may only not be known yet to an API that has just started.
            self._again(entry, REFUSED_FOR if isinstance(error, Unprocessable) else None)
        except Exception:
            log.exception(
                "the status of %s could not be written for a reason that should not be: please report this", entry.key
            )
            self._again(entry, None)

    def _wait_for_its_end(self, entry: Pending) -> None:
        """The API knows no such object: the watch will say so too, or else it is there, and takes the status later."""
        last = self._last.get(entry.key)
        if last is not None and last.uid == entry.uid:
            self._again(entry, None)

    def _again(self, entry: Pending, retry_after: float | None) -> None:
        self._schedule.retry(entry, _time(), retry_after)
        self._offered.set()

    async def _write(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool:
        if not self.may(key):
            return False
        digest = _digest(canonical(status))
        last = self._last.get(key)
        if last is not None and last.uid == uid and last.digest == digest:
            self.skipped += 1
            return False
        refused = self._refused.get(key)
        if refused is not None and refused[:2] == (uid, digest) and _time() < refused[2]:
            return False
        self._sent[key] = digest
        try:
            known = str(last.version) if last is not None and last.uid == uid and last.version else None
            answer = await self._target.apply_status(key, uid, status, known)
        except Replaced as error:
            log.debug("%s is not the object of uid %s any more: %s", key, uid, error)
            self._forget(key)  # the watch tells of the new one
            self.on_lost(key)
            return False
        except KubeError as error:
            if isinstance(error, NotFound):
                self.on_lost(key)
            if isinstance(error, Unprocessable):
                self._refused[key] = (uid, digest, _time() + REFUSED_FOR)
            # The write may have happened: what stands there is not known, but the version is still worth a try.
            if last is not None:
                self._last[key] = _Last(last.uid, b"", last.version)
            self.failed += 1
            raise
        finally:
            del self._sent[key]
        self.writes += 1
        self._refused.pop(key, None)
        version, last = _version(answer["metadata"]["resourceVersion"]), self._last.get(key)
        if last is None or last.uid != uid or version >= last.version:  # the watch may have told of a newer one before
            self._last[key] = _Last(uid, digest, version)
        self._schedule.written(key, _time())
        if self.on_written is not None:
            self.on_written(key, answer)
        return True

    def _forget(self, key: Key) -> None:
        self._schedule.forget(key)
        self._last.pop(key, None)
        self._refused.pop(key, None)

    @asynccontextmanager
    async def _only(self, key: Key) -> AsyncIterator[None]:
        """One write at a time for an object, so that the later one is also the last one."""
        lock, users = self._locks.get(key) or (asyncio.Lock(), 0)
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            _, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)


def _digest(status: bytes) -> bytes:
    """Of the canonical JSON of a status, without the times of conditions."""
    return hashlib.blake2b(_TIMES.sub(b'"lastTransitionTime":""', status), digest_size=16).digest()


def _version(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _time() -> float:
    return asyncio.get_running_loop().time()
