"""Finished runs of all tasks, by one query over the system bucket ``_tasks``.

Its schema (influxd 2.7): measurement ``runs``, tags ``taskID`` and ``status``, ``_time`` is the start of the run; fields,
all text: ``runID``, ``scheduledFor``, ``startedAt``, ``finishedAt``, ``requestedAt``, ``name``, ``flux``, ``logs`` and two of
tracing. A record appears when the run ends. The bucket keeps 3 days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from influxops.core.flux.quote import quote_string, quote_time
from influxops.core.observed import Run, RunState
from influxops.influx.decode import SHAPE_ERRORS, instant
from influxops.influx.errors import Forbidden, NotFound
from influxops.influx.http import Http
from influxops.influx.query import Row, query
from influxops.influx.runlog import TAIL, cause

RIGHT = "read:orgs"
"""System buckets are readable with the organization (measured on 2.7.12)."""

_BATCH = 200
"""Ids in one filter; longer chains make the query itself slow."""

_STATES = {state.value: state for state in RunState}


async def recent_runs(http: Http, org_id: str, since: datetime, task_ids: Collection[str] | None) -> list[Run]:
    """Finished runs that started at or after ``since``, one a run id, oldest slot first."""
    found: dict[str, Run] = {}
    for ids in [None] if task_ids is None else _batches(task_ids):
        for row in await _query(http, org_id, _runs_query(since, ids)):
            run = _run(row)
            if run is not None:
                found[run.id] = run
    return sorted(found.values(), key=lambda run: (run.scheduled_for, run.id))


async def run_errors(http: Http, org_id: str, since: datetime, run_ids: Collection[str]) -> dict[str, str]:
    """The causes of failed runs; ids without a record or without a cause are left out."""
    found: dict[str, str] = {}
    for ids in _batches(run_ids):
        rows = await _query(http, org_id, _errors_query(since, ids))
        found |= {row.get("runID", ""): cause(row.get("logs", "")) for row in rows}
    return {run_id: text for run_id, text in found.items() if run_id in run_ids and text}


async def _query(http: Http, org_id: str, flux: str) -> list[Row]:
    """Every organization has ``_tasks``: when it is not found, the token may not see it."""
    try:
        return await query(http, org_id, flux, right=RIGHT)
    except NotFound as error:
        raise Forbidden(
            http.speaker.say(f"the token has no right {RIGHT}, which the runs in _tasks need"), RIGHT
        ) from error


def _runs_query(since: datetime, task_ids: Sequence[str] | None) -> str:
    only = "" if task_ids is None else f" and ({_any_of('taskID', task_ids)})"
    return (
        f'from(bucket: "_tasks") |> range(start: {quote_time(since)})'
        f' |> filter(fn: (r) => r._measurement == "runs"{only} and ({_any_of("_field", _FIELDS)}))'
        ' |> keep(columns: ["_time", "_value", "_field", "taskID", "status"])'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        " |> group()"
    )


_FIELDS = ("runID", "scheduledFor", "finishedAt")


def _errors_query(since: datetime, run_ids: Sequence[str]) -> str:
    return (
        'import "strings" '
        f'from(bucket: "_tasks") |> range(start: {quote_time(since)})'
        ' |> filter(fn: (r) => r._measurement == "runs" and r.status == "failed"'
        ' and (r._field == "runID" or r._field == "logs"))'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
        f" |> filter(fn: (r) => {_any_of('runID', run_ids)})"
        " |> group()"
        " |> map(fn: (r) => ({runID: r.runID, logs:"
        f" if strings.strlen(v: r.logs) > {TAIL} then"
        f" strings.substring(v: r.logs, start: strings.strlen(v: r.logs) - {TAIL}, end: strings.strlen(v: r.logs))"
        " else r.logs}))"
    )


def _any_of(column: str, values: Sequence[str]) -> str:
    return " or ".join(f"r.{column} == {quote_string(value)}" for value in values)


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), _BATCH):
        yield wanted[start : start + _BATCH]


def _run(row: Row) -> Run | None:
    """One row; None when it is no whole record, so that one bad row never hides the others."""
    try:
        finished = row.get("finishedAt")
        return Run(
            id=row["runID"],
            task_id=row["taskID"],
            state=_STATES[row["status"]],
            scheduled_for=instant(row["scheduledFor"]),
            started_at=instant(row["_time"]),
            finished_at=instant(finished) if finished else None,
        )
    except SHAPE_ERRORS:
        return None
