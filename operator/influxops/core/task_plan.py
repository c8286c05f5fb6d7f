"""From a desired task and what was found of it to a plan."""

from __future__ import annotations

from collections.abc import Iterable

from influxops.core.desired import DesiredTask
from influxops.core.durations import DurationError, parse_duration
from influxops.core.fields import field_changes
from influxops.core.observed import Task, TaskRecord, TaskStatus
from influxops.core.outcome import Reason
from influxops.core.ownership import Match
from influxops.core.plan import Action, CreateTask, DeleteTask, Plan, RecreateTask, Refusal, Step, UpdateTask
from influxops.core.succession import Wish, next_step

NO_WISH = Wish()


def in_sync(desired: DesiredTask, record: TaskRecord) -> bool:
    """True when the stored task is what it should be, byte for byte."""
    return (
        record.digest == desired.digest
        and record.status == desired.status
        and record.description == desired.description
    )


def plan_task(desired: DesiredTask, found: Match, wish: Wish = NO_WISH) -> Plan:
    """Plan a task. Doubles of our own go first; a stranger's task of the same name stops everything.

    ``wish`` names the task that is to be replaced by a new one of the token's user; it is first made right.
    """
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
    if found.ours is None and found.retired is not None:
        old, new, *more = found.retired, *found.successors
        action = RecreateTask(old.id, Step.ACTIVATE, new.id, old.owner_id, wish.user)
        return Plan((action, *actions, *_of_no_use(more)), warnings=warnings, task_id=new.id)
    if found.ours is None:
        actions += _of_no_use(found.successors)
        if found.adoptable is not None:
            take = _update(desired, found.adoptable, adopt=True)
            return Plan((*actions, take), warnings=warnings, task_id=found.adoptable.id)
        refusal = found.refusal or _in_the_way(desired, found.strangers)
        if refusal is not None:
            return Plan(warnings=warnings, refusal=refusal)
        if desired.status is TaskStatus.INACTIVE:
            return Plan(tuple(actions), warnings=warnings)
        return Plan((*actions, CreateTask()), warnings=warnings)
    if found.retired is not None:
        why = f"task {found.ours.id} has taken its place"
        actions.append(DeleteTask(found.retired.id, why, replaced_by=found.ours.id))
    right = in_sync(desired, found.ours)
    if right and wish.task_id == found.ours.id and desired.status is TaskStatus.ACTIVE:
        actions += _recreate(desired, found.ours, found.successors, wish)
    else:
        actions += _of_no_use(found.successors)
    if not right:
        actions.append(_update(desired, found.ours, marker_lost=found.marker_lost))
    return Plan(tuple(actions), warnings=warnings, task_id=found.ours.id)


def _recreate(
    desired: DesiredTask, old: TaskRecord, successors: tuple[TaskRecord, ...], wish: Wish
) -> tuple[Action, ...]:
    new = successors[0] if successors else None
    step = next_step(desired, old, new, wish)
    return _of_no_use(successors) if step is None else (*_of_no_use(successors[1:]), step)


def _of_no_use(successors: Iterable[TaskRecord]) -> tuple[Action, ...]:
    return tuple(
        DeleteTask(task.id, "it was to replace another task, and is of no use", leftover=True) for task in successors
    )


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
    script, description = record.digest != desired.digest, record.description != desired.description
    before = {
        "owner": "nobody" if adopt else "",
        "script": record.digest[:12],
        "name": record.name,
        "status": record.status.value,
        "description": record.description,
    }
    after = {
        "owner": str(desired.owner) if adopt else "",
        "script": desired.digest[:12],
        "name": desired.name,
        "status": desired.status.value,
        "description": desired.description,
    }
    return UpdateTask(
        task_id=record.id,
        changes=field_changes(before, after),
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
