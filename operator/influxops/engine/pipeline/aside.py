"""What a loop does beside its turns, for it may take long and fail on its own: looking for late data, choosing backfills' windows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime, timedelta

from influxops.core.keys import Key
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.backfills import Backfills
from influxops.engine.pipeline.course import Course, again
from influxops.engine.pipeline.late_look import Found, LateLook
from influxops.engine.pipeline.meter import Meter
from influxops.engine.pipeline.old_look import OldLook
from influxops.engine.pipeline.voice import Voice
from influxops.engine.tools import Tools
from influxops.influx.errors import InfluxError
from influxops.kube.errors import NotLeader
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

PATIENCE = 30.0
"""Seconds that a look waits for the ledger to be written, for it compares with what is read from there."""
PAUSE = 5.0
"""Seconds before what InfluxDB did not let happen is tried again."""


class Aside:
    """Of one loop: at most one thing of each kind at a time, each for the course that it was begun for."""

    def __init__(
        self, key: Key, tools: Tools, voice: Voice, meter: Meter, backfills: Backfills, wake: asyncio.Event
    ) -> None:
        """``wake`` is set when something has ended."""
        self._key = key
        self._context = tools.context
        self._voice = voice
        self._meter = meter
        self._backfills = backfills
        self._late = LateLook()
        self._old = OldLook()
        self._look: asyncio.Task[None] | None = None
        self._choice: asyncio.Task[None] | None = None
        self._choose_from = 0.0
        self._trouble = ""
        self._wake = wake

    def begin(self) -> None:
        """Another course begins; nothing of the former one is under way."""
        self._late.begin()
        self._old = OldLook()
        self._backfills.reload()

    def turn(self, link: LiveLink, course: Course, now: datetime) -> None:
        """Begin what is due."""
        if not course.plan.suspended and not _busy(self._look) and self._late.due(course.plan, now):
            self._look = self._start(self._look_for_late(link, course, now), "late data of")
        if self._backfills.unsettled and not _busy(self._choice) and self._context.clock() >= self._choose_from:
            choice = self._backfills.turn(link, course, now)
            self._choice = self._start(self._chosen(course, choice), "backfills of")

    def earlier(self, by: timedelta) -> None:
        """The clock was set back by so much."""
        self._late.earlier(by)
        self._old.earlier(by)

    def next_at(self, course: Course) -> datetime | None:
        """When the next look is due."""
        return None if _busy(self._look) else self._late.next_at(course.plan)

    async def stop(self) -> None:
        """End what is under way."""
        tasks = [task for task in (self._look, self._choice) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._look = self._choice = None

    def _start(self, work: Awaitable[None], what: str) -> asyncio.Task[None]:
        return asyncio.create_task(self._do(work), name=f"{what} {self._key}")

    async def _do(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception:
            log.exception("a pipeline did not do what it should: please report this", pipeline=str(self._key))
            self._late.postpone(self._context.now())
            self._choose_from = self._context.clock() + PAUSE
        finally:
            self._wake.set()

    async def _chosen(self, course: Course, choice: Awaitable[None]) -> None:
        try:
            await choice
        except (InfluxError, NotLeader) as error:
            log.info("a backfill waits for InfluxDB", pipeline=str(self._key), error=str(error))
            self._choose_from = self._context.clock() + PAUSE
        course.dirty = True

    async def _look_for_late(self, link: LiveLink, course: Course, now: datetime) -> None:
        """Look whether the sources of settled windows have changed, and run those again that have."""
        course.fresh = {}
        try:
            if not await course.writer.settle(PATIENCE):
                self._unseen(f"the ledger does not take what has run: {course.writer.trouble or 'it does not answer'}")
                return
            if self._old.due(course.plan, now):
                course.too_late = await self._old.look(link, course.plan, now)
                self._voice.too_late(course.too_late)
                course.dirty = True
            # Last, for what it finds is taken in before anything else can end.
            found = await self._late.look(link, course.plan, now, course.fresh)
        except (InfluxError, NotLeader) as error:
            self._unseen(str(error))
            return
        finally:
            course.fresh = None
        self._trouble = ""
        self._late.ended(self._context.now())
        self._voice.late(found, rerun=course.plan.rerun_late)
        self._meter.late(found)
        if course.plan.rerun_late:
            self._run_again(course, found)

    def _unseen(self, why: str) -> None:
        """A look could not be made: say so once, and look again later."""
        self._late.postpone(self._context.now())
        if why != self._trouble:
            self._trouble = why
            self._voice.blind(why)

    def _run_again(self, course: Course, found: Found) -> None:
        now = self._context.now()
        marks = [
            again(course.agenda.add(one.stage, one.window, now, cause=one.cause, revision=one.revision))
            for one in found.reruns
        ]
        # What is made of others first: should the process end between two requests, the next look finds the rest again.
        for mark in reversed(marks):
            course.writer.put(mark)
        course.dirty = course.dirty or bool(marks)


def _busy(task: asyncio.Task[None] | None) -> bool:
    return task is not None and not task.done()
