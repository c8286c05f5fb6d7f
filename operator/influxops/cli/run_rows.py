"""Runs as rows for people and items for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from statistics import median
from typing import Any

from influxops.cli.forms import Column
from influxops.core.conditions import rfc3339, rfc3339_ms
from influxops.core.observed import Run, RunState
from influxops.core.runs import to_status
from influxops.core.sparkline import FAILED, UNFINISHED, seconds_of, sparkline

COLUMNS = (
    Column("RUN"),
    Column("SCHEDULED FOR"),
    Column("STARTED"),
    Column("DURATION"),
    Column("STATE"),
    Column("REQUESTED", wide=True),
    Column("ERROR", wide=True),
)


def row(run: Run) -> tuple[str, ...]:
    """One line of the table."""
    return (
        run.id,
        rfc3339(run.scheduled_for),
        _time(run.started_at),
        length(seconds_of(run)),
        run.state.value,
        _time(run.requested_at),
        run.error,
    )


def item(run: Run) -> dict[str, Any]:
    """As in ``.status.history``, and when it was asked for."""
    asked = {"requestedAt": rfc3339_ms(run.requested_at)} if run.requested_at else {}
    return {**to_status(run), **asked}


def footer(runs: Sequence[Run]) -> str:
    """The durations as a sparkline, oldest slot first, with their range; empty of no runs."""
    took = [found for run in runs if run.state is RunState.SUCCESS and (found := seconds_of(run)) is not None]
    words = []
    if took:
        words.append(f"{length(min(took))} to {length(max(took))}, median {length(median(took))}")
    line = sparkline(reversed(runs))
    words += [f"{mark} {word}" for mark, word in ((FAILED, "failed"), (UNFINISHED, "not over")) if mark in line]
    return f"durations {line}  {'; '.join(words)}; oldest first" if runs else ""


def length(seconds: float | None) -> str:
    """A duration for people: ``0.034s``, ``12.3s``, ``3m12s``, ``2h05m``; a dash for none."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.3f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _time(moment: datetime | None) -> str:
    return rfc3339(moment) if moment is not None else "-"
