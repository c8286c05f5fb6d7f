"""The status of an InfluxPipeline, put together from its last visit and from its agenda."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from influxops.core.conditions import Condition, clip, of_outcome, rfc3339, stamp
from influxops.core.outcome import Outcome, Reason
from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.agenda.circuit import Circuit, CircuitState
from influxops.core.pipeline.agenda.entry import UNDECIDED, Entry, Place, by_order
from influxops.core.pipeline.agenda.too_late import TooLate
from influxops.core.pipeline.record import Cause, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

MAX_EXCEPTIONS = 50
_TOLD_BY_LOOP = ("stageCount", "windows", "lateWindows", "stages", "watermark", "nextWindow", "exceptions")
_CONDITIONS_OF_LOOP = frozenset({"Failing", "CircuitOpen", "Late"})
MAX_TEXT = 500
"""Longest text of an exception, in characters."""
_LOOKED_AT = 1000
"""So many waiting windows are looked at for a suspended backfill before them."""


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What is known of one stage."""

    name: str
    circuit: CircuitState = CircuitState.CLOSED
    until: datetime | None = None
    failures: int = 0
    failed: int = 0
    waiting: int = 0
    last: WindowRecord | None = None


@dataclass(frozen=True, slots=True)
class PipelineFacts:
    """What is known of a pipeline. Built at most once a second, so it may look at every entry."""

    watermark: datetime | None = None
    next_window: Window | None = None
    counts: Mapping[WindowState, int] = field(default_factory=dict)
    succeeded: int = 0
    late_windows: int = 0
    stages: tuple[StageFacts, ...] = ()
    exceptions: tuple[dict[str, Any], ...] = ()
    overdue: Window | None = None
    """The oldest window that should have been through by ``deadline`` and is not."""
    ledger_trouble: str = ""


def stage_facts(
    agenda: Agenda, circuits: Mapping[str, Circuit], last: Mapping[str, WindowRecord]
) -> tuple[StageFacts, ...]:
    """Each stage, in topological order."""
    failed: dict[str, int] = {}
    waiting: dict[str, int] = {}
    for entry in agenda.entries.values():
        if entry.lane:
            continue
        if entry.state is WindowState.FAILED:
            failed[entry.stage] = failed.get(entry.stage, 0) + 1
        else:
            waiting[entry.stage] = waiting.get(entry.stage, 0) + 1
    return tuple(
        StageFacts(
            name,
            circuits[name].state,
            circuits[name].until,
            circuits[name].failures,
            failed.get(name, 0),
            waiting.get(name, 0),
            last.get(name),
        )
        for name in agenda.plan.graph.order
    )


def exceptions(
    agenda: Agenda,
    circuits: Mapping[str, Circuit],
    old: Iterable[tuple[str, TooLate]] = (),
    suspended: Mapping[str, str] | None = None,
) -> tuple[dict[str, Any], ...]:
    """Windows that are not as they should be, oldest first, at most ``MAX_EXCEPTIONS``: failed ones before others, and before
    those of ``old``, which have changed too late to be run again. ``suspended`` are InfluxBackfills, name by uid, whose
    windows nobody runs.
    """
    odd = [entry for entry in agenda.entries.values() if not entry.lane and _is_odd(agenda, entry, circuits)]
    shown = sorted(by_order(odd), key=lambda entry: entry.state is not WindowState.FAILED)[:MAX_EXCEPTIONS]
    known = {entry.place for entry in shown}
    held = agenda.behind_failed(MAX_EXCEPTIONS)
    idle = _behind_suspended(agenda, suspended or {})
    behind = dict.fromkeys([*(entry.place for entry, _ in held), *idle])
    shown += [agenda.entries[place] for place in behind if place not in known][: MAX_EXCEPTIONS - len(shown)]
    told = [_exception(agenda, entry, circuits, idle.get(entry.place, "")) for entry in by_order(shown)]
    return tuple((told + [_too_late(stage, one) for stage, one in old])[:MAX_EXCEPTIONS])


