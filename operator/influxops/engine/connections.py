"""The registry of connections at work: one ``LiveLink`` and one loop for each InfluxConnection."""

from __future__ import annotations

import asyncio
import contextlib

from influxops.api.common import ACCEPT_TARGET, FINALIZER, RECONCILE_AT
from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.core.conditions import of_outcome, stamp
from influxops.core.keys import Key, Kind
from influxops.core.outcome import Gone, Outcome, Reason, Stalled, Wait
from influxops.core.record import Record
from influxops.core.shard import label_fault
from influxops.engine.gates import Gates
from influxops.engine.handover import Handover
from influxops.engine.link import Fence, LiveLink, Observer
from influxops.engine.queue import Priority
from influxops.engine.shards import Shards
from influxops.engine.tools import Tools
from influxops.engine.turn import ConnectionLoop
from influxops.reconcile.announce import announce
from influxops.reconcile.finalizer import ensure_finalizer, remove_finalizer

ENDING = 30.0
"""Seconds that the requests under way get when a connection is handed on."""


class Connections:
    """Starts, changes and ends the loops as the InfluxConnections come, change and go."""

    handover: Handover
    """Set once, before the first visit: it ends our loops in its turn."""

    def __init__(self, tools: Tools, fence: Fence, observer: Observer, shards: Shards) -> None:
        self._tools = tools
        self._shards = shards
        self._fence = fence
        self._observer = observer
        self._gates = Gates()
        self._loops: dict[Key, ConnectionLoop] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._asked: dict[Key, str] = {}
        self._refused: dict[Key, Stalled] = {}
        """What was said last of those whose spec is not valid."""

    def link(self, key: Key) -> LiveLink | None:
        """The connection, if it is valid and at work."""
        loop = self._loops.get(key)
        return loop.link if loop else None

    def links_of_org(self, org_id: str) -> list[Key]:
        """Every connection that leads to the organization of this id, under whatever url; of other shards by what they tell."""
        if not org_id:
            return []
        ours = [key for key, loop in self._loops.items() if loop.link.org_id == org_id]
        return ours + [one.key for one in self._shards.elsewhere() if one.status().get("orgID") == org_id]

    async def visit(self, key: Key) -> Outcome:
        """Visit an InfluxConnection: have its loop run with its present spec, or end it."""
        record = self._tools.context.objects.get(key)
        if record is None:
            self._refused.pop(key, None)
            await self.end(key)
            self._shards.drop(key)
            for other in self._shards.objects_of(key):  # those that are left are to say what they lack
                self._tools.enqueue(other, Priority.CHANGE)
            return Gone()
        outcome = await self.handover.admit(record)
        if outcome is not None:
            return outcome
        record = self._tools.context.objects.get(key) or record  # as it was written just now
        fault = label_fault(record.labels)
        if fault and not record.deleting:
            await self.end(key)
            return await self._invalid(record, fault)
        if record.deleting:
            return await self._finish(record)
        try:
            spec = read(InfluxConnectionSpec, record.spec(), "spec")
        except SpecInvalid as error:
            await self.end(key)
            return await self._invalid(record, str(error))
        self._refused.pop(key, None)
        # The loop first, before anything is awaited: objects that are visited meanwhile must find the connection. The
        # loop itself only reads, and takes longer for that than the finalizer.
        self._start(record, spec)
        await ensure_finalizer(self._tools.context, record)
        return Wait(Reason.CREATING, "", quiet=True, parked=True)

    def _start(self, record: Record, spec: InfluxConnectionSpec) -> None:
        key = record.key
        loop = self._loops.get(key)
        if loop is not None and loop.uid != record.uid:
            self._stop(key)
            loop = None
        asked = f"{record.annotations.get(RECONCILE_AT, '')} {record.annotations.get(ACCEPT_TARGET, '')}"
        if loop is None:
            context = self._tools.context
            link = LiveLink(key, spec, record.generation, self._fence, self._observer, context.clock, self._gates)
            loop = self._loops[key] = ConnectionLoop(link, self._tools, record.uid)
            self._running[key] = asyncio.create_task(loop.run(), name=f"connection {key.namespace}/{key.name}")
            self._enqueue_objects(key, Priority.RESYNC)
        elif loop.link.generation != record.generation:
            loop.link.configure(spec, record.generation)
            loop.link.wake.set()
            self._enqueue_objects(key, Priority.RESYNC)
        elif self._asked.get(key) != asked:
            loop.link.wake.set()
        self._asked[key] = asked

    def _enqueue_objects(self, key: Key, priority: Priority) -> None:
        objects = self._tools.context.objects
        tasks = objects.tasks_by_connection(key)
        dependents = (
            *objects.policies_by_connection(key),
            *tasks,
            *objects.pipelines_by_connection(key),
            *(one for task in tasks for one in objects.referrers(task, Kind.BACKFILL)),
        )
        for other in dependents:
            self._tools.enqueue(other, priority)

    def _tell_pipelines(self, key: Key) -> None:
        """Pipelines hold no connection back, so they outlive it, and are to say what they lack."""
        for pipeline in self._tools.context.objects.pipelines_by_connection(key):
            self._tools.enqueue(pipeline, Priority.CHANGE)

    async def _invalid(self, record: Record, message: str) -> Outcome:
        outcome = Stalled(Reason.INVALID_SPEC, message)
        context = self._tools.context
        announce(context, record, self._refused.get(record.key), outcome)
        self._refused[record.key] = outcome
        previous = record.status()
        conditions = stamp(of_outcome(outcome), previous.get("conditions") or [], record.generation, context.now())
        status = {**previous, "observedGeneration": record.generation, "conditions": conditions}
        await context.statuses.now(record.key, record.uid, status)
        return outcome

    async def _finish(self, record: Record) -> Outcome:
        """A connection goes last: its objects need it for their own end."""
        context = self._tools.context
        key = record.key
        named = [*context.objects.tasks_by_connection(key), *context.objects.policies_by_connection(key)]
        users = [other for other in named if self._uses(other)]
        if FINALIZER in record.finalizers and users:
            if key not in self._loops:
                with contextlib.suppress(SpecInvalid):
                    self._start(record, read(InfluxConnectionSpec, record.spec(), "spec"))
            first = min(users)
            message = (
                f"{len(users)} objects still use this connection, {first} among them: delete them (with spec.deletion Orphan "
                "what they have in InfluxDB stays)"
            )
            outcome = Wait(Reason.DELETING, message, after=2.0)
            previous = record.status()
            conditions = stamp(of_outcome(outcome), previous.get("conditions") or [], record.generation, context.now())
            status = {**previous, "observedGeneration": record.generation, "conditions": conditions}
            await context.statuses.now(key, record.uid, status)
            return outcome
        await self.end(key)
        await remove_finalizer(context, record)
        self._tell_pipelines(key)
        return Gone()

    def _uses(self, key: Key) -> bool:
        """Whether an object has something in InfluxDB by its connection: only naming it keeps no connection alive."""
        record = self._tools.context.objects.get(key)
        return record is not None and FINALIZER in record.finalizers

    def _stop(self, key: Key) -> asyncio.Task[None] | None:
        self._loops.pop(key, None)
        self._asked.pop(key, None)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()
        self._tools.metrics.forget_connection(f"{key.namespace}/{key.name}")
        return task

    async def end(self, key: Key) -> None:
        """End the loop of a connection, and wait until it has ended."""
        task = self._stop(key)
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    async def retire(self, key: Key) -> None:
        """End the loop of a connection after its requests under way, and wait until it has ended."""
        loop, task = self._loops.get(key), self._running.get(key)
        if loop is not None and task is not None:
            loop.leave()
            await asyncio.wait({task}, timeout=ENDING)
        await self.end(key)

    async def end_all(self) -> None:
        """End every loop, when this process stops leading."""
        tasks = [task for key in list(self._loops) if (task := self._stop(key)) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
