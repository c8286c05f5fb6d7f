"""A window of a stage that InfluxDB schedules: wait for its run, repair it where it is missing or failed, prove it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from influxops.core.observed import UNFINISHED, Run, RunState
from influxops.core.pipeline.agenda.entry import Entry
from influxops.core.pipeline.plan import NativeTask, StagePlan
from influxops.core.pipeline.proofs.result import QueryResult, Series, Written
from influxops.core.pipeline.record import Cause
from influxops.core.pipeline.windows.window import Window
from influxops.core.set_back import SetBack
from influxops.core.slots import started_last
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.window_run import Abandoned, AttemptFailed, Outcome, meaning, prove, source_of
from influxops.influx.errors import InfluxError, NotFound

LOOK_EVERY = 1.0
"""Seconds between two looks for a run's end."""
GRACE = timedelta(seconds=10)
"""After the start of a slot, before a run that is missing is taken for missed: InfluxDB starts one within a second or two."""

CONFIRM = 2.0
"""Seconds from a look that saw a run under way, or the first look, to a run that is asked for: a run that has just ended is for a moment in
neither of InfluxDB's lists (docs/adr/0014).
"""
_ANEW = frozenset({Cause.LATE_DATA, Cause.UPSTREAM, Cause.BACKFILL})
"""Why a window that has succeeded is to run once more."""


async def run_native(
    link: LiveLink,
    stage: StagePlan,
    native: NativeTask,
    entry: Entry,
    now: Callable[[], datetime],
    clock: Callable[[], float],
) -> Outcome:
    """See the slot of the entry's window through. The first attempt takes what InfluxDB's own schedule did; each further one asks
    for a run, unless one succeeded meanwhile. Where the window runs again because what it reads has changed, or a backfill says
    so, a run counts only that nobody had begun before. ``now`` is the time of day, ``clock`` gives monotonic seconds. Raises
    AttemptFailed and Abandoned, also when the time of day is set back: the window may not have closed yet.
    """
    window = entry.window
    try:
        source = await source_of(link, stage, window)
        until, back = clock() + stage.timeout, SetBack()
        due = window.stop + timedelta(seconds=native.offset) + GRACE
        runs = await _runs(link, native, window)
        former = {run.id for run in runs} if entry.revision > 1 and entry.cause in _ANEW else set()
        failed = {run.id for run in runs if run.state not in UNFINISHED}
        asked, quiet = False, clock()
        while True:
            run = _latest([one for one in runs if one.id not in former])
            if run is not None and run.state is RunState.SUCCESS:
                return await _proven(link, stage, window, run, source)
            fresh = run is not None and (entry.attempt == 1 or run.id not in failed)
            if run is not None and run.state not in UNFINISHED and fresh:
                raise AttemptFailed(run.error or f"run {run.id} of task {native.task_id} {run.state.value}")
            if any(one.state in UNFINISHED for one in runs):
                quiet = clock()
            if not asked and now() >= due and clock() >= quiet + CONFIRM:
                with _there(native):
                    await link.call("start_run", lambda port: port.start_run(native.task_id, window.stop), write=True)
                asked = True
            if clock() >= until:
                raise AttemptFailed(
                    f"no run of task {native.task_id} for slot {window.stop} ended within {stage.timeout:g} s"
                )
            if back.by(now(), clock()):
                raise Abandoned(f"the clock was set back while a run of task {native.task_id} was waited for")
            await asyncio.sleep(LOOK_EVERY)
            runs = await _runs(link, native, window)
    except InfluxError as error:
        raise meaning(error, stage) from error


async def _runs(link: LiveLink, native: NativeTask, window: Window) -> list[Run]:
    with _there(native):
        return await link.call("list_runs", lambda port: port.list_runs(native.task_id, 20, window.stop))


@contextmanager
def _there(native: NativeTask) -> Iterator[None]:
    """While the task is asked for something. Raises Abandoned when it is gone: its InfluxTask makes it anew, and the plan then names that one."""
    try:
        yield
    except NotFound as error:
        where = f"InfluxTask {native.key.namespace}/{native.key.name}"
        raise Abandoned(f"task {native.task_id} of {where} is not there: {error}") from error


def _latest(runs: list[Run]) -> Run | None:
    """The run of the slot that matters: one that succeeded, else the latest."""
    return next((run for run in runs if run.state is RunState.SUCCESS), None) or started_last(runs)


async def _proven(
    link: LiveLink, stage: StagePlan, window: Window, run: Run, source: dict[Series, int] | None
) -> Outcome:
    """A run that succeeded, with what stands in the destination in place of the rows that nobody saw."""
    written = Written(0, {})
    target = stage.target
    if target is not None:
        written = await link.run(
            "read_written", lambda port: port.read_written(link.org_id, target, window, timeout=stage.timeout)
        )
    result = QueryResult(written.rows, len(written.counts), 0, written.checksum)
    outcome = Outcome(result, written if target is not None else None, run_id=run.id)
    return await prove(link, stage, window, outcome, source)
