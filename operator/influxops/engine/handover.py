"""From shard to shard: a connection is worked only once it is confirmed that nobody else does, and handed on once nothing is under way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from influxops.core.conditions import of_outcome, stamp
from influxops.core.keys import Key
from influxops.core.outcome import Done, Outcome, Reason, Wait
from influxops.core.record import Record
from influxops.core.shard import Step, handed_on, holder_of, step, wanted_shard
from influxops.engine.shards import Shards
from influxops.kube.errors import Conflict, KubeError, Unprocessable
from influxops.kube.lease_state import Observer, Timing
from influxops.reconcile.context import Context
from influxops.reconcile.finalizer import is_marked
from influxops.reconcile.visit import forget
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

LOOK = 0.1
"""Seconds between two looks whether all has ended."""
ENDING = 30.0
"""Seconds that runs of windows, and changes of several requests, get for their end. Single requests are always waited for."""
ASK_AGAIN = 1.0
"""Seconds between two looks at a holder that is to hand a connection on, and at its Lease."""
ABSENT = 2.0
"""Seconds for which something that does not exist is not asked for again."""
NO_LEASE: Mapping[str, Any] = {"spec": {"holderIdentity": "nobody that is known"}}
"""Stands for a Lease that does not exist: its shard may run without one, so it is given the time to hand the connection on."""


class Store(Protocol):
    """The API, for what no cache may answer."""

    async def read(self, key: Key) -> Record | None:
        """The object as it is now, which the cache learns as well."""

    async def write(self, record: Record, status: Mapping[str, Any]) -> Record:
        """Set the status if nothing of the object has changed since the record was read; raises ``Conflict``."""

    async def lease(self, shard: str) -> Mapping[str, Any] | None:
        """The Lease of a shard."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is under way for a connection, and how it is ended."""

    halfway: Callable[[Key], bool]
    """Whether a change of several requests is half done."""
    settle: Callable[[Key], bool]
    """Start no more runs of windows; whether none is under way."""
    end: Callable[[Key], Awaitable[None]]
    """End all loops, after their requests under way."""
    let_go: Callable[[Iterable[Key]], Awaitable[None]]
    """Drop the statuses that wait, and see those being written to their end."""
    enqueue: Callable[[Iterable[Key]], None]
    """Visit these objects."""


class Handover:
    """Of one process."""

    def __init__(self, shards: Shards, store: Store, context: Context, work: Work, timing: Timing) -> None:
        self._shards = shards
        self._store = store
        self._context = context
        self._work = work
        self._timing = timing
        self._since: dict[Key, float] = {}
        self._observers: dict[str, Observer] = {}
        self._absent: dict[Key, float] = {}

    def begin(self) -> None:
        """A new lease."""
        self._shards.begin()
        self._since.clear()
        self._observers.clear()

    async def admit(self, record: Record) -> Outcome | None:
        """None when the connection is to be worked now; otherwise what its visit came to."""
        key = record.key
        if self._shards.held_as(key):
            told = holder_of(record.status(), marked=is_marked(record))
            decision = step(self._shards.name, wanted_shard(record.labels), told, busy=True, free=False)
            if decision is Step.WORK and self._shards.held_as(key) == record.uid:
                if self._shards.stay(key):
                    self._since.pop(key, None)
                    self._work.enqueue(self._shards.objects_of(key))
                return None
            if not await self._ended(key):
                return Wait(Reason.DELETING, "", after=LOOK, quiet=True)
        # Nothing is under way here. From now on only what the API says at this moment counts: the watch may lag behind.
        found = await self._store.read(key)
        if found is None:
            return Wait(Reason.CREATING, "", after=ASK_AGAIN, quiet=True)  # gone; the watch will say so
        wanted, holder = wanted_shard(found.labels), holder_of(found.status(), marked=is_marked(found))
        decision = step(self._shards.name, wanted, holder, busy=False, free=False)
        if decision is Step.ASK and await self._is_free(holder):
            decision = step(self._shards.name, wanted, holder, busy=False, free=True)
        try:
            return await self._carry_out(decision, found, wanted, holder)
        except Conflict:
            return Wait(Reason.CREATING, "", after=LOOK, quiet=True)  # it has changed: decide anew
        except Unprocessable:
            if decision is not Step.TAKE:
                raise
            # The API lets nobody write to an object that its schema would refuse today, so nobody can move it either.
            self._begin(found)
            return None

    async def find(self, key: Key) -> bool:
        """Whether an object exists that the watch has not brought; then it has come now. Asked at most once in a moment."""
        now = self._context.clock()
        if now - self._absent.get(key, float("-inf")) < ABSENT:
            return False
        if await self._store.read(key) is not None:
            return True
        self._absent = {one: at for one, at in self._absent.items() if now - at < ABSENT} | {key: now}
        return False

    async def _carry_out(self, decision: Step, found: Record, wanted: str, holder: str) -> Outcome | None:
        name = f"{found.key.namespace}/{found.key.name}"
        match decision:
            case Step.WORK:
                self._begin(found)
                return None
            case Step.TAKE:
                taken = await self._store.write(found, {**found.status(), "shard": self._shards.name})
                if holder:
                    log.info("a connection is taken from a shard that does not run", connection=name, shard=holder)
                self._begin(taken)
                return None
            case Step.HAND_ON:
                await self._hand_on(found, wanted)
                log.info("a connection is handed on", connection=name, shard=wanted)
                return Done()
            case Step.ASK:
                return Wait(Reason.CREATING, "", after=ASK_AGAIN, quiet=True)
            case _:
                self._forget(found.key)
                return Done()

    def _begin(self, record: Record) -> None:
        """Take up the connection: with nothing remembered of an earlier time."""
        self._forget(record.key)
        self._shards.hold(record.key, record.uid)
        self._work.enqueue(self._shards.objects_of(record.key))

    async def _hand_on(self, record: Record, wanted: str) -> None:
        """Write the other's name, and what is the matter until that one speaks."""
        previous, context = record.status(), self._context
        told = of_outcome(Wait(Reason.DEPENDENCY_NOT_READY, handed_on(wanted)))
        conditions = stamp(told, previous.get("conditions") or [], record.generation, context.now())
        await self._store.write(record, {**previous, "shard": wanted, "conditions": conditions})

    async def _ended(self, key: Key) -> bool:
        """End what is under way for a connection; whether that is done."""
        clock, work = self._context.clock, self._work
        if self._shards.leave(key):
            log.info(
                "a connection is wanted elsewhere: what is under way for it ends",
                connection=f"{key.namespace}/{key.name}",
            )
        since = self._since.setdefault(key, clock())
        settled = work.settle(key)
        patient = clock() - since < ENDING
        if self._shards.visited(key) or (patient and not (settled and not work.halfway(key))):
            return False
        await work.end(key)
        objects = self._shards.objects_of(key)
        self._shards.drop(key)
        await work.let_go([*objects, key])
        self._since.pop(key, None)
        self._forget(key)
        return True

    def _forget(self, connection: Key) -> None:
        """Remember nothing of the connection's objects: they may come back after others have worked them."""
        for key in self._shards.objects_of(connection):
            forget(self._context, key)

    async def _is_free(self, holder: str) -> bool:
        """Whether no process works for a shard."""
        try:
            lease = await self._store.lease(holder)
        except KubeError as error:
            log.warning("the Lease of another shard cannot be read", shard=holder, error=str(error))
            return False
        observer = self._observers.setdefault(holder, Observer())
        return observer.expired(lease or NO_LEASE, self._context.clock(), self._timing)
