"""The runs that InfluxDB has made of the operator's tasks, as InfluxDB itself has noted them: a task that is gone has left its own."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from tests.support.steps import Run

QUERY = (
    'from(bucket: "_tasks") |> range(start: -1d) |> filter(fn: (r) => r._measurement == "runs" and '
    '(r._field == "scheduledFor" or r._field == "finishedAt" or r._field == "runID")) '
    '|> group() |> keep(columns: ["_time", "_value", "_field", "taskID", "status"]) '
    '|> pivot(rowKey: ["_time", "taskID", "status"], columnKey: ["_field"], valueColumn: "_value")'
)
"""What has ended, by the time at which it began."""


def task_runs(rows: Iterable[dict[str, str]], stage: str, every: timedelta, foreign: Iterable[str]) -> list[Run]:
    """The runs as those of a stage, in the order in which they began; none of the tasks of others."""
    since = time.monotonic() - time.time()
    strangers = set(foreign)
    found = []
    for row in rows:
        if row["taskID"] in strangers:
            continue
        slot = datetime.fromisoformat(row["scheduledFor"])
        began, ended = (datetime.fromisoformat(row[name]).timestamp() + since for name in ("_time", "finishedAt"))
        found.append(Run(stage, slot - every, slot, began, ended, row["status"] == "success"))
    return sorted(found, key=lambda run: run.asked)
