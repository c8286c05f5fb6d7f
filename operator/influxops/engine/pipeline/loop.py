"""The loop of one pipeline: what has closed comes on the agenda, what is ready runs, what ended is told to the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from influxops.core.keys import Key
from influxops.core.pipeline.agenda.circuit import CircuitState
from influxops.core.pipeline.agenda.entry import Entry
from influxops.core.pipeline.pipeline_status import PipelineFacts
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.set_back import SetBack
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.aside import Aside
from influxops.engine.pipeline.backfills import Backfills
from influxops.engine.pipeline.course import Course
from influxops.engine.pipeline.ledger_writer import FULL, LedgerWriter
from influxops.engine.pipeline.loading import load
from influxops.engine.pipeline.meter import Meter
from influxops.engine.pipeline.native_run import run_native
from influxops.engine.pipeline.pauses import Pauses
from influxops.engine.pipeline.source_counts import SourceCounts
from influxops.engine.pipeline.telling import facts_of
from influxops.engine.pipeline.verdicts import Verdicts
from influxops.engine.pipeline.voice import Voice
from influxops.engine.pipeline.window_run import Abandoned, AttemptFailed, Outcome, meaning, run_window, spoils
from influxops.engine.tools import Tools
from influxops.influx.errors import InfluxError
from influxops.kube.errors import NotLeader
from influxops.reconcile.pipeline_visit import told_watermark, told_windows
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

PAUSE = 2.0
"""Seconds to wait when InfluxDB cannot be used now."""
IDLE = 60.0
"""Longest sleep in seconds; what is due wakes it earlier."""
PUBLISH_EVERY = 1.0
"""Seconds between two looks at the whole agenda for the status."""
REFRESH = 15.0
"""After so many seconds it is looked at although nothing has happened: what is late becomes so by time alone."""
PATIENCE = 5.0
"""Seconds that a new plan waits for the ledger of the former one to be written."""
SLOWEST = 30.0
"""Longest wait in seconds for a ledger that cannot be read."""


class PipelineLoop:
    """Runs the windows of one InfluxPipeline, or of one InfluxTask's backfill."""

    def __init__(
        self,
        key: Key,
        uid: str,
        connection: Key,
        tools: Tools,
        links: Callable[[Key], LiveLink | None],
        publish: Callable[[Key], None],
    ) -> None:
        self.key = key
        self.uid = uid
        self.facts = PipelineFacts()
        """What the status tells; built anew when something has changed."""
        self.backfills = Backfills(tools)
        self.course: Course | None = None
        """None before the ledger has been read."""
        self.wake = asyncio.Event()
        self.connection = connection
        self._links = links
        self._tell = publish
        self._context = tools.context
        self._wanted: PipelinePlan | None = None
        self._runs: set[asyncio.Task[None]] = set()
        self._published = float("-inf")
        self._meter = Meter(tools.metrics, key)
        self._voice = Voice(tools.context, key)
        self._verdicts = Verdicts(self._voice, self._meter, self.backfills)
        self._aside = Aside(key, tools, self._voice, self._meter, self.backfills, self.wake)
        self._retry = False
        """Whether failed windows are to run again at the next turn."""
        self._reload = False
        """Whether the ledger is to be read anew, for windows were added by a clock that was ahead."""
        self._trouble = ""
        self._tries = 0
        self._set_back = SetBack()
        self._counts = SourceCounts(tools.context.clock)
        self._writer: LedgerWriter | None = None

    # what others may ask for

    @property
    def owner(self) -> str:
        """The tag of its records in the ledger; empty while nothing is to run."""
        return self._wanted.owner if self._wanted is not None else ""

    @property
    def busy(self) -> bool:
        """Whether runs are under way."""
        return any(not task.done() for task in self._runs)

    def configure(self, plan: PipelinePlan | None) -> None:
        """Run by this plan from now on; None: start nothing until there is another."""
        if plan == self._wanted:
            return
        self._wanted = plan
        self.wake.set()

    def retry_failed(self) -> None:
        """Let all failed windows run again, also those that the ledger is yet to tell of."""
        self._retry = True
        self.wake.set()

    def tell(self) -> None:
        """Something has changed that the status is to tell of."""
        if self.course is not None:
            self.course.dirty = True
        self.wake.set()

    def link(self) -> LiveLink | None:
        """The connection, if it can be used now."""
        link = self._links(self.connection)
        usable = link is not None and link.problem is None and link.org_id and link.trust_snapshot()
        return link if usable else None

    def _waits(self) -> str:
        """Why the connection cannot be used now; empty when it can, or when it is only just being looked at."""
        link = self._links(self.connection)
        if link is None or link.problem is None:
            return ""
        where = f"InfluxConnection {self.connection.namespace}/{self.connection.name}"
        return f"{where} is not ready: {link.problem.message}"

    # the loop

    async def run(self) -> None:
        """Turn until cancelled."""
        try:
            while True:
                self.wake.clear()
                try:
                    delay = await self._turn()
                except NotLeader:
                    delay = 1.0
                except InfluxError as error:
                    delay = self._unreadable(str(error))
                except Exception:
                    log.exception("a turn failed in a way it should not: please report this", pipeline=str(self.key))
                    delay = 30.0
                self._meter.lag(self._context.now())
                try:
                    async with asyncio.timeout(delay):
                        await self.wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self._end()

    async def _end(self) -> None:
        await self._aside.stop()
        for task in self._runs:
            task.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        if self._writer is not None:
            await self._writer.close(grace=2.0)
        self._meter.forget()

    def _unreadable(self, error: str) -> float:
        """The ledger cannot be read: say so once. Seconds until the next try."""
        self._tries += 1
        if error != self._trouble:
            self._trouble = error
            log.warning("a pipeline waits for its ledger", pipeline=str(self.key), error=error)
            self.facts = replace(self.facts, ledger_trouble=error)
            self._tell(self.key)
        return float(min(SLOWEST, PAUSE * 2 ** min(self._tries - 1, 10)))

    async def _turn(self) -> float:
        """One turn; the seconds until the next unless something wakes it."""
        course, wanted = self.course, self._wanted
        if course is None or course.asked != wanted or course.writer is not self._writer or self._reload:
            if self.busy:
                return IDLE  # the last of them wakes us
            if course is not None and course.dirty:
                self._publish(course, self._context.now(), at_once=True)  # what has ended is not running any more
            await self._aside.stop()
            if wanted is None:
                self.course = None
                return IDLE
            link = self.link()
            if link is None:
                return PAUSE
            if not await self._close_ledger(wanted):
                trouble = self._writer.trouble if self._writer is not None else ""
                return self._unreadable(trouble or "it does not take what has run")
            if self._wanted is not wanted:
                return 0.0  # another plan has come meanwhile, perhaps with another ledger
            course = await self._load(link, wanted)
        if self._retry:
            self._retry = False
            self._revive_all(course)
        now = self._context.now()
        back = self._set_back.by(now, self._context.clock())
        if back:
            log.warning("the clock was set back", pipeline=str(self.key), seconds=back.total_seconds())
            course.earlier(back)
            self._aside.earlier(back)
            if course.ahead(now):
                self._reload = True
                return 0.0
        self._voice.given_up(course.add_due(now), course.plan.max_windows)
        link = self.link()
        if link is not None:
            self._aside.turn(link, course, now)
            self._start_runs(link, course, now)
        course.advance(now)
        self._publish(course, now)
        return self._sleep(course, now, link is not None)

    async def _load(self, link: LiveLink, plan: PipelinePlan) -> Course:
        """Begin with what the ledger tells."""
        self._writer = self._writer or LedgerWriter(self.link, plan.bucket, plan.owner, self.wake.set)
        told = self.course.watermark if self.course is not None else told_watermark(self._context, self.key)
        loaded = await load(link, plan, self._writer, self._context.now(), told)
        course, self._reload = loaded.course, False
        course.pauses = Pauses(self._context.clock)
        if self.course is not None:
            course.succeeded, course.late_windows = self.course.succeeded, self.course.late_windows
        else:
            course.succeeded, course.late_windows = told_windows(self._context, self.key)
        self._voice.given_up(loaded.given_up, plan.max_windows)
        self._voice.forgotten(loaded.forgotten)
        self._voice.unmade(loaded.expired)
        self._voice.dropped(loaded.dropped)
        self.course = course
        self._counts.begin(plan)
        self._aside.begin()
        self._trouble, self._tries = "", 0
        log.info(
            "a pipeline begins",
            pipeline=str(self.key),
            watermark=str(course.watermark),
            records=loaded.records,
            windows=len(course.agenda),
        )
        return course

    async def _close_ledger(self, plan: PipelinePlan) -> bool:
        """See that all is written before the ledger is read, and leave one that the plan no longer names; whether that is done."""
        writer = self._writer
        if writer is None:
            return True
        if (writer.bucket, writer.owner) == (plan.bucket, plan.owner):
            return await writer.settle(PATIENCE)
        await writer.close(PATIENCE)  # its bucket may be gone for good
        self._writer = None
        return True

    def _revive_all(self, course: Course) -> None:
        course.revive(self._context.now(), lambda _: True)
        for circuit in course.circuits.values():
            circuit.close()

    # runs

    def _start_runs(self, link: LiveLink, course: Course, now: datetime) -> None:
        if course.writer.waiting > FULL:
            return
        lanes = [("", 0 if course.plan.suspended else course.plan.max_active), *self.backfills.lanes()]
        for lane, limit in lanes:
            while course.agenda.admits(lane, limit):
                entry = course.agenda.take(now, lambda stage: course.admits(stage, now), lane)
                if entry is None:
                    break
                course.circuits[entry.stage].started()
                task = asyncio.create_task(self._run(link, course, entry), name=f"window {self.key} {entry.stage}")
                self._runs.add(task)
                task.add_done_callback(self._ended)
                course.dirty = True

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._runs.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("the end of a run was not taken in: please report this", pipeline=str(self.key), exc_info=error)

    async def _run(self, link: LiveLink, course: Course, entry: Entry) -> None:
        """One attempt, and what comes of it."""
        clock, started = self._context.clock, self._context.clock()
        if spoils(link, course.plan.stages[entry.stage], entry, self._context.now()):
            self._verdicts.expired(course, entry, self._context.now())
            self.wake.set()
            return
        try:
            count, outcome = await self._attempt(link, course, entry)
        except AttemptFailed as failure:
            self._verdicts.failed(course, entry, str(failure), clock() - started, self._context.now())
        except (Abandoned, InfluxError, NotLeader) as error:
            self._verdicts.abandoned(course, entry, self._context.now(), str(error))
            log.info("a window waits for InfluxDB", pipeline=str(self.key), stage=entry.stage, error=str(error))
        except asyncio.CancelledError:
            self._verdicts.abandoned(course, entry, self._context.now())
            raise
        except Exception as error:
            log.exception("a run failed in a way it should not: please report this", pipeline=str(self.key))
            text = f"{type(error).__name__}: see the operator's log"
            self._verdicts.failed(course, entry, text, clock() - started, self._context.now())
        else:
            self._verdicts.succeeded(course, entry, outcome, count, clock() - started, self._context.now())
        finally:
            course.dirty = True
            self.wake.set()

    async def _attempt(self, link: LiveLink, course: Course, entry: Entry) -> tuple[int | None, Outcome]:
        """The points of the source before, and what the run gave. Raises AttemptFailed and Abandoned."""
        stage, now = course.plan.stages[entry.stage], self._context.now
        try:
            count = await self._counts.before(link, stage, entry.window, now())
        except InfluxError as error:
            raise meaning(error, stage) from error
        if stage.native is not None:
            return count, await run_native(link, stage, stage.native, entry, now, self._context.clock)
        if stage.replace and not await course.emptying(entry):
            raise Abandoned(f"the ledger takes no records: {course.unmarked}")

        def answered() -> None:
            course.agenda.answered(entry)
            self.wake.set()

        return count, await run_window(link, stage, entry.window, answered)

    # what is told, and when to turn again

    def _publish(self, course: Course, now: datetime, *, at_once: bool = False) -> None:
        """Have the status tell how things stand; the whole agenda is looked at once a second at most, unless at once."""
        clock = self._context.clock()
        if not at_once and clock - self._published < (PUBLISH_EVERY if course.dirty else REFRESH):
            return
        course.dirty, self._published = False, clock
        self.facts = facts_of(course, now, self.backfills.suspended())
        self._meter.state(self.facts, course.agenda, now)
        self._tell(self.key)
        course.dirty = self.backfills.publish(course, now, self._waits())

    def _sleep(self, course: Course, now: datetime, usable: bool) -> float:
        """Seconds until something is due by time."""
        clock = self._context.clock()
        waits = [self._published + (PUBLISH_EVERY if course.dirty else REFRESH) - clock]
        if not usable or course.writer.waiting > FULL:
            waits.append(PAUSE)
        if (left := course.pauses.left()) is not None:
            waits.append(left)
        moments = [course.agenda.next_retry(), self._aside.next_at(course)]
        if course.next is not None:
            moments.append(course.next.stop + timedelta(seconds=course.plan.delay))
        moments += [one.until for one in course.circuits.values() if one.state is CircuitState.OPEN]
        waits += [(moment - now).total_seconds() for moment in moments if moment is not None and moment > now]
        return max(0.01, min(waits))
