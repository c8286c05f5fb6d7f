"""Calls on tasks and on their own run endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.core.observed import LogLine, Run, Task, TaskStatus
from influxops.influx import decode
from influxops.influx.buckets import MAX_PAGES, REPEATS, me
from influxops.influx.decode import decoded, entries
from influxops.influx.errors import Unavailable
from influxops.influx.http import Http, segment

PAGE = 500
"""The most tasks, and the most runs, that the server gives at once."""

_SECOND = timedelta(seconds=1)

READ = "read:tasks"
WRITE = "write:tasks"


async def list_tasks(http: Http, org_id: str) -> AsyncIterator[list[Task | str]]:
    """All tasks, page by page, each once; the next page is on its way while the caller works on one.

    Pages overlap by one task: the server seeks to the task named by ``after`` and then skips one, so that without
    the overlap a task would be missed whenever the named one is deleted between two pages. Without ``orgID`` only the
    tasks of the token's own user would come.
    """
    last = ""
    pages = 1
    pending: asyncio.Task[list[Any]] | None = asyncio.create_task(_page(http, org_id, ""))
    try:
        while pending is not None:
            found = await pending
            pending = None
            ids = [_id(entry) for entry in found]
            fresh = found[1:] if last and ids[:1] == [last] else found
            known = [task_id for task_id in ids if task_id]
            if len(found) >= PAGE and len(known) > 1 and known[-1] != last:
                last = known[-1]
                pages += 1
                if pages > MAX_PAGES:
                    raise Unavailable(http.speaker.say(f"the list of tasks has no end; {REPEATS}"))
                pending = asyncio.create_task(_page(http, org_id, known[-2]))
            if fresh:
                yield [decode.task_or_reason(entry) for entry in fresh]
            elif not last:
                await me(http)  # a token that was deactivated sees empty lists, and is told so only here
    finally:
        if pending is not None:  # the caller stopped early
            pending.cancel()
            await asyncio.gather(pending, return_exceptions=True)


async def _page(http: Http, org_id: str, after: str) -> list[Any]:
    params = {"orgID": org_id, "limit": str(PAGE)} | ({"after": after} if after else {})
    data = await http.call("GET", "/api/v2/tasks", params=params, right=READ)
    return decoded(lambda answer: entries(answer, "tasks"), data, http.speaker)


async def find_tasks(http: Http, org_id: str, name: str) -> list[Task]:
    """Every task of that exact name; more than 500 of one name are not looked for."""
    params = {"orgID": org_id, "name": name, "limit": str(PAGE)}
    data = await http.call("GET", "/api/v2/tasks", params=params, right=READ)
    found = decoded(lambda answer: [decode.task(entry) for entry in entries(answer, "tasks")], data, http.speaker)
    return [task for task in found if task.name == name]


async def get_task(http: Http, task_id: str) -> Task:
    """One task by its id."""
    found = _task(http, await http.call("GET", _path(task_id), right=READ))
    if found.id != task_id:
        raise Unavailable(http.speaker.say(f"answered another task than {task_id}; {REPEATS}"))
    return found


async def create_task(http: Http, org_id: str, flux: str, description: str) -> Task:
    """Create an active task: the server would run one that is created inactive all the same."""
    body = {"orgID": org_id, "flux": flux, "description": description, "status": TaskStatus.ACTIVE.value}
    return _task(http, await http.call("POST", "/api/v2/tasks", body=body, right=WRITE))


async def update_task(http: Http, task_id: str, status: TaskStatus, flux: str | None, description: str | None) -> Task:
    """Change what is given. Name and schedule are never sent: the server would reprint the script."""
    body: dict[str, Any] = {"status": status.value}
    if flux is not None:
        body["flux"] = flux
    if description is not None:
        body["description"] = description
    return _task(http, await http.call("PATCH", _path(task_id), body=body, right=WRITE))


async def delete_task(http: Http, task_id: str) -> None:
    """Delete a task; its runs stay in ``_tasks`` until they expire."""
    await http.done("DELETE", _path(task_id), right=WRITE)


async def list_runs(http: Http, task_id: str, limit: int, slot: datetime | None) -> list[Run]:
    """The latest runs by the task's own endpoint, or those of one slot, newest first; ``limit`` from 1 to 500."""
    params = {"limit": str(max(1, min(limit, PAGE)))}
    if slot is not None:  # both ends are exclusive, and slots are whole seconds
        params |= {"afterTime": _rfc3339(slot - _SECOND), "beforeTime": _rfc3339(slot + _SECOND)}
    data = await http.call("GET", f"{_path(task_id)}/runs", params=params, right=READ)
    return decoded(lambda answer: _runs(entries(answer, "runs")), data, http.speaker)


async def get_run(http: Http, task_id: str, run_id: str) -> Run:
    """One run, also one that waits or is under way."""
    data = await http.call("GET", f"{_path(task_id)}/runs/{segment(run_id)}", right=READ)
    return decoded(decode.run, data, http.speaker)


async def run_log(http: Http, task_id: str, run_id: str) -> list[LogLine]:
    """The log of a run."""
    data = await http.call("GET", f"{_path(task_id)}/runs/{segment(run_id)}/logs", right=READ)
    return decoded(lambda answer: [decode.log_line(entry) for entry in entries(answer, "events")], data, http.speaker)


async def start_run(http: Http, task_id: str, slot: datetime) -> Run:
    """Ask for a run of a slot; the server begins it within about a second. Asked twice, it runs twice."""
    body = {"scheduledFor": _rfc3339(slot)}
    data = await http.call("POST", f"{_path(task_id)}/runs", body=body, right=WRITE)
    return decoded(decode.run, data, http.speaker)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _runs(found: list[Mapping[str, Any]]) -> list[Run]:
    runs = {entry["id"]: decode.run(entry) for entry in found}
    return sorted(runs.values(), key=lambda run: (run.scheduled_for, run.id), reverse=True)


def _path(task_id: str) -> str:
    return f"/api/v2/tasks/{segment(task_id)}"


def _task(http: Http, data: Any) -> Task:
    return decoded(decode.task, data, http.speaker)


def _id(entry: Any) -> str:
    found = entry.get("id") if isinstance(entry, dict) else None
    return found if isinstance(found, str) else ""
