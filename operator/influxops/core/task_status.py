"""The status of an InfluxTask, put together from the outcome of its last visit and from its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.core.conditions import Condition, of_outcome, rfc3339, stamp
from influxops.core.observed import RunState
from influxops.core.outcome import Outcome, Reason
from influxops.core.runs import RunSummary, to_status
from influxops.core.schedule import Schedule

NO_RUNS = RunSummary()


@dataclass(frozen=True, slots=True)
class SlotsFacts:
    """How far the slots of a task are settled, where failed or missed ones are run again."""

    settled_until: str
    """RFC 3339; every slot up to here succeeded, or nothing more is done for it."""
    waiting: int
    missed: int
    given_up_until: str = ""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What is known of the native task. Empty strings and None leave their fields out."""

    task_id: str = ""
    script_hash: str = ""
    schedule_text: str = ""
    runs: RunSummary = NO_RUNS
    history_limit: int = 5
    next_run: str = ""
    """RFC 3339; moves when a run is recorded or the spec changes, so that an idle task needs no writes."""
    late_slot: datetime | None = None
    """The slot that should have succeeded by now and has not."""
    handled_reconcile_at: str = ""
    plan: Mapping[str, Any] | None = None
    """What would be done, while it waits for consent."""
    slots: SlotsFacts | None = None


def task_status(
    previous: Mapping[str, Any], outcome: Outcome, facts: TaskFacts, generation: int, now: datetime
) -> dict[str, Any]:
    """The whole status, in the form of the CRD. Equal inputs but ``now`` give an equal status, so nothing is written."""
    conditions = [*of_outcome(outcome), *_run_conditions(facts)]
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": stamp(conditions, previous.get("conditions") or [], generation, now),
        "consecutiveFailures": facts.runs.consecutive_failures,
    }
    optional = {
        "taskID": facts.task_id,
        "scriptHash": facts.script_hash,
        "schedule": facts.schedule_text,
        "nextRun": facts.next_run,
        "lastHandledReconcileAt": facts.handled_reconcile_at,
        "lastSuccess": rfc3339(facts.runs.last_success) if facts.runs.last_success else "",
    }
    status.update({key: value for key, value in optional.items() if value})
    if facts.plan:
        status["plan"] = dict(facts.plan)
    if facts.slots is not None:
        slots = facts.slots
        status["slots"] = {"settledUntil": slots.settled_until, "waiting": slots.waiting, "missed": slots.missed}
        if slots.given_up_until:
            status["slots"]["givenUpUntil"] = slots.given_up_until
    history = [to_status(run) for run in facts.runs.recent[: facts.history_limit]]
    if history:
        status["lastRun"] = history[0]
        status["history"] = history
    return status


def _run_conditions(facts: TaskFacts) -> list[Condition]:
    conditions: list[Condition] = []
    last = facts.runs.last
    failures = facts.runs.consecutive_failures
    if failures and last is not None:
        failed = next((run for run in facts.runs.recent if run.state is RunState.FAILED), last)
        slots = "the last slot" if failures == 1 else f"the last {failures} slots"
        cause = f": {failed.error}" if failed.error else ""
        conditions.append(
            Condition(
                "Failing",
                "True",
                Reason.RUN_FAILING,
                f"{slots} failed; slot {rfc3339(failed.scheduled_for)}{cause}",
            )
        )
    if facts.late_slot is not None:
        conditions.append(
            Condition(
                "Late",
                "True",
                Reason.LATE,
                f"slot {rfc3339(facts.late_slot)} has no successful run within spec.lateAfter",
            )
        )
    return conditions


def late_slot(
    schedule: Schedule, runs: RunSummary, grace: int | None, since: datetime, now: datetime
) -> datetime | None:
    """The latest due slot without a successful run, or None.

    ``grace`` is ``spec.lateAfter`` in seconds (None: never late). Slots up to ``since``, when the task was created,
    resumed or changed last, do not count: InfluxDB does not run them.
    """
    if grace is None:
        return None
    slot = schedule.overdue_slot(now, grace)
    if slot is None or slot <= since:
        return None
    success = runs.latest_success_slot
    return None if success is not None and success >= slot else slot


def outcome_changed(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """True when what a person looks for first has changed: Ready, Failing, Late, or the last run's state."""

    def look(value: Mapping[str, Any]) -> tuple[Any, ...]:
        conditions = frozenset((item.get("type"), item.get("status")) for item in value.get("conditions") or [])
        given_up = (value.get("slots") or {}).get("givenUpUntil")  # waited for before a missed slot is run
        return conditions, (value.get("lastRun") or {}).get("state"), given_up

    return look(previous) != look(status)
