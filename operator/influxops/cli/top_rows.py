"""What tasks cost, as rows for people and items for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from influxops.cli.forms import Column
from influxops.cli.run_rows import length
from influxops.core.keys import Key
from influxops.core.run_stats import RunStats


class Sort(StrEnum):
    """What tasks are ordered by."""

    BUSY = "busy"
    TOTAL = "total"
    MEAN = "mean"
    LAST = "last"
    MAX = "max"
    RUNS = "runs"
    FAILED = "failed"
    LATE = "late"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Usage:
    """One task and what its runs came to."""

    key: Key
    connection: Key
    task_id: str
    schedule: str
    """As ``.status.schedule`` has it."""
    stats: RunStats


COLUMNS = (
    Column("NAMESPACE"),
    Column("NAME"),
    Column("SCHEDULE"),
    Column("RUNS"),
    Column("FAILED"),
    Column("MEAN"),
    Column("LAST"),
    Column("MAX"),
    Column("BUSY"),
    Column("LATE"),
    Column("LATE MAX", wide=True),
    Column("TOTAL", wide=True),
    Column("CONNECTION", wide=True),
    Column("TASK ID", wide=True),
)


def row(usage: Usage) -> tuple[str, ...]:
    """One line of the table."""
    stats = usage.stats
    return (
        usage.key.namespace,
        usage.key.name,
        usage.schedule,
        str(stats.runs),
        _share(stats.failed_share),
        length(stats.mean),
        length(stats.last),
        length(stats.longest),
        _share(stats.busy),
        length(stats.late),
        length(stats.latest),
        length(stats.total),
        f"{usage.connection.namespace}/{usage.connection.name}",
        usage.task_id,
    )


def item(usage: Usage) -> dict[str, Any]:
    """Everything, in seconds and shares of 1; what no run tells is left out."""
    stats = usage.stats
    told = {
        "meanSeconds": stats.mean,
        "lastSeconds": stats.last,
        "maxSeconds": stats.longest,
        "busyShare": stats.busy,
        "lateSeconds": stats.late,
        "lateMaxSeconds": stats.latest,
    }
    return {
        "namespace": usage.key.namespace,
        "name": usage.key.name,
        "connection": f"{usage.connection.namespace}/{usage.connection.name}",
        "taskID": usage.task_id,
        "schedule": usage.schedule,
        "runs": stats.runs,
        "failed": stats.failed,
        "totalSeconds": round(stats.total, 6),
        **{name: round(value, 6) for name, value in told.items() if value is not None},
    }


def ranked(usages: Iterable[Usage], sort: Sort) -> list[Usage]:
    """The greatest first, and where they are equal by namespace and name; tasks without a figure come last."""

    def figure(usage: Usage) -> float | None:
        stats = usage.stats
        return {
            Sort.BUSY: stats.busy,
            Sort.TOTAL: stats.total,
            Sort.MEAN: stats.mean,
            Sort.LAST: stats.last,
            Sort.MAX: stats.longest,
            Sort.RUNS: float(stats.runs),
            Sort.FAILED: stats.failed_share,
            Sort.LATE: stats.late,
            Sort.NAME: None,
        }[sort]

    def place(usage: Usage) -> tuple[bool, float, str, str]:
        value = figure(usage)
        return value is None, -(value or 0.0), usage.key.namespace, usage.key.name

    return sorted(usages, key=place)


def _share(share: float | None) -> str:
    """``12%``, ``0.3%``; a dash for none."""
    if share is None:
        return "-"
    percent = share * 100
    return f"{percent:.0f}%" if percent >= 10 or percent == 0 else f"{percent:.1f}%" if percent >= 0.1 else "<0.1%"
