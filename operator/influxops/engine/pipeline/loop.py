"""The loop of one pipeline: what has closed comes on the agenda, what is ready runs, what ended is told to the ledger."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from influxops.core.keys import Key
from influxops.core.pipeline.agenda import Agenda, Entry
from influxops.core.pipeline.circuit import Circuit, CircuitState
from influxops.core.pipeline.due import due, next_window, watermark
from influxops.core.pipeline.pipeline_status import PipelineFacts, exceptions, overdue, stage_facts
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.restore import horizon, restore
from influxops.core.pipeline.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.backfills import Backfills
from influxops.engine.pipeline.late_look import LateLook
from influxops.engine.pipeline.ledger_writer import FULL, LedgerWriter
from influxops.engine.pipeline.meter import Meter
from influxops.engine.pipeline.native_run import run_native
from influxops.engine.pipeline.source_counts import SourceCounts
from influxops.engine.pipeline.voice import Voice
from influxops.engine.pipeline.window_run import Abandoned, AttemptFailed, Outcome, run_window
from influxops.engine.tools import Tools
from influxops.influx.errors import InfluxError
from influxops.kube.errors import NotLeader
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

PAUSE = 2.0
"""Seconds to wait when InfluxDB cannot be used now."""
IDLE = 60.0
"""Longest sleep in seconds; what is due wakes it earlier."""
PUBLISH_EVERY = 1.0
"""Seconds between two looks at the whole agenda for the status."""


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
        self.plan: PipelinePlan | None = None
        self.agenda: Agenda | None = None
        """None before the ledger has been read."""
        self.wake = asyncio.Event()
        self.connection = connection
        self._links = links
        self._tell = publish
        self._tools = tools
        self._context = tools.context
        self._wanted: PipelinePlan | None = None
        self._circuits: dict[str, Circuit] = {}
        self._last: dict[str, WindowRecord] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._watermark: datetime | None = None
        self._added_to: datetime | None = None
        """Windows that ended by then are on the agenda or settled."""
        self._paused_until = 0.0
        self._published = float("-inf")
        self._dirty = True
        self._next: Window | None = None
        self._succeeded = 0
        self._late_windows = 0
        self._meter = Meter(tools.metrics, key)
        self._voice = Voice(tools.context, key)
        self._late = LateLook()
        self._counts = SourceCounts(tools.context.clock)
        self._writer: LedgerWriter | None = None

    # what others may ask for

    def configure(self, plan: PipelinePlan | None) -> None:
        """Run by this plan from now on; None: start nothing until there is another."""
        if plan == self._wanted:
            return
        self._wanted = plan
        self.wake.set()

    def retry_failed(self) -> None:
        """Let all failed windows run again."""
        if self.agenda is not None:
            self._revive(lambda _: True)
            for circuit in self._circuits.values():
                circuit.close()
            self.wake.set()

    def link(self) -> LiveLink | None:
        """The connection, if it can be used now."""
        link = self._links(self.connection)
        usable = link is not None and link.problem is None and link.org_id and link.trust_snapshot()
        return link if usable else None

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
                    log.info("a pipeline waits for InfluxDB", pipeline=str(self.key), error=str(error))
                    delay = PAUSE
                except Exception:
                    log.exception("a turn failed in a way it should not: please report this", pipeline=str(self.key))
                    delay = 30.0
                try:
                    async with asyncio.timeout(delay):
                        await self.wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self._end()

    async def _end(self) -> None:
        for task in self._runs:
            task.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)
        if self._writer is not None:
            await self._writer.close(grace=2.0)
        self._meter.forget()

    async def _turn(self) -> float:
        """One turn; the seconds until the next unless something wakes it."""
        if self._wanted != self.plan or self.agenda is None:
            if not all(task.done() for task in self._runs):
                return IDLE  # the last of them wakes us, just before it leaves the set
            if self._wanted is None:
                self.plan, self.agenda = None, None
                return IDLE
            link = self.link()
            if link is None:
                return PAUSE
            await self._load(link, self._wanted)
        assert self.plan is not None and self.agenda is not None and self._writer is not None  # noqa: S101, PT018
        now = self._context.now()
        self._add_due(now)
        link = self.link()
        clock = self._context.clock()
        if link is not None and clock >= self._paused_until:
            if self._late.due(self.plan, now) and not self.plan.suspended:
                await self._look_for_late(link, now)
            if await self.backfills.turn(link, self.plan, self.agenda, now):
                self._dirty = True
            self._start_runs(link, now)
        self._advance(now)
        self._publish(now)
        return self._sleep(now, link is not None)

    async def _load(self, link: LiveLink, plan: PipelinePlan) -> None:
        """Read the ledger, and begin with what it tells."""
        if self._writer is not None:
            await self._writer.drain()
        now = self._context.now()
        if not plan.scheduled:
            self._begin(plan)
            return
        mark = await link.run(lambda port: port.ledger_watermark(link.org_id, plan.bucket, plan.owner))
        self._writer = LedgerWriter(self.link, plan.bucket, plan.owner)
        if mark is None:
            mark = plan.begin
            self._writer.watermark(mark, now)
        start = horizon(plan, mark, now)
        records = await link.run(
            lambda port: port.ledger_records(link.org_id, plan.bucket, plan.owner, start, now + timedelta(days=1))
        )
        self.agenda = restore(plan, mark, records, now)
        given_up = due(plan, mark, now).given_up
        if given_up:
            self._voice.given_up(given_up, plan.max_windows)
        self.plan = plan
        self._watermark, self._added_to = mark, max(mark, now - timedelta(seconds=plan.delay))
        self._next = next_window(plan, now)
        known = self._circuits if self.plan is not None else {}
        self._circuits = {
            name: known.get(name) or Circuit(plan.breaker_failures, plan.breaker_open) for name in plan.stages
        }
        for circuit in self._circuits.values():
            circuit.limit, circuit.open_for = plan.breaker_failures, plan.breaker_open
            circuit.close()
        for record in records:
            if record.state is WindowState.SUCCESS and record.stage in plan.stages:
                newer = self._last.get(record.stage)
                if newer is None or newer.window.stop <= record.window.stop:
                    self._last[record.stage] = record
        self._counts.clear()
        self._late.begin()
        self.backfills.reload()
        self._dirty = True
        log.info(
            "a pipeline begins",
            pipeline=str(self.key),
            watermark=str(mark),
            records=len(records),
            windows=len(self.agenda),
        )

    def _begin(self, plan: PipelinePlan) -> None:
        """Begin with an empty agenda, for backfills alone."""
        self._writer = LedgerWriter(self.link, plan.bucket, plan.owner)
        self.plan, self.agenda = plan, Agenda(plan)
        self._circuits = {name: Circuit(plan.breaker_failures, plan.breaker_open) for name in plan.stages}
        self._watermark = plan.begin
        self._late.begin()
        self.backfills.reload()

    def _add_due(self, now: datetime) -> None:
        """Put windows that have closed on the agenda."""
        plan, agenda = self.plan, self.agenda
        assert plan is not None and agenda is not None  # noqa: S101, PT018
        until = now - timedelta(seconds=plan.delay)
        if self._added_to is None or self._next is None or self._next.stop > until:
            return
        found = due(plan, self._added_to, now)
        for stage, window in found.places:
            agenda.add(stage, window, now)
        if plan.latest_only:
            self._only_latest(now)
        self._added_to = until
        self._next = next_window(plan, now)
        self._dirty = True

    def _only_latest(self, now: datetime) -> None:
        """catchUp.policy Latest: of what waits by schedule, only the newest window of each stage stays."""
        agenda = self.agenda
        assert agenda is not None  # noqa: S101
        newest: dict[str, datetime] = {}
        for entry in agenda.entries.values():
            if not entry.lane and entry.cause is Cause.SCHEDULE:
                newest[entry.stage] = max(newest.get(entry.stage, entry.window.stop), entry.window.stop)
        for entry in list(agenda.entries.values()):
            stale = not entry.lane and entry.cause is Cause.SCHEDULE and entry.window.stop < newest[entry.stage]
            if stale and entry.state is not WindowState.RUNNING:
                agenda.drop(entry, now)

    def _start_runs(self, link: LiveLink, now: datetime) -> None:
        plan, agenda, writer = self.plan, self.agenda, self._writer
        assert plan is not None and agenda is not None and writer is not None  # noqa: S101, PT018
        if writer.waiting > FULL:
            return
        lanes = [("", 0 if plan.suspended else plan.max_active), *self.backfills.lanes()]
        for lane, limit in lanes:
            while agenda.running(lane) < limit:
                entry = agenda.take(now, lambda stage: self._circuits[stage].admits(now), lane)
                if entry is None:
                    break
                self._circuits[entry.stage].started()
                task = asyncio.create_task(self._run(link, entry), name=f"window {self.key} {entry.stage}")
                self._runs.add(task)
                task.add_done_callback(self._runs.discard)
                self._dirty = True

    async def _run(self, link: LiveLink, entry: Entry) -> None:
        """One attempt, and what comes of it."""
        plan, agenda = self.plan, self.agenda
        assert plan is not None and agenda is not None  # noqa: S101, PT018
        stage = plan.stages[entry.stage]
        clock, started = self._context.clock, self._context.clock()
        try:
            count = await self._counts.before(link, plan, stage, entry.window, self._context.now())
            if stage.native is not None:
                outcome = await run_native(link, stage, stage.native, entry.window, self._context.now, entry.attempt)
            else:
                outcome = await run_window(link, stage, entry.window)
            self._succeeded_run(entry, outcome, count, clock() - started)
        except AttemptFailed as failure:
            self._failed_run(entry, str(failure), clock() - started)
        except (Abandoned, InfluxError, NotLeader) as error:
            agenda.abandoned(entry, self._context.now())
            self._circuits[entry.stage].abandoned()
            self._paused_until = clock() + PAUSE
            log.info("a window waits for InfluxDB", pipeline=str(self.key), stage=entry.stage, error=str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("a run failed in a way it should not: please report this", pipeline=str(self.key))
            self._failed_run(entry, f"{type(error).__name__}: see the operator's log", clock() - started)
        finally:
            self._dirty = True
            self.wake.set()

    def _succeeded_run(self, entry: Entry, outcome: Outcome, count: int | None, seconds: float) -> None:
        agenda, writer, plan = self.agenda, self._writer, self.plan
        assert agenda is not None and writer is not None and plan is not None  # noqa: S101, PT018
        now = self._context.now()
        result = outcome.result
        record = WindowRecord(
            stage=entry.stage,
            window=entry.window,
            state=WindowState.SUCCESS,
            revision=entry.revision,
            attempt=entry.attempt,
            cause=entry.cause,
            rows=result.rows,
            series=result.series,
            bytes=result.bytes,
            checksum=result.checksum,
            source_count=count,
            duration=seconds,
            scanned_values=result.cost.scanned_values if result.cost else None,
            scanned_bytes=result.cost.scanned_bytes if result.cost else None,
            script=plan.stages[entry.stage].digest,
            backfill=entry.backfill,
            run_id=outcome.run_id,
            error="; ".join(outcome.warnings),
            ready_at=entry.ready_at,
            finished_at=now,
        )
        if agenda.succeeded(entry, now) is not None:
            return  # its source changed while it ran; what counts is the next run
        writer.put(record)
        self._succeeded += 1
        self._late_windows += entry.cause is Cause.LATE_DATA
        last = self._last.get(entry.stage)
        if last is None or last.window.stop <= entry.window.stop:
            self._last[entry.stage] = record
        if self._circuits[entry.stage].succeeded():
            self._voice.closed(entry.stage)
            self._revive(lambda other: other.stage == entry.stage)
        self._meter.succeeded(record)
        self._voice.warnings(entry, outcome.warnings)
        self.backfills.done(record, now)

    def _failed_run(self, entry: Entry, error: str, seconds: float) -> None:
        agenda, writer, plan = self.agenda, self._writer, self.plan
        assert agenda is not None and writer is not None and plan is not None  # noqa: S101, PT018
        now = self._context.now()
        opened = self._circuits[entry.stage].failed(now)
        retry = plan.retry
        again = None
        if entry.attempt <= retry.limit:
            again = now + timedelta(seconds=retry.wait(entry.attempt, random.random()))  # noqa: S311  (jitter, no secret)
        agenda.failed(entry, now, error, again)
        self._meter.failed(entry.stage)
        if opened:
            self._voice.opened(entry.stage, self._circuits[entry.stage].failures, plan.breaker_open, error)
        if entry.state is not WindowState.FAILED:
            return
        record = WindowRecord(
            stage=entry.stage,
            window=entry.window,
            state=WindowState.FAILED,
            revision=entry.revision,
            attempt=entry.attempt,
            cause=entry.cause,
            duration=seconds,
            script=plan.stages[entry.stage].digest,
            backfill=entry.backfill,
            error=error,
            ready_at=entry.ready_at,
            finished_at=now,
        )
        writer.put(record)
        self._voice.failed(entry, error)
        self.backfills.done(record, now)

    def _revive(self, which: Callable[[Entry], bool]) -> None:
        agenda, writer = self.agenda, self._writer
        assert agenda is not None and writer is not None  # noqa: S101, PT018
        for entry in agenda.revive(self._context.now(), which):
            writer.put(_again(entry))

    async def _look_for_late(self, link: LiveLink, now: datetime) -> None:
        """Look whether the sources of settled windows have changed, and run those again that have."""
        plan, agenda, writer = self.plan, self.agenda, self._writer
        assert plan is not None and agenda is not None and writer is not None  # noqa: S101, PT018
        await writer.drain()  # what it compares with is read from the ledger
        found = await self._late.look(link, plan, now)
        self._voice.late(found)
        self._meter.late(found)
        if not plan.rerun_late:
            return
        for record in found.reruns:
            entry = agenda.add(record.stage, record.window, now, cause=record.cause, revision=record.revision)
            writer.put(_again(entry))
        self._dirty = self._dirty or bool(found.reruns)

    def _advance(self, now: datetime) -> None:
        """Move the watermark over what is settled."""
        plan, agenda, writer = self.plan, self.agenda, self._writer
        assert plan is not None and agenda is not None and writer is not None and self._watermark is not None  # noqa: S101, PT018
        if self._added_to is None:
            return
        settled = watermark(plan, agenda.oldest_stop(), self._added_to + timedelta(seconds=plan.delay), self._watermark)
        if settled > self._watermark:
            self._watermark = settled
            writer.watermark(settled, now)
            self._dirty = True

    def _publish(self, now: datetime) -> None:
        """Have the status tell how things stand; the whole agenda is looked at once a second at most."""
        clock = self._context.clock()
        if not self._dirty or clock - self._published < PUBLISH_EVERY:
            return
        plan, agenda, writer = self.plan, self.agenda, self._writer
        assert plan is not None and agenda is not None and writer is not None  # noqa: S101, PT018
        self._dirty, self._published = False, clock
        self.facts = PipelineFacts(
            watermark=self._watermark,
            next_window=self._next,
            counts=agenda.counts(),
            succeeded=self._succeeded,
            late_windows=self._late_windows,
            stages=stage_facts(agenda, self._circuits, self._last),
            exceptions=exceptions(agenda, self._circuits),
            overdue=overdue(agenda, now),
            ledger_trouble=writer.trouble if writer.waiting > FULL // 10 else "",
        )
        self._meter.state(self.facts, agenda, now)
        self._tell(self.key)
        self._dirty = self.backfills.publish(agenda, now)

    def _sleep(self, now: datetime, usable: bool) -> float:
        """Seconds until something is due by time."""
        plan, agenda = self.plan, self.agenda
        assert plan is not None and agenda is not None  # noqa: S101, PT018
        clock = self._context.clock()
        waits = [IDLE]
        if not usable:
            waits.append(PAUSE)
        elif clock < self._paused_until:
            waits.append(self._paused_until - clock)
        moments = [agenda.next_retry(), self._late.next_at(plan)]
        if self._next is not None:
            moments.append(self._next.stop + timedelta(seconds=plan.delay))
        moments += [c.until for c in self._circuits.values() if c.state is CircuitState.OPEN]
        waits += [(moment - now).total_seconds() for moment in moments if moment is not None and moment > now]
        if self._dirty:
            waits.append(PUBLISH_EVERY - (clock - self._published))
        return max(0.01, min(waits))


def _again(entry: Entry) -> WindowRecord:
    """The mark in the ledger that a window is to run again, so that a restart does not forget it."""
    return WindowRecord(
        stage=entry.stage,
        window=entry.window,
        state=WindowState.READY,
        revision=entry.revision,
        attempt=0,
        cause=entry.cause,
        backfill=entry.backfill,
        ready_at=entry.ready_at,
    )
