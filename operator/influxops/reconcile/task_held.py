"""Why the plan of an InfluxTask waits for an approval, and for how long nothing need be asked about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from influxops.api.common import APPROVE
from influxops.api.influxtask import InfluxTaskSpec
from influxops.core.conditions import settled_generation
from influxops.core.desired import DesiredTask
from influxops.core.observed import Task, TaskStatus
from influxops.core.outcome import Done, Outcome
from influxops.core.pending import MAX_DIFF, task_actions, task_basis
from influxops.core.plan import CreateTask, Plan, RecreateTask, UpdateTask
from influxops.core.record import unpack
from influxops.reconcile.approval import Shown, asks, hold
from influxops.reconcile.task_recreate import goes_on
from influxops.reconcile.task_visit import TaskVisit
from influxops.reconcile.task_writes import HASH, refresh


async def held_back(visit: TaskVisit, spec: InfluxTaskSpec, desired: DesiredTask, plan: Plan) -> Outcome | None:
    """Why the plan is not applied now, if so; it then stands in ``state.plan``."""
    context, record, state = visit.context, visit.record, visit.state
    if goes_on(plan) and not context.preview:  # a plan that is only shown shows this, too
        return None
    settled = state.verified[0] if state.verified else settled_generation(unpack(state.packed_status))
    # The script that is wanted is the one that was stored last: if another one is there, somebody else put it there.
    by_hand = any(isinstance(a, CreateTask) or (isinstance(a, UpdateTask) and a.send_flux) for a in plan.actions)
    wished = any(isinstance(action, RecreateTask) for action in plan.actions)
    same = state.script_hash == HASH + desired.digest and not state.parked_step and not wished
    drift = same and (settled == record.generation or by_hand)
    if not asks(spec, drift=drift):
        return None
    current = await refresh(visit, plan.task_id) if plan.task_id else None
    if _ends_taking_over(visit, plan, current):
        return None
    limit = None if context.preview else MAX_DIFF

    def shown(task: Task | None) -> Shown:
        return Shown(task_actions(plan, desired, task, limit=limit), task_basis(desired, task))

    # Between the two steps of a changed schedule the task is inactive by our own doing, also after a restart.
    before_park = None
    if current is not None and current.status is not desired.status and desired.status is TaskStatus.ACTIVE:
        before_park = shown(replace(current, status=TaskStatus.ACTIVE))
    now = before_park if state.parked_step and before_park is not None else shown(current)
    interval = float(visit.link.spec.sync_interval.seconds)
    held = hold(context, record, spec, now, before_park, state.plan, drift=drift, interval=interval)
    if held is None:
        return None
    state.plan = held.plan
    state.held = held.outcome
    state.held_name = desired.name
    state.held_for = held_for(visit)
    if isinstance(held.outcome, Done):
        state.drifted = True
        state.verified = (record.generation, visit.link.generation)
    return held.outcome


def _ends_taking_over(visit: TaskVisit, plan: Plan, current: Task | None) -> bool:
    """Whether all that is left to do is to let a task run that was taken over with the approval of the plan that stands in the status,
    and that got its script while it was switched off.
    """
    told = visit.state.plan or {}
    approved = visit.record.annotations.get(APPROVE, "")
    if not approved or approved != told.get("hash") or len(plan.actions) != 1 or current is None:
        return False
    action, taken = plan.actions[0], (told.get("actions") or [{}])[-1]
    only_status = isinstance(action, UpdateTask) and not (action.send_flux or action.send_description or action.adopt)
    return (
        only_status
        and (taken.get("action"), taken.get("id")) == ("adopt", current.id)
        and current.status is TaskStatus.INACTIVE
    )


def held_for(visit: TaskVisit) -> tuple[Any, ...]:
    """What a plan that waits was made for: while it is the same, nothing need be asked to know that it still waits."""
    state = visit.state
    snapshot = visit.link.snapshot
    return (
        visit.record.generation,
        visit.link.generation,
        tuple(sorted(visit.record.annotations.items())),
        tuple(
            snapshot.tasks.get(str(one.get("id") or state.task_id)) for one in (state.plan or {}).get("actions") or []
        ),
        tuple(sorted(task.id for task in snapshot.named(state.held_name))),
    )
