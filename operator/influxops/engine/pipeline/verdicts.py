"""What the end of an attempt means: for the agenda, the circuit, the ledger, the metrics and for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from influxops.core.pipeline.agenda.entry import UNDECIDED, Entry
from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.engine.pipeline.backfills import Backfills
from influxops.engine.pipeline.course import Course
from influxops.engine.pipeline.meter import Meter
from influxops.engine.pipeline.voice import Voice
from influxops.engine.pipeline.window_run import Outcome


class Verdicts:
    """Of one loop. Nothing here waits, so what it does to the agenda and to the ledger belongs together."""

    def __init__(self, voice: Voice, meter: Meter, backfills: Backfills) -> None:
        self._voice = voice
        self._meter = meter
        self._backfills = backfills

    def succeeded(
        self, course: Course, entry: Entry, outcome: Outcome, count: int | None, seconds: float, now: datetime
    ) -> None:
        """The attempt has succeeded; ``count`` are the points of its source just before."""
        result, source = outcome.result, course.plan.stages[entry.stage].source
        record = replace(
            _record(course, entry, WindowState.SUCCESS, seconds, now),
            rows=result.rows,
            series=result.series,
            bytes=result.bytes,
            checksum=result.checksum,
            source_count=count,
            source="" if count is None or source is None else source.digest,
            query_micros=round(result.cost.total * 1e6) if result.cost else None,
            max_allocated=result.cost.max_allocated if result.cost else None,
            run_id=outcome.run_id,
            error="; ".join(outcome.warnings),
        )
        settled = course.agenda.succeeded(entry, now) is None
        course.pauses.over(entry.stage)
        if course.circuits[entry.stage].succeeded():
            self._voice.closed(entry.stage)
            course.heal(entry.stage, now)
        if not settled:
            return  # its source changed while it ran; what counts is the next run
        course.writer.put(record)
        if course.fresh is not None:
            course.fresh[entry.place] = record.revision
        course.succeeded += 1
        course.late_windows += entry.cause is Cause.LATE_DATA
        last = course.last.get(entry.stage)
        if last is None or last.window.stop <= entry.window.stop:
            course.last[entry.stage] = record
        self._meter.succeeded(record)
        self._voice.warnings(entry, outcome.warnings)
        self._backfills.done(record, now)

    def failed(self, course: Course, entry: Entry, error: str, seconds: float, now: datetime) -> None:
        """The attempt has failed; another one follows, or the window has failed."""
        circuit, retry = course.circuits[entry.stage], course.plan.retry
        opened = circuit.failed(now)
        course.pauses.over(entry.stage)
        again = None
        if entry.attempt <= retry.limit:
            again = now + timedelta(seconds=retry.pauses.after(entry.attempt, f"{entry.stage} {entry.window}"))
        course.agenda.failed(entry, now, error, again)
        self._meter.failed(entry.stage)
        if opened:
            self._voice.opened(entry.stage, circuit.failures, course.plan.breaker_open, error)
        if entry.state is not WindowState.FAILED:
            return
        record = replace(_record(course, entry, WindowState.FAILED, seconds, now), error=error)
        course.writer.put(record)
        self._voice.failed(entry, error)
        self._backfills.done(record, now)

    def expired(self, course: Course, entry: Entry, now: datetime) -> None:
        """It is not run again, for its source has begun to expire: what the run before made of all of it stands."""
        record = replace(
            _record(course, entry, WindowState.SUCCESS, 0.0, now),
            duration=None,
            error="it was to run again, and its source began to expire before it could; it keeps what it has",
        )
        course.circuits[entry.stage].abandoned(now)
        if course.agenda.succeeded(entry, now) is not None:
            return  # once more, for yet another change: the same will be said then
        course.writer.put(record)
        course.dirty = True
        self._voice.expired(entry)
        self._backfills.done(record, now)

    def abandoned(self, course: Course, entry: Entry, now: datetime, error: str = "") -> None:
        """InfluxDB did not answer, or we end (no ``error``): nothing is known, and nothing counts. The stage is left alone for a while, and
        no other: it may be something that concerns this one only.
        """
        course.agenda.abandoned(entry, now, error)
        course.circuits[entry.stage].abandoned(now)
        if not error:
            return
        course.pauses.begin(entry.stage)
        if entry.undecided == UNDECIDED:
            self._voice.undecided(entry)


def _record(course: Course, entry: Entry, state: WindowState, seconds: float, now: datetime) -> WindowRecord:
    """What every record of an attempt tells, before the agenda changes the entry."""
    return WindowRecord(
        stage=entry.stage,
        window=entry.window,
        state=state,
        revision=entry.revision,
        attempt=entry.attempt,
        cause=entry.cause,
        duration=seconds,
        script=course.plan.stages[entry.stage].digest,
        backfill=entry.backfill,
        points=Points.UNKNOWN if state is WindowState.SUCCESS else entry.points,
        ready_at=entry.ready_at,
        finished_at=now,
    )
