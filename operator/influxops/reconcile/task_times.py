"""When a task runs next, and whether it is late; worked out from what InfluxDB stores, whoever wrote the schedule."""

from __future__ import annotations

from datetime import timedelta

from influxops.core.conditions import parse_rfc3339, rfc3339
from influxops.core.observed import TaskRecord
from influxops.core.schedule import of_texts
from influxops.core.task_status import SlotsFacts, late_slot
from influxops.reconcile.context import Context
from influxops.reconcile.state import TaskState

STALE = timedelta(minutes=5)
"""A next run that lies so far back is worked out anew, although no run was recorded."""


def set_next_run(context: Context, state: TaskState, stored: TaskRecord, *, only_if_past: bool) -> None:
    """Work out the next run; it is left alone while it lies ahead, so that an idle task needs no write."""
    now = context.now()
    if only_if_past and state.next_run:
        try:
            if parse_rfc3339(state.next_run) > now - STALE:
                return
        except ValueError:
            pass
    schedule = of_texts(stored.every, stored.cron, stored.offset)
    moment = schedule.next_run(now) if schedule else None
    state.next_run = rfc3339(moment) if moment else ""


def look_for_lateness(context: Context, state: TaskState, stored: TaskRecord | None) -> None:
    """Set or clear the slot that is overdue."""
    state.late_slot = None
    if stored is None or not state.active or state.late_after is None:
        return
    schedule = of_texts(stored.every, stored.cron, stored.offset)
    if schedule is not None:
        state.late_slot = late_slot(schedule, state.runs, state.late_after, stored.updated_at, context.now())


def slots_status(state: TaskState) -> SlotsFacts | None:
    """What status says of the slots; None when the spec asks for no retry and no catching up."""
    book = state.slots
    if book is None:
        return None
    given_up = rfc3339(book.given_up) if book.given_up else ""
    return SlotsFacts(rfc3339(book.settled_until()), book.waiting, book.missed, given_up)