def _behind_suspended(agenda: Agenda, suspended: Mapping[str, str]) -> dict[Place, str]:
    """For which window of a suspended backfill the oldest waiting ones wait. They have neither failed nor will they run."""
    if not suspended:
        return {}
    pending = (entry for entry in agenda.entries.values() if not entry.lane and entry.state is WindowState.PENDING)
    found = {}
    for entry in by_order(pending, _LOOKED_AT):
        before = agenda.before(entry.place, lambda one: one.lane in suspended)
        if before is not None:
            found[entry.place] = (
                f"waits for stage {before.stage} over {before.window}, which InfluxBackfill {suspended[before.lane]} is to "
                "run; it is suspended: resume or delete it"
            )
    return found


def _too_late(stage: str, found: TooLate) -> dict[str, Any]:
    windows = "1 window" if found.span.windows == 1 else f"{found.span.windows} windows"
    message = (
        f"the source of {windows} had {found.span.was} points when they ran and has {found.now} now; they are older than "
        "lateness.allowed and not run again: an InfluxBackfill with reprocess: Completed does"
    )
    return {
        "stage": stage,
        "window": found.span.window.shown(),
        "state": WindowState.SUCCESS.value,
        "reason": "TooLate",
        "attempt": 0,
        "message": message,
    }


def _is_odd(agenda: Agenda, entry: Entry, circuits: Mapping[str, Circuit]) -> bool:
    if entry.state is WindowState.FAILED or entry.error or entry.cause is not Cause.SCHEDULE:
        return True
    held = agenda.plan.stages[entry.stage].waits or circuits[entry.stage].state is not CircuitState.CLOSED
    return entry.state is WindowState.READY and bool(held)


def _exception(agenda: Agenda, entry: Entry, circuits: Mapping[str, Circuit], idle: str) -> dict[str, Any]:
    reason, message = "RunFailed", entry.error
    before = agenda.failed_before(entry.place) if entry.state is WindowState.PENDING else None
    circuit = circuits[entry.stage]
    if before is not None:
        reason = "UpstreamFailed"
        message = f"waits for stage {before.stage}, which failed over {before.window}"
    elif idle:
        reason, message = "BackfillSuspended", idle
    elif entry.state is WindowState.READY and (waits := agenda.plan.stages[entry.stage].waits):
        reason, message = str(Reason.DEPENDENCY_NOT_READY), waits
    elif entry.state is not WindowState.FAILED and circuit.state is not CircuitState.CLOSED:
        reason = "CircuitOpen"
        when = f"; tried again at {rfc3339(circuit.until)}" if circuit.until else ""
        message = (
            f"the circuit of the stage is open after {circuit.failures} failures in a row{when}. {entry.error}".strip()
        )
    elif entry.undecided >= UNDECIDED:
        reason = str(Reason.RETRYING)
        message = f"it is tried again and again, for no attempt comes to an end: {entry.error}"
    elif not entry.error:
        reason, message = str(entry.cause), _CAUSES.get(entry.cause, "")
        if entry.cause is Cause.REPAIR and entry.revision == 1:
            message = "it did not run while its stage was new or away; it runs now"
    return {
        "stage": entry.stage,
        "window": entry.window.shown(),
        "state": entry.state.value,
        "reason": reason,
        "attempt": entry.attempt,
        "message": clip(message, MAX_TEXT),
    }


_CAUSES = {
    Cause.LATE_DATA: "its source has changed since it ran; it runs again",
    Cause.UPSTREAM: "a window that it is made of ran again; it runs again",
    Cause.REPAIR: "it had failed, and what made it fail has changed; it runs again",
    Cause.BACKFILL: "an InfluxBackfill has it run",
}


def overdue(agenda: Agenda, now: datetime) -> Window | None:
    """The oldest of the pipeline's own windows that has missed the deadline."""
    if agenda.plan.deadline is None:
        return None
    until = now - timedelta(seconds=agenda.plan.deadline)
    late = [
        e.window for e in agenda.entries.values() if not e.lane and e.cause is Cause.SCHEDULE and e.window.stop < until
    ]
    return min(late, key=lambda window: window.stop, default=None)


