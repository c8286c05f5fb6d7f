"""From a desired task and what was found of it to a plan."""

from __future__ import annotations

from influxops.core.desired import DesiredTask
from influxops.core.durations import DurationError, parse_duration
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.outcome import Reason
from influxops.core.ownership import Match
from influxops.core.plan import Action, Change, CreateTask, DeleteTask, Plan, Refusal, UpdateTask


def in_sync(desired: DesiredTask, record: TaskRecord) -> bool:
    """True when the stored task is what it should be, byte for byte."""
    return (
        record.digest == desired.digest
        and record.status == desired.status
        and record.description == desired.description
    )


def plan_task(desired: DesiredTask, found: Match) -> Plan:
    """Plan a task. Doubles of our own go first; a stranger's task of the same name stops everything."""
    warnings = tuple(
        Refusal(
            Reason.COPIED_MARKER,
            f"task {copy.id} ({copy.name!r}) carries a copy of this resource's marker; it is left alone: "
            "remove the first line of its script, or delete it, in InfluxDB",
        )
        for copy in found.copies
    )
    actions: list[Action] = [
        DeleteTask(double.id, "it equals what influxops wrote, and one is enough") for double in found.doubles
    ]
    if found.ours is None:
        if found.adoptable is not None:
            action = _update(desired, found.adoptable, adopt=True)
            return Plan((*actions, action), warnings=warnings, task_id=found.adoptable.id)
        refusal = found.refusal or _in_the_way(desired, found.strangers)
        if refusal is not None:
            return Plan(warnings=warnings, refusal=refusal)
        if desired.status is TaskStatus.INACTIVE:
            return Plan(tuple(actions), warnings=warnings)
        return Plan((*actions, CreateTask()), warnings=warnings)
    if not in_sync(desired, found.ours):
        actions.append(_update(desired, found.ours, marker_lost=found.marker_lost))
    return Plan(tuple(actions), warnings=warnings, task_id=found.ours.id)


def _in_the_way(desired: DesiredTask, strangers: tuple[TaskRecord, ...]) -> Refusal | None:
    if not strangers:
        return None
    first = strangers[0]
    if len(strangers) == 1:
        message = (
            f"task {first.id} in InfluxDB is already named {desired.name!r} and carries no influxops marker: set "
            "spec.adoption to Adopt to take it over, give spec.name another value, or delete or rename that task"
        )
    else:
        message = (
            f"{len(strangers)} tasks in InfluxDB are already named {desired.name!r} and carry no influxops marker "
            f"({', '.join(task.id for task in strangers[:10])}): set spec.importID to the one to take over, or give "
            "spec.name another value"
        )
    return Refusal(Reason.ALREADY_EXISTS, message)


def _update(desired: DesiredTask, record: TaskRecord, *, marker_lost: bool = False, adopt: bool = False) -> UpdateTask:
    changes: list[Change] = []
    if adopt:
        changes.append(Change("owner", "nobody", str(desired.owner)))
    script = record.digest != desired.digest
    if script:
        changes.append(Change("script", record.digest[:12], desired.digest[:12]))
    if record.name != desired.name:
        changes.append(Change("name", record.name, desired.name))
    if record.status != desired.status:
        changes.append(Change("status", record.status.value, desired.status.value))
    description = record.description != desired.description
    if description:
        changes.append(Change("description", record.description, desired.description))
    return UpdateTask(
        task_id=record.id,
        changes=tuple(changes),
        status=desired.status,
        send_flux=script,
        send_description=description,
        marker_lost=marker_lost,
        adopt=adopt,
    )


def must_park(current: Task, action: UpdateTask, desired: DesiredTask) -> bool:
    """True when the task is active and its schedule is about to change.

    The stored schedule is compared as the server spells it: a spelling that differs only costs one more request.
    """
    if not action.send_flux or current.status is not TaskStatus.ACTIVE or desired.status is not TaskStatus.ACTIVE:
        return False
    schedule = desired.schedule
    return not (
        _same_every(current.every, schedule.every)
        and (current.cron == (schedule.cron.expression if schedule.cron else ""))
        and _same_every(current.offset or "0s", schedule.offset)
    )


def _same_every(text: str, seconds: int | None) -> bool:
    if not text or seconds is None:
        return not text and not seconds
    try:
        duration = parse_duration(text)
    except DurationError:
        return False
    return duration.whole and duration.seconds == seconds
