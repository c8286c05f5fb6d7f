"""The status of an InfluxBackfill, put together from its selection and from what has ended since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.core.conditions import Condition, clip, rfc3339, stamp
from influxops.core.durations import format_seconds
from influxops.core.pipeline.backfill.progress import MOST_FAILURES, Progress
from influxops.core.pipeline.backfill.types import Blocked, Chosen, Estimate, Refused, Selection
from influxops.core.pipeline.windows.window import Window

__all__ = ["MOST_FAILURES", "MOST_WINDOWS", "Progress", "View", "backfill_status", "looked_at_again", "terminal"]

MOST_WINDOWS = 100
"""Windows that the status of a dry run lists."""
_OVER = frozenset({"Succeeded", "Failed", "Refused"})


@dataclass(frozen=True, slots=True)
class View:
    """What a status is made of, besides ``Progress``."""

    waits: str = ""
    """Why nothing can be run yet (the pipeline is not there, the connection is not ready); phase Pending."""
    waits_reason: str = "DependencyNotReady"
    refused: Refused | None = None
    suspended: bool = False
    over: bool = False
    """True once nothing of it is left that could run, done or behind a window that failed (given in ``stuck``), and the ledger
    has the record of every window that ended.
    """
    stuck: tuple[Blocked, ...] = ()
    """Windows that never became ready because one before them failed."""
    dry_run: Estimate | None = None
    selection: Selection | None = None
    """For the windows of a dry run and for the message of an empty selection."""
    started_at: datetime | None = None
    finished_at: datetime | None = None


def backfill_status(
    previous: Mapping[str, Any],
    progress: Progress | None,
    view: View,
    generation: int,
    now: datetime,
    handled_reconcile_at: str = "",
) -> dict[str, Any]:
    """The whole status, in the form of the CRD. Equal inputs but ``now`` give an equal status, so nothing is written.

    ``handled_reconcile_at`` is the visit that was asked for by annotation; empty: none was.

    Without ``progress`` (before the ledger has been read) the counts of ``previous`` stay. ``startedAt`` stays once it is there.
    """
    phase = _phase(progress, view)
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": stamp(_conditions(phase, progress, view), previous.get("conditions") or [], generation, now),
        "phase": phase,
    }
    if progress is None:
        kept = ("progress", "total", "succeeded", "failed", "skipped", "failures")
        status.update({name: previous[name] for name in kept if name in previous})
    elif view.dry_run is None:
        status.update(_counts(progress, view, phase))
    if view.dry_run is not None and view.selection is not None:
        status.update(_dry(view.dry_run, view.selection))
    seen = progress.started_at if progress is not None else None
    started = previous.get("startedAt") or _time(view.started_at or seen)
    finished = previous.get("finishedAt") or _time(view.finished_at)
    status.update({"startedAt": started} if started and view.dry_run is None else {})
    status.update({"finishedAt": finished} if finished and phase in _OVER else {})
    status.update({"lastHandledReconcileAt": handled_reconcile_at} if handled_reconcile_at else {})
    return status


def terminal(status: Mapping[str, Any]) -> bool:
    """Whether a status says that this backfill is over, so that it is never started again."""
    return status.get("phase") in _OVER


def looked_at_again(status: Mapping[str, Any], generation: int, handled_reconcile_at: str) -> dict[str, Any]:
    """The status of one that is over, after a change of what may still change (suspend, ttlSecondsAfterFinished) or a visit that
    was asked for: what it tells holds for the present spec, too.
    """
    conditions = [{**one, "observedGeneration": generation} for one in status.get("conditions") or []]
    again = {**status, "observedGeneration": generation, "conditions": conditions}
    return again | ({"lastHandledReconcileAt": handled_reconcile_at} if handled_reconcile_at else {})


def _phase(progress: Progress | None, view: View) -> str:
    if view.refused is not None:
        return "Refused"
    if view.dry_run is not None:
        return "Succeeded"
    if progress is not None and view.over:
        return "Failed" if _not_done(progress, view) else "Succeeded"
    if view.suspended:
        return "Suspended"
    return "Pending" if view.waits or progress is None else "Running"


def _not_done(progress: Progress, view: View) -> int:
    return progress.failed + len(progress.blocked) + len(view.stuck)


def _conditions(phase: str, progress: Progress | None, view: View) -> list[Condition]:
    """Ready, True once all is done, with Reconciling while it goes on and Stalled when somebody has to do something.

    The messages change with the phase only: progress has a field of its own.
    """
    ready, reason, message = _ready(phase, progress, view)
    conditions = [Condition("Ready", ready, reason, message)]
    if phase in {"Pending", "Running"}:
        conditions.append(Condition("Reconciling", "True", reason, message))
    if phase in {"Failed", "Refused"}:
        conditions.append(Condition("Stalled", "True", reason, message))
    return conditions


def _ready(phase: str, progress: Progress | None, view: View) -> tuple[str, str, str]:
    """Status, reason and message of Ready."""
    if view.refused is not None:
        return "False", view.refused.reason, str(view.refused)
    match phase:
        case "Succeeded":
            return "True", "Succeeded", _success(progress, view)
        case "Failed":
            return "False", "Failed", _failure(progress, view)
        case "Suspended":
            return "False", "Suspended", "spec.suspend is true: no window is started"
        case "Pending":
            return "Unknown", view.waits_reason, view.waits or "the ledger is being read"
    return "False", "Running", "windows are being run; status.progress tells how far"


def _success(progress: Progress | None, view: View) -> str:
    note = view.selection.message if view.selection else ""
    if view.dry_run is not None:
        return _sentence(f"a dry run: {_windows(view.dry_run.windows)} would run", note)
    if progress is None or not progress.total:
        return note or "there is nothing to run"
    return _sentence(f"{_windows(progress.succeeded)} succeeded", note)


def _failure(progress: Progress | None, view: View) -> str:
    if progress is None:
        return "failed"
    stopped = len(progress.blocked) + len(view.stuck)
    told = [f"{progress.failed:,} of {_windows(progress.total)} failed"] if progress.failed else []
    told += [f"{_windows(stopped)} could not run, for what they are made of is missing"] if stopped else []
    remedy = "status.failures says why; another InfluxBackfill of the range with reprocess: Failed runs them"
    return f"{' and '.join(told)}; {remedy}"


def _counts(progress: Progress, view: View, phase: str) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "progress": f"{progress.succeeded + progress.failed}/{progress.total}",
        "total": progress.total,
        "succeeded": progress.succeeded,
        "failed": progress.failed,
        "skipped": progress.skipped,
    }
    rate, eta = progress.rate, progress.eta
    if phase == "Running" and rate is not None:
        counts["rate"] = f"{rate:.0f}/s" if rate >= 100 else f"{rate:.3g}/s"
        counts.update({"eta": rfc3339(eta)} if eta is not None else {})
    failures = [*progress.failures(), *sorted(view.stuck, key=lambda one: (one.window, one.stage))][:MOST_FAILURES]
    if failures:
        counts["failures"] = [_told(one.stage, one.window, one.message) for one in failures]
    return counts


def _dry(estimate: Estimate, selection: Selection) -> dict[str, Any]:
    shown: dict[str, Any] = {"windows": estimate.windows}
    if estimate.seconds is not None:
        shown["duration"] = format_seconds(max(1, round(estimate.seconds)))
    if estimate.rows is not None:
        shown["rows"] = estimate.rows
    status: dict[str, Any] = {"estimate": shown, "total": selection.total, "skipped": selection.skipped}
    listed = _listed(selection.runs)
    if listed:
        status["windows"] = listed
    if selection.blocked:
        status["failures"] = [_told(one.stage, one.window, one.message) for one in selection.blocked[:MOST_FAILURES]]
    return status


def _listed(runs: Iterable[Chosen]) -> list[dict[str, Any]]:
    first = [one for one, _ in zip(runs, range(MOST_WINDOWS), strict=False)]
    return [_told(one.stage, one.window, "") for one in first]


def _told(stage: str, window: Window, message: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "stage": stage,
        "window": window.shown(),
    }
    return told | ({"message": clip(message)} if message else {})


def _time(moment: datetime | None) -> str:
    return rfc3339(moment) if moment is not None else ""


def _windows(number: int) -> str:
    return "1 window" if number == 1 else f"{number:,} windows"


def _sentence(text: str, note: str) -> str:
    return f"{text}; {note}" if note else text
