"""From InfluxDB's JSON to the values of core/observed. Raises KeyError, TypeError or ValueError for foreign shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from influxops.core.observed import Bucket, LogLine, Run, RunState, Task, TaskStatus, User
from influxops.influx.answers import Speaker
from influxops.influx.errors import Unavailable
from influxops.influx.runlog import cause_in, without_script

T = TypeVar("T")

_STATUS = {status.value: status for status in TaskStatus}
SHAPE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


def instant(text: str) -> datetime:
    """An RFC 3339 time; digits beyond the microsecond are dropped."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def task(data: Mapping[str, Any]) -> Task:
    """One task. A task whose optional fields are missing is still a task; id, name, flux and status must be there."""
    created = data.get("createdAt") or "1970-01-01T00:00:00Z"
    updated = data.get("updatedAt") or created
    task_id, org_id, name, flux = data["id"], data["orgID"], data["name"], data["flux"]
    # By type and not by _text: this is called for every task of every sweep.
    if not (type(task_id) is type(org_id) is type(name) is type(flux) is str):
        raise TypeError("id, orgID, name or flux is no text")
    created_at = instant(created)
    return Task(
        task_id,
        org_id,
        data.get("ownerID") or "",
        name,
        _STATUS[data["status"]],
        data.get("description") or "",
        flux,
        data.get("every") or "",
        data.get("cron") or "",
        data.get("offset") or "",
        created_at,
        created_at if updated == created else instant(updated),
    )


def task_or_reason(data: Any) -> Task | str:
    """One task of a list, or ``<id>: <why>`` when it cannot be decoded."""
    try:
        return task(data)
    except SHAPE_ERRORS as error:
        name = data.get("id") if isinstance(data, dict) else None
        return f"{name or 'unknown id'}: {type(error).__name__} {error}"[:200]


def bucket(data: Mapping[str, Any]) -> Bucket:
    """One bucket; no rule means for ever, and a shard group that is not shown is 0."""
    rules = data.get("retentionRules") or [{}]
    return Bucket(
        id=_text(data, "id"),
        org_id=data.get("orgID") or "",
        name=_text(data, "name"),
        type=data.get("type") or "user",
        description=data.get("description") or "",
        retention=int(rules[0].get("everySeconds") or 0),
        shard_group=int(rules[0].get("shardGroupDurationSeconds") or 0),
    )


def run(data: Mapping[str, Any]) -> Run:
    """One run of the runs endpoint. Its log is part of the answer, with the script: only the cause is kept."""
    state = RunState(data["status"])
    messages = [str(entry.get("message") or "") for entry in data.get("log") or []]
    requested = _instant_or_none(data, "requestedAt")
    return Run(
        id=_text(data, "id"),
        task_id=_text(data, "taskID"),
        state=state,
        scheduled_for=instant(data["scheduledFor"]),
        started_at=_instant_or_none(data, "startedAt"),
        finished_at=_instant_or_none(data, "finishedAt"),
        error=cause_in(messages) if state is RunState.FAILED else "",
        requested_at=requested if requested is not None and requested.year > 1 else None,
    )


def log_line(data: Mapping[str, Any]) -> LogLine:
    """One line of a run's log, without the script."""
    return LogLine(str(data.get("time") or ""), without_script(_text(data, "message")))


def org(data: Mapping[str, Any]) -> tuple[str, str]:
    """Name and id of an organization."""
    return _text(data, "name"), _text(data, "id")


def user(data: Mapping[str, Any]) -> User:
    """The user of a token."""
    return User(_text(data, "id"), data.get("name") or "")


def entries(data: Any, key: str) -> list[Any]:
    """The list under a key; an absent list is empty, as Go writes nil."""
    found = data[key]
    if found is None:
        return []
    if not isinstance(found, list):
        raise TypeError(f"{key} is no list")
    return found


def decoded(decoder: Callable[[Any], T], data: Any, speaker: Speaker) -> T:
    """Decode one answer; a foreign shape is Unavailable: whatever answered is not the InfluxDB we know."""
    try:
        return decoder(data)
    except SHAPE_ERRORS as error:
        raise Unavailable(
            speaker.say(f"answered JSON of an unknown form ({error}); is this address really InfluxDB 2?")
        ) from error


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str):
        raise TypeError(f"{key} is no text")
    return value


def _instant_or_none(data: Mapping[str, Any], key: str) -> datetime | None:
    text = data.get(key)
    return instant(text) if text else None
