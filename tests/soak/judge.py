"""What must hold at the end of a soak: judged from both servers, and from what passed the proxies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from influxops.core.durations import parse_retention
from tests.soak.objects import BACKFILL, PIPELINE, POLICY, STAGES, TASK
from tests.soak.site import INSTANCE
from tests.soak.windows import values
from tests.support.expect import condition, observed
from tests.support.history import marker_of
from tests.support.oracles import View, ownership

Item = dict[str, Any]
BEHIND = 420.0
"""Seconds that a watermark may be behind: a window of five minutes, and two of one."""
_RUNS_CHANGE = frozenset(
    {"latestCompleted", "lastRunStatus", "lastRunError", "latestScheduled", "latestSuccess", "latestFailure"}
)
"""Fields of a task that InfluxDB itself changes."""


def unsettled(objects: Iterable[Item], now: datetime) -> list[str]:
    """Objects that are not as their specs say yet, with what their status tells."""
    problems = []
    for item in objects:
        name, status, ready = f"{item['kind']}/{item['metadata']['name']}", item.get("status") or {}, condition(item)
        if "deletionTimestamp" in item["metadata"]:
            problems.append(f"{name} is being deleted: {ready.get('message')}")
        elif not observed(item) or not (ready.get("status") == "True" or _is_over(item)):
            problems.append(f"{name} {ready.get('reason')}: {ready.get('message')}")
        elif item["kind"] == PIPELINE and (late := _behind(item, status, now)):
            problems.append(f"{name}: {late}")
        elif item["kind"] == BACKFILL and status.get("phase") != "Succeeded":
            problems.append(f"{name} is {status.get('phase')}: {status.get('progress')}")
    return problems


def _is_over(item: Item) -> bool:
    return item["kind"] == BACKFILL and (item.get("status") or {}).get("phase") == "Succeeded"


def _behind(item: Item, status: Mapping[str, Any], now: datetime) -> str:
    counts = status.get("windows") or {}
    odd = {name: counts.get(name) for name in ("running", "failed") if counts.get(name)}
    if odd:
        return f"windows are {odd}: {status.get('exceptions')}"
    watermark = status.get("watermark")
    if watermark is None:
        return "it has no watermark yet"
    if not item["spec"].get("suspend") and (now - datetime.fromisoformat(watermark)).total_seconds() > BEHIND:
        return f"the watermark is {watermark}"
    return ""


def unowned(view: View) -> list[str]:
    """What of tasks and buckets is not as the objects say."""
    live = view.live(TASK)
    unmade = [
        name
        for name, item in live.items()
        if item["spec"].get("suspend") and "taskID" not in (item.get("status") or {})
    ]
    return ownership(view, INSTANCE, unmade=unmade) + _tasks(view, live) + _policies(view)


def _tasks(view: View, live: Mapping[str, Item]) -> list[str]:
    by_id = {task["id"]: task for task in view.tasks}
    problems = []
    for name, item in live.items():
        task = by_id.get((item.get("status") or {}).get("taskID") or "")
        if task is None:
            continue
        wanted = {
            "status": "inactive" if item["spec"].get("suspend") else "active",
            "description": item["spec"].get("description", ""),
        }
        found = {field: task.get(field) or "" for field in wanted}
        if found != wanted:
            problems.append(f"DRIFT: task of {name!r} has {found} instead of {wanted}")
        schedule = [field for field in ("every", "cron") if item["spec"].get(field)]
        if any(not task.get(field) for field in schedule):
            problems.append(f"DRIFT: task of {name!r} has no {schedule[0]}")
    return problems


def _policies(view: View) -> list[str]:
    buckets = {bucket["name"]: bucket for bucket in view.buckets}
    problems = []
    for name, item in view.live(POLICY).items():
        bucket = buckets.get(item["spec"]["bucket"])
        if bucket is None:
            problems.append(f"MISSING: RetentionPolicy {name!r} has no bucket")
            continue
        marker = marker_of(bucket)
        if marker is None or (marker.owner.instance, marker.owner.name) != (INSTANCE, name):
            problems.append(f"MARK: the bucket of RetentionPolicy {name!r} bears {marker}")
        kept = [rule["everySeconds"] for rule in bucket["retentionRules"]]
        if kept != [parse_retention(item["spec"]["retention"]).seconds]:
            problems.append(f"DRIFT: the bucket of RetentionPolicy {name!r} keeps {kept} s")
    return problems


def foreign(view: View, ids: Iterable[str]) -> str:
    """The things of others as text, without what InfluxDB itself changes."""
    return json.dumps(
        [
            {key: value for key, value in one.items() if key not in _RUNS_CHANGE}
            for one in json.loads(view.foreign(ids))
        ],
        sort_keys=True,
        indent=1,
    )


def windows(
    name: str, rows: Mapping[str, Mapping[datetime, float]], oldest: datetime, watermark: datetime
) -> list[str]:
    """What is missing or wrong in the destinations of a pipeline. ``rows``: value by time, by stage."""
    problems = []
    for stage, (every, wanted) in STAGES.items():
        stop = watermark if every <= timedelta(minutes=1) else oldest + (watermark - oldest) // every * every
        problems += values(f"{name}/{stage}", rows.get(stage, {}), oldest, stop, every, wanted)
    return problems
