"""A window of a stage that InfluxDB schedules: wait for its run, repair it where it is missing or failed, prove it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from influxops.core.observed import UNFINISHED, Run, RunState
from influxops.core.pipeline.plan import NativeTask, StagePlan
from influxops.core.pipeline.result import QueryResult, Series, Written
from influxops.core.pipeline.window import Window
from influxops.core.slots import started_last
from influxops.engine.link import LiveLink
from influxops.engine.pipeline.window_run import AttemptFailed, Outcome, meaning, prove, source_of
from influxops.influx.errors import InfluxError

LOOK_EVERY = 1.0
"""Seconds between two looks for a run's end."""
GRACE = timedelta(seconds=10)
"""After the start of a slot, before a run that is missing is taken for missed: InfluxDB starts one within a second or two."""


async def run_native(
    link: LiveLink, stage: StagePlan, native: NativeTask, window: Window, now: Callable[[], datetime], attempt: int
) -> Outcome:
    """See the slot of the window through. The first attempt takes what InfluxDB's own schedule did; each further one asks for
    a run, unless one succeeded meanwhile. Raises AttemptFailed and Abandoned.
    """
    try:
        source = await source_of(link, stage, window)
        until = now() + timedelta(seconds=stage.timeout)
        due = window.stop + timedelta(seconds=native.offset) + GRACE
        runs = await _runs(link, native, window)
        failed = {run.id for run in runs if run.state not in UNFINISHED}
        asked = False
        while True:
            run = _latest(runs)
            if run is not None and run.state is RunState.SUCCESS:
                return await _proven(link, stage, window, run, source)
            fresh = run is not None and (attempt == 1 or run.id not in failed)
            if run is not None and run.state not in UNFINISHED and fresh:
                raise AttemptFailed(run.error or f"run {run.id} of task {native.task_id} {run.state.value}")
            if (run is None or run.state not in UNFINISHED) and not asked and now() >= due:
                await link.call("start_run", lambda port: port.start_run(native.task_id, window.stop), write=True)
                asked = True
            if now() >= until:
                raise AttemptFailed(
                    f"no run of task {native.task_id} for slot {window.stop} ended within {stage.timeout:g} s"
                )
            await asyncio.sleep(LOOK_EVERY)
            runs = await _runs(link, native, window)
    except InfluxError as error:
        raise meaning(error, stage) from error


async def _runs(link: LiveLink, native: NativeTask, window: Window) -> list[Run]:
    return await link.call("list_runs", lambda port: port.list_runs(native.task_id, 20, window.stop))


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
