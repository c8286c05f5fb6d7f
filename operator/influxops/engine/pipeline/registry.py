"""The registry of pipelines at work: one loop for each InfluxPipeline, and one for each backfill of an InfluxTask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from influxops.core.keys import Key
from influxops.core.pipeline.pipeline_status import PipelineFacts
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.record import pack, unpack
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.loop import PipelineLoop
from influxops.engine.tools import Tools
from influxops.reconcile.pipeline_state import BackfillOrder
from influxops.reconcile.pipeline_visit import current_pipeline_status


class Pipelines:
    """The ``reconcile.pipeline_state.PipelineRunner``."""

    def __init__(self, tools: Tools, link: Callable[[Key], LiveLink | None]) -> None:
        self._tools = tools
        self._link = link
        self._loops: dict[Key, PipelineLoop] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._ending: dict[Key, set[asyncio.Task[None]]] = {}
        self._orders: dict[Key, tuple[Key, BackfillOrder]] = {}
        """Backfills by their own key: a loop that begins anew takes them up again."""

    def configure(self, key: Key, uid: str, connection: Key, plan: PipelinePlan | None) -> None:
        """Run a pipeline by this plan from now on; None: start nothing until there is another."""
        loop = self._loops.get(key)
        if loop is not None and (loop.uid, loop.connection) != (uid, connection):
            self.stop(key)
            loop = None
        if loop is None:
            if plan is None:
                return
            loop = self._loops[key] = PipelineLoop(key, uid, connection, self._tools, self._link, self._publish)
            for pipeline, order in self._orders.values():
                if pipeline == key:
                    loop.backfills.order(order)
            self._running[key] = asyncio.create_task(
                _after(self._ending.get(key, set()), loop), name=f"pipeline {key.namespace}/{key.name}"
            )
        loop.configure(plan)

    def other_of(self, key: Key, owner: str) -> Key | None:
        """Another object whose loop keeps its records under the same owner: two at once would run the same windows."""
        return next((other for other, loop in self._loops.items() if other != key and loop.owner == owner), None)

    def retry_failed(self, key: Key) -> None:
        """Let the failed windows of a pipeline run again."""
        if key in self._loops:
            self._loops[key].retry_failed()

    def facts(self, key: Key) -> PipelineFacts:
        """How a pipeline stands; nothing before its loop has read the ledger."""
        return self._loops[key].facts if key in self._loops else PipelineFacts()

    def stop(self, key: Key) -> None:
        """End a loop. What it was running ends or is forgotten; the ledger stays."""
        self._loops.pop(key, None)
        task = self._running.pop(key, None)
        if task is not None:
            task.cancel()
            self._ending.setdefault(key, set()).add(task)
            task.add_done_callback(lambda ended: self._forget(key, ended))

    def _forget(self, key: Key, ended: asyncio.Task[None]) -> None:
        self._ending[key].discard(ended)
        if not self._ending[key]:
            del self._ending[key]

    def backfill(self, pipeline: Key, order: BackfillOrder) -> None:
        """Have a loop run a backfill beside its schedule."""
        self._orders[order.key] = pipeline, order
        loop = self._loops.get(pipeline)
        if loop is not None and loop.backfills.order(order):
            loop.tell()

    def drop_backfill(self, key: Key) -> None:
        """The backfill is gone: start no more of its windows. The loop of one of a task ends."""
        self._orders.pop(key, None)
        self.stop(key)
        for loop in self._loops.values():
            if loop.backfills.drop(key):
                loop.wake.set()

    def settle(self, connection: Key) -> bool:
        """Start no more runs for a connection, as long as nobody configures them anew; whether none is under way."""
        loops = [loop for loop in self._loops.values() if loop.connection == connection]
        for loop in loops:
            loop.configure(None)
        return not any(loop.busy for loop in loops)

    async def end(self, connection: Key) -> None:
        """End every loop of a connection, and wait until they have ended."""
        keys = [key for key, loop in self._loops.items() if loop.connection == connection]
        for key in keys:
            self.stop(key)
        self._orders = {key: order for key, order in self._orders.items() if order[0] not in keys}
        ending = [task for key in keys for task in self._ending.get(key, ())]
        await asyncio.gather(*ending, return_exceptions=True)

    async def end_all(self) -> None:
        """End every loop, when this process stops leading."""
        for key in list(self._loops):
            self.stop(key)
        self._orders.clear()
        ending = [task for tasks in self._ending.values() for task in tasks]
        await asyncio.gather(*ending, return_exceptions=True)

    def _publish(self, key: Key) -> None:
        """Let the status of a pipeline tell how it stands."""
        context = self._tools.context
        record, state = context.objects.get(key), context.pipelines.get(key)
        if record is None or record.deleting or state is None or state.outcome is None:
            return
        before = unpack(state.packed_status)
        status = current_pipeline_status(context, state, key)
        state.packed_status = pack(status)
        self._tools.later(key, record.uid, status, urgent=_turned(before) != _turned(status))


async def _after(former: Iterable[asyncio.Task[None]], loop: PipelineLoop) -> None:
    """Run a loop once all former ones of the same key have ended: two of one ledger would undo each other's records."""
    ending = set(former)
    if ending:
        await asyncio.wait(ending)
    await loop.run()


def _turned(status: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a person looks for first: the conditions and their status, what has failed, and whether there is work at all; and that
    the ledger has been read, which brings the first numbers.
    """
    windows = status.get("windows") or {}
    busy = any(windows.get(state) for state in ("pending", "ready", "running"))
    conditions = frozenset((item.get("type"), item.get("status")) for item in status.get("conditions") or [])
    reasons = frozenset(item.get("reason") for item in status.get("exceptions") or [])
    return conditions, windows.get("failed", 0), busy, reasons, status.get("lateWindows", 0), "stages" in status
