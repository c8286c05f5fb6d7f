"""One run of one stage over one window, as a query: delete if it replaces, run, prove."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from influxops.core.pipeline.agenda.entry import Entry
from influxops.core.pipeline.checks import Evidence, judge, needs
from influxops.core.pipeline.plan import StagePlan
from influxops.core.pipeline.proofs.result import QueryResult, Series, Target, Written
from influxops.core.pipeline.record import Points
from influxops.core.pipeline.script import in_users_places, window_script
from influxops.core.pipeline.windows.task_cadence import SlotCadence
from influxops.core.pipeline.windows.window import Window
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.counting import expiry_of
from influxops.influx.errors import (
    Forbidden,
    InfluxError,
    Invalid,
    NotFound,
    RateLimited,
    ScriptFailed,
    Unauthorized,
    Unavailable,
)
from influxops.influx.http import TimedOut
from influxops.influx.port import InfluxPort

UNANSWERED = 10.0
"""Seconds that a bucket is kept after a delete without an answer, which may still be under way."""


class Abandoned(Exception):
    """InfluxDB did not answer, or the lease is lost: nothing is known of the attempt, and it does not count."""


class AttemptFailed(Exception):
    """The attempt has failed; the text says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt that succeeded gave."""

    result: QueryResult
    written: Written | None = None
    warnings: tuple[str, ...] = ()
    run_id: str = ""


def spoils(link: LiveLink, stage: StagePlan, entry: Entry, now: datetime) -> bool:
    """Whether a run would lose points: the window has what an earlier run made of all of its source, which has begun to expire."""
    if entry.points is not Points.KEPT:
        return False
    edge = expiry_of(link, stage.inputs, now)
    return edge is not None and entry.window.start < edge


async def run_window(link: LiveLink, stage: StagePlan, window: Window, answered: Callable[[], None]) -> Outcome:
    """Run and prove one window. ``answered`` is called when nothing more will be asked of InfluxDB, if that is known before the
    end. Raises AttemptFailed and Abandoned; safe to repeat after either.
    """
    try:
        source = await source_of(link, stage, window)
        if stage.replace and stage.target is not None:
            await _delete(link, stage.target, window)
        async with link.gates.writing(link.org_id, _written_by(stage)):
            result = await _run(link, stage, window, None if stage.checks else answered)
        return await prove(link, stage, window, Outcome(result), source)
    except InfluxError as error:
        raise meaning(error, stage) from error


async def _delete(link: LiveLink, target: Target, window: Window) -> None:
    """Delete the window's points, with nobody else at work in the bucket. A run that is cancelled meanwhile ends only once the
    delete has: InfluxDB goes on with what it was sent.
    """
    sent = asyncio.Event()

    async def delete() -> None:
        def send(port: InfluxPort) -> Awaitable[None]:
            sent.set()
            return port.delete_points(link.org_id, target.bucket, window, target.measurement)

        try:
            await link.call("delete_points", send, write=True)
        except Unavailable:
            await asyncio.sleep(UNANSWERED)
            raise

    async with link.gates.deleting(link.org_id, target.bucket):
        deleting = asyncio.create_task(delete())
        try:
            await asyncio.shield(deleting)
        except asyncio.CancelledError:
            if not sent.is_set():
                deleting.cancel()
            await asyncio.gather(deleting, return_exceptions=True)
            raise


def _written_by(stage: StagePlan) -> set[str]:
    """Buckets, as far as they are known."""
    return {*stage.facts.writes, *([stage.target.bucket] if stage.target is not None else [])}


async def _run(link: LiveLink, stage: StagePlan, window: Window, answered: Callable[[], None] | None) -> QueryResult:
    """Run the script. Raises AttemptFailed with places in the user's own text, and the errors of the port."""
    moment = now_of(stage, window)
    if stage.as_is:
        return await _ask(link, stage, stage.script, moment, answered)
    sent = window_script(stage.script, stage.facts, window, stage.cadence.period)
    try:
        return await _ask(link, stage, sent.text, moment, answered)
    except ScriptFailed as error:
        raise AttemptFailed(in_users_places(str(error), stage.script, sent)) from error


async def _ask(
    link: LiveLink, stage: StagePlan, flux: str, moment: datetime, answered: Callable[[], None] | None
) -> QueryResult:
    try:
        return await link.run(
            "run_script", lambda port: port.run_script(link.org_id, flux, moment, stage.timeout, answered=answered)
        )
    except Forbidden as error:
        if error.right:
            raise
        raise AttemptFailed(f"{error}; the token needs to read and write the buckets of the script") from error


def now_of(stage: StagePlan, window: Window) -> datetime:
    """What ``now()`` is in the script: the end of the window, and for an InfluxTask the slot of its schedule."""
    cadence = stage.cadence
    return cadence.slot_of(window) if isinstance(cadence, SlotCadence) else window.stop


async def source_of(link: LiveLink, stage: StagePlan, window: Window) -> dict[Series, int] | None:
    """Counts of the source's series before the run, where a check compares with them."""
    source = stage.source
    if source is None or not needs(stage.checks, native=stage.native is not None).source:
        return None
    return await link.run(
        "count_by_series", lambda port: port.count_by_series(link.org_id, source, window, timeout=stage.timeout)
    )


async def prove(
    link: LiveLink, stage: StagePlan, window: Window, outcome: Outcome, source: dict[Series, int] | None
) -> Outcome:
    """Hold the checks against what was written. Raises AttemptFailed for one of severity Error."""
    if not stage.checks:
        return outcome
    written: Written | None = outcome.written
    target = stage.target
    if target is not None and written is None and needs(stage.checks, native=stage.native is not None).written:
        written = await link.run(
            "read_written", lambda port: port.read_written(link.org_id, target, window, timeout=stage.timeout)
        )
    evidence = Evidence(outcome.result if not outcome.run_id else None, source, written)
    verdicts = [verdict for verdict in judge(stage.checks, evidence, window) if not verdict.passed]
    errors = [verdict.message for verdict in verdicts if verdict.check.blocks]
    if errors:
        raise AttemptFailed("; ".join(errors))
    return replace(outcome, written=written, warnings=tuple(verdict.message for verdict in verdicts))


def meaning(error: InfluxError, stage: StagePlan) -> Exception:
    """What an error of InfluxDB means for an attempt: AttemptFailed or Abandoned."""
    match error:
        case TimedOut():
            return AttemptFailed(
                f"no answer within {stage.timeout:g} s: raise timeout of the stage, or have it read less at a time"
            )
        case Forbidden(right=right) if right:
            return AttemptFailed(f"{error}; the token needs {right}")
        case RateLimited() | Unauthorized() | Unavailable():
            return Abandoned(str(error))
        case ScriptFailed() | NotFound() | Invalid() | Forbidden():
            return AttemptFailed(str(error))
        case _:
            return Abandoned(str(error))