def pipeline_status(
    previous: Mapping[str, Any],
    outcome: Outcome,
    facts: PipelineFacts,
    generation: int,
    now: datetime,
    handled_reconcile_at: str = "",
) -> dict[str, Any]:
    """The whole status, in the form of the CRD. Equal inputs but ``now`` give an equal status, so nothing is written.

    Without stages in ``facts`` (the ledger has not been read yet) what they would tell stays as it was.
    """
    conditions = [*of_outcome(outcome), *_conditions(facts)]
    if not facts.stages and conditions:
        conditions += _kept(previous)
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": stamp(conditions, previous.get("conditions") or [], generation, now),
    }
    if not facts.stages:
        status.update({name: previous[name] for name in _TOLD_BY_LOOP if name in previous})
    else:
        counts = facts.counts
        status["stageCount"] = len(facts.stages)
        status["windows"] = {
            "pending": counts.get(WindowState.PENDING, 0),
            "ready": counts.get(WindowState.READY, 0),
            "running": counts.get(WindowState.RUNNING, 0),
            "succeeded": facts.succeeded,
            "failed": counts.get(WindowState.FAILED, 0),
        }
        status["lateWindows"] = facts.late_windows
        status["stages"] = [_stage(stage) for stage in facts.stages]
    if facts.watermark:
        status["watermark"] = rfc3339(facts.watermark)
    if facts.next_window:
        status["nextWindow"] = facts.next_window.shown()
    if facts.exceptions:
        status["exceptions"] = list(facts.exceptions)
    if handled_reconcile_at:
        status["lastHandledReconcileAt"] = handled_reconcile_at
    return status


def _stage(stage: StageFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": stage.name,
        "circuit": stage.circuit.value,
        "consecutiveFailures": stage.failures,
        "failed": stage.failed,
        "waiting": stage.waiting,
    }
    if stage.last is not None:
        shown["lastCompletion"] = completion(stage.last)
    return shown


def completion(record: WindowRecord) -> dict[str, Any]:
    """A window that succeeded, as the CRD shows it; the same that its record in the ledger tells."""
    shown: dict[str, Any] = {
        "window": record.window.shown(),
        "revision": record.revision,
        "attempt": record.attempt,
    }
    optional = {
        "rows": record.rows,
        "series": record.series,
        "checksum": record.checksum or None,
        "duration": None if record.duration is None else f"{record.duration:.3f}s",
        "finishedAt": rfc3339(record.finished_at) if record.finished_at else None,
    }
    shown.update({name: value for name, value in optional.items() if value is not None})
    return shown


def _kept(previous: Mapping[str, Any]) -> Iterable[Condition]:
    """What the loop told in its former life: it holds until it has read the ledger, so that no alert flaps at a restart."""
    for item in previous.get("conditions") or []:
        if item.get("type") in _CONDITIONS_OF_LOOP:
            yield Condition(item["type"], item["status"], item["reason"], item["message"])


def _conditions(facts: PipelineFacts) -> Iterable[Condition]:
    failing = [stage for stage in facts.stages if stage.failed]
    if failing:
        what = ", ".join(f"{stage.failed} of stage {stage.name}" for stage in failing)
        first = next((one for one in facts.exceptions if one["state"] == WindowState.FAILED.value), None)
        cause = f"; {first['stage']} over {first['window']['start']}: {first['message']}" if first else ""
        yield Condition("Failing", "True", Reason.RUN_FAILING, f"windows have failed: {what}{cause}")
    open_ = [stage for stage in facts.stages if stage.circuit is not CircuitState.CLOSED]
    if open_:
        what = ", ".join(
            f"{stage.name} ({stage.failures} failures in a row"
            + (f", tried again at {rfc3339(stage.until)})" if stage.until else ", being tried)")
            for stage in open_
        )
        yield Condition("CircuitOpen", "True", Reason.CIRCUIT_OPEN, f"stages are left alone: {what}")
    if facts.overdue is not None:
        yield Condition(
            "Late", "True", Reason.LATE, f"window {facts.overdue} is not through all stages within spec.deadline"
        )
    if facts.ledger_trouble:
        yield Condition(
            "LedgerBehind",
            "True",
            Reason.CONNECTION_NOT_READY,
            f"the ledger cannot be read or written: {facts.ledger_trouble}",
        )
