"""Run history: what a task's runs come to, whatever order and however often they are reported.

Runs are folded by slot (``scheduledFor``): a slot has succeeded when one of its runs has, so a retry that succeeds
heals it, and ``consecutive_failures`` counts slots, not runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from influxops.core.conditions import parse_rfc3339, rfc3339, rfc3339_ms
from influxops.core.observed import FINISHED, Run, RunState

FOLD = 10
"""How many of the latest runs are kept for folding, however short the shown history is; and one run at least of as many of
the latest slots, for a slot that is tried again has many."""
MAX_ERROR = 500
"""Longest error text of a run in status, in characters."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """The latest runs (newest first) and what they say."""

    recent: tuple[Run, ...] = ()
    consecutive_failures: int = 0
    last_success: datetime | None = None
    seeded: bool = False
    """True when it was read back from status, which keeps less than was counted: runs before it were seen already."""

    @property
    def last(self) -> Run | None:
        """The run of the latest slot; of several runs of one slot the one that finished last."""
        return self.recent[0] if self.recent else None

    @property
    def latest_success_slot(self) -> datetime | None:
        """The latest slot among the kept runs that succeeded."""
        return next((run.scheduled_for for run in self.recent if run.state is RunState.SUCCESS), None)


def fold(summary: RunSummary, runs: Iterable[Run], keep: int = FOLD) -> RunSummary:
    """Take in runs, new or seen before, in any order; the same runs again change nothing."""
    keep = max(keep, FOLD)
    known = {run.id for run in summary.recent}
    full = len(summary.recent) >= keep or (summary.seeded and summary.recent)
    floor = summary.recent[-1].scheduled_for if full else None
    fresh = [
        run
        for run in runs
        if run.state in FINISHED and run.id not in known and (floor is None or run.scheduled_for >= floor)
    ]
    if not fresh:
        return summary
    failures, success = summary.consecutive_failures, summary.last_success
    seen = list(summary.recent)
    for run in sorted(fresh, key=_order):
        failures = _failures_with(run, seen, failures)
        seen.append(run)
        if run.state is RunState.SUCCESS and run.finished_at and (success is None or run.finished_at > success):
            success = run.finished_at
    folded = replace(summary, recent=_latest(seen, keep), consecutive_failures=failures, last_success=success)
    return summary if folded == summary else folded


def _latest(runs: list[Run], keep: int) -> tuple[Run, ...]:
    """The newest runs, and the last one of each of the newest slots."""
    kept: list[Run] = []
    slots: set[datetime] = set()
    for run in sorted(runs, key=_order, reverse=True):
        if len(kept) < keep or (run.scheduled_for not in slots and len(slots) < FOLD):
            kept.append(run)
            slots.add(run.scheduled_for)
    return tuple(kept)


def with_errors(summary: RunSummary, errors: dict[str, str]) -> RunSummary:
    """Fill in error texts that were fetched after the runs."""
    if not any(run.id in errors for run in summary.recent):
        return summary
    recent = tuple(replace(run, error=errors[run.id]) if run.id in errors else run for run in summary.recent)
    return replace(summary, recent=recent)


def _order(run: Run) -> tuple[datetime, datetime, str]:
    return run.scheduled_for, run.finished_at or run.started_at or run.scheduled_for, run.id


def _failures_with(run: Run, seen: list[Run], failures: int) -> int:
    """The count of failed slots in a row once ``run`` is known; only the latest slots can change it."""
    if any(other.scheduled_for == run.scheduled_for and other.state is RunState.SUCCESS for other in seen):
        return failures
    newer_success = any(o.scheduled_for > run.scheduled_for and o.state is RunState.SUCCESS for o in seen)
    if newer_success:
        return failures
    newer_failed = {o.scheduled_for for o in seen if o.scheduled_for > run.scheduled_for}
    if run.state is RunState.SUCCESS:
        return len(newer_failed)
    if run.state is RunState.CANCELED:
        return failures
    if any(o.scheduled_for == run.scheduled_for and o.state is RunState.FAILED for o in seen):
        return failures
    return failures + 1


def to_status(run: Run) -> dict[str, Any]:
    """One run as the CRD shows it; ``duration`` in the form ``1.234s``."""
    entry: dict[str, Any] = {"id": run.id, "state": run.state.value, "scheduledFor": rfc3339(run.scheduled_for)}
    if run.started_at:
        entry["startedAt"] = rfc3339_ms(run.started_at)
    if run.finished_at:
        entry["finishedAt"] = rfc3339_ms(run.finished_at)
    if run.started_at and run.finished_at:
        # From the shown milliseconds, so that what is read back from status gives the same text.
        started, finished = parse_rfc3339(entry["startedAt"]), parse_rfc3339(entry["finishedAt"])
        entry["duration"] = f"{max(0.0, (finished - started).total_seconds()):.3f}s"
    if run.error:
        entry["error"] = run.error if len(run.error) <= MAX_ERROR else run.error[: MAX_ERROR - 1] + "…"
    return entry


def from_status(status: dict[str, Any]) -> RunSummary:
    """Read the summary back from a resource's status, so that a restart needs no run that InfluxDB forgot."""
    runs: list[Run] = []
    for entry in status.get("history") or ([status["lastRun"]] if status.get("lastRun") else []):
        try:
            runs.append(
                Run(
                    id=str(entry["id"]),
                    task_id=str(status.get("taskID", "")),
                    state=RunState(entry["state"]),
                    scheduled_for=parse_rfc3339(entry["scheduledFor"]),
                    started_at=parse_rfc3339(entry["startedAt"]) if entry.get("startedAt") else None,
                    finished_at=parse_rfc3339(entry["finishedAt"]) if entry.get("finishedAt") else None,
                    error=str(entry.get("error", "")),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue
    success = status.get("lastSuccess")
    try:
        last_success = parse_rfc3339(success) if success else None
    except ValueError:
        last_success = None
    return RunSummary(tuple(runs), int(status.get("consecutiveFailures") or 0), last_success, seeded=True)
