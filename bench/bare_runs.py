"""The bare loop of a busy database: a query an interval, and one status a task whose latest run is new."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from datetime import UTC, datetime
from typing import Any

from bench.clients import Influx, Kube
from bench.objects import bare_status
from bench.site import STATUS_RATE, SYNC_INTERVAL

QUERY = (
    'from(bucket: "_tasks") |> range(start: {since})'
    ' |> filter(fn: (r) => r._measurement == "runs" and (r._field == "runID" or r._field == "scheduledFor"'
    ' or r._field == "finishedAt"))'
    ' |> keep(columns: ["_time", "_value", "_field", "taskID", "status"])'
    ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> group()'
)
LOOK_BACK = 90
"""Seconds before the sweep from which on runs are asked for: more than a run and an interval take."""


async def busy(kube: Kube, influx: Influx, job: dict[str, Any]) -> dict[str, Any]:
    """Follow runs for ``seconds``; the first ``warm_up`` seconds do not count."""
    owners = {item["status"]["taskID"]: item["metadata"] for item in await kube.pages() if item.get("status")}
    written: dict[str, str] = {}
    lags: list[float] = []
    began = time.monotonic()
    cpu, counted = 0.0, 0.0
    while time.monotonic() - began < job["warm_up"] + job["seconds"]:
        turn = time.monotonic()
        if not counted and turn - began >= job["warm_up"]:
            cpu, counted = time.process_time(), turn
        latest = await _latest(influx)
        new = [(task_id, run) for task_id, run in latest.items() if written.get(task_id) != run["runID"]]
        async with asyncio.TaskGroup() as group:
            for number, (task_id, run) in enumerate(new):
                written[task_id] = run["runID"]
                if task_id not in owners:
                    continue
                due = turn + number / STATUS_RATE - time.monotonic()
                await asyncio.sleep(max(0.0, due))
                group.create_task(_write(kube, owners[task_id], task_id, run, lags if counted else []))
        await asyncio.sleep(max(0.0, SYNC_INTERVAL - (time.monotonic() - turn)))
    return {"cpu": (time.process_time() - cpu) / (time.monotonic() - counted), "lags": lags}


async def _latest(influx: Influx) -> dict[str, dict[str, str]]:
    """The latest run of each task."""
    answer = await influx.query(QUERY.format(since=f"-{LOOK_BACK}s"))
    latest: dict[str, dict[str, str]] = {}
    for row in csv.DictReader(io.StringIO(answer.decode())):
        known = latest.get(row["taskID"])
        if known is None or row["scheduledFor"] > known["scheduledFor"]:
            latest[row["taskID"]] = row
    return latest


async def _write(kube: Kube, meta: dict[str, Any], task_id: str, run: dict[str, str], lags: list[float]) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    status = bare_status(task_id, meta["generation"], "0" * 64, now, "1m")
    entry = {
        "id": run["runID"],
        "state": run["status"],
        "scheduledFor": run["scheduledFor"],
        "startedAt": _milliseconds(run["_time"]),
        "finishedAt": _milliseconds(run["finishedAt"]),
    }
    await kube.apply_status(meta["name"], meta["uid"], {**status, "lastRun": entry, "history": [entry]})
    lags.append(time.time() - instant(run["finishedAt"]))


def _milliseconds(text: str) -> str:
    return datetime.fromtimestamp(instant(text), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def instant(text: str) -> float:
    """An RFC 3339 time in UTC as seconds of Unix time."""
    return datetime.fromisoformat(text).timestamp()
