"""A plan as ``status.plan`` shows it, and the hash that an approval names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from influxops.core.bucket_plan import DesiredBucket
from influxops.core.desired import DesiredTask
from influxops.core.fields import field_changes
from influxops.core.marker import read_description, read_script, sha256
from influxops.core.observed import Bucket, Task
from influxops.core.plan import (
    Action,
    Change,
    CreateBucket,
    CreateTask,
    DeleteTask,
    Plan,
    RecreateTask,
    UpdateBucket,
    UpdateTask,
)
from influxops.core.record import canonical

MAX_DIFF = 4096
"""Characters of a diff in status."""
DIGITS = 16
"""Of the hash."""

Actions = list[dict[str, Any]]


def pending(actions: Actions, basis: Any, previous: Mapping[str, Any] | None, now: str) -> dict[str, Any]:
    """The ``status.plan`` of these actions; ``previous`` itself when it is the same plan.

    ``basis`` is everything the plan rests on: when any of it changes, so does the hash. The time at which the plan was
    first made goes into the hash, so that an approval counts once: the same change found again later waits again.
    """
    created = str((previous or {}).get("createdAt") or "")
    if previous is not None and created and previous.get("hash") == _hash(actions, basis, created):
        return dict(previous)
    return {"hash": _hash(actions, basis, now), "actions": actions, "createdAt": now}


def is_rest_of(previous: Mapping[str, Any], actions: Actions, basis: Any) -> bool:
    """Whether these actions are a previous plan, or what is left of it after its first deletions, in the same world.

    Deletions come first in a plan and concern other tasks than the one that the plan rests on: whoever has approved the
    whole of it has approved the rest. The hash vouches for what was shown; a status that somebody has edited does not.
    """
    whole, created = previous.get("actions") or [], str(previous.get("createdAt") or "")
    done = whole[: max(0, len(whole) - len(actions))]
    if not created or any(action.get("action") != "delete" for action in done):
        return False
    return bool(previous.get("hash") == _hash([*done, *actions], basis, created))


def _hash(actions: Actions, basis: Any, created: str) -> str:
    return sha256(canonical([basis, actions, created]).decode())[:DIGITS]


def task_basis(desired: DesiredTask, current: Task | None) -> Any:
    """What a plan for a task rests on."""
    wanted = [desired.digest, desired.status.value, desired.description]
    if current is None:
        return [wanted, None]
    return [wanted, [current.id, sha256(current.flux), current.status.value, current.description, current.name]]


def task_actions(plan: Plan, desired: DesiredTask, current: Task | None, *, limit: int | None = MAX_DIFF) -> Actions:
    """The actions of a plan for a task, as status shows them. ``current`` is the task that an update changes.

    ``limit``: characters of a diff; None for all.
    """
    return [_task_action(action, desired, current, limit) for action in plan.actions]


def _task_action(action: Action, desired: DesiredTask, current: Task | None, limit: int | None) -> dict[str, Any]:
    match action:
        case CreateTask():
            fields = {"name": desired.name, "schedule": desired.schedule_text, "description": desired.description}
            return {
                "action": "create",
                "changes": _from_nothing(fields),
                "diff": script_diff("", desired.rendered.text, limit),
            }
        case RecreateTask(task_id=task_id, owner=owner, user=user):
            moved = [{"field": "owner", "old": owner, "new": user}] if user and user != owner else []
            return {"action": "recreate", "id": task_id, "changes": moved}
        case DeleteTask(task_id=task_id):
            return {"action": "delete", "id": task_id}
        case UpdateTask(task_id=task_id, changes=changes, adopt=adopt):
            shown = [_shown(change) for change in changes if change.field not in {"script", "status"}]
            if current is not None and desired.status is not current.status:
                shown.append({"field": "status", "old": current.status.value, "new": desired.status.value})
            entry: dict[str, Any] = {"action": "adopt" if adopt else "update", "id": task_id, "changes": shown}
            diff = (
                script_diff(read_script(current.flux)[1], desired.rendered.text, limit) if current is not None else ""
            )
            if diff:
                entry["diff"] = diff
            return entry
        case _:
            raise TypeError(f"{type(action).__name__} is no action on a task")


def bucket_basis(desired: DesiredBucket, bucket: Bucket | None) -> Any:
    """What a plan for a bucket rests on."""
    wanted = [desired.retention, desired.shard_group, desired.stored_description(bucket.description if bucket else "")]
    if bucket is None:
        return [wanted, None]
    return [wanted, [bucket.id, bucket.retention, bucket.shard_group, bucket.description]]


def bucket_actions(plan: Plan, settings: Mapping[str, str]) -> Actions:
    """The actions of a plan for a bucket. ``settings`` are those of a bucket that is to be created, by name."""
    shown: Actions = []
    for action in plan.actions:
        match action:
            case CreateBucket():
                shown.append({"action": "create", "changes": _from_nothing(settings)})
            case UpdateBucket(bucket_id=bucket_id, changes=changes):
                adopt = any(change.field == "description" and not _marked(change.old) for change in changes)
                entries = [_shown(change) for change in changes]
                shown.append({"action": "adopt" if adopt else "update", "id": bucket_id, "changes": entries})
            case _:
                raise TypeError(f"{type(action).__name__} is no action on a bucket")
    return shown


def in_words(actions: Actions) -> str:
    """A plan in one line, for a condition's message."""
    parts = []
    for action in actions:
        fields = [change["field"] for change in action.get("changes") or []]
        if action.get("diff") and action["action"] != "create":
            fields.append("script")
        what = f"{action['action']} {action['id']}" if action.get("id") else action["action"]
        parts.append(f"{what} ({', '.join(fields)})" if fields and action["action"] != "create" else what)
    return "; ".join(parts)


def script_diff(old: str, new: str, limit: int | None = MAX_DIFF) -> str:
    """A unified diff of two scripts without file names, cut to ``limit`` characters."""
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=2))[2:]
    if not lines and old != new:
        lines = ["(line ends or the end of the script differ)"]
    text = "\n".join(lines)
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def _from_nothing(settings: Mapping[str, str]) -> Actions:
    return [_shown(change) for change in field_changes(dict.fromkeys(settings, ""), settings)]


def _shown(change: Change) -> dict[str, Any]:
    return {"field": change.field, "old": change.old, "new": change.new}


def _marked(description: str) -> bool:
    return read_description(description)[0] is not None
