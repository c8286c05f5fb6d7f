"""Pipelines, specs and records for tests of backfills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from influxops.core.flux.facts import NO_FACTS
from influxops.core.pipeline.graph import StageNode, graph
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan, StagePlan
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.cadence import Cadence, cadence
from influxops.core.pipeline.windows.window import Window
from influxops.core.reruns import Pauses

SUCCESS, FAILED, READY = WindowState.SUCCESS, WindowState.FAILED, WindowState.READY
UID = "uid-of-the-backfill"


def at(text: str) -> datetime:
    """A moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True)
class Spec:
    """As ``InfluxBackfill.spec``."""

    start: datetime
    stop: datetime
    stages: tuple[str, ...] = ()
    include_descendants: bool = True
    reprocess: str = "None"
    order: str = "OldestFirst"
    max_active_windows: int = 4


def stage(name: str, grid: Cadence, *parents: str, reads: str = "", writes: str = "") -> StagePlan:
    """A stage; with the names of the buckets that it reads and writes."""
    return StagePlan(
        name=name,
        depends_on=parents,
        cadence=grid,
        script="",
        facts=NO_FACTS,
        digest="d",
        source=Source(reads) if reads else None,
        target=Target(writes) if writes else None,
        replace=False,
        timeout=600,
    )


def pipeline(*stages: StagePlan, begin: str = "2026-01-01", delay: int = 0) -> PipelinePlan:
    """A pipeline of these stages."""
    return PipelinePlan(
        owner="main/team/p",
        bucket="ledger",
        stages={one.name: one for one in stages},
        graph=graph([StageNode(one.name, one.depends_on) for one in stages]),
        begin=at(begin),
        delay=delay,
        max_active=4,
        newest_first=False,
        retry=RetryPlan(3, Pauses(1, 2, 60, 0)),
        breaker_failures=5,
        breaker_open=60,
    )


def rollups(begin: str = "2026-01-01", delay: int = 0, zone: str = "UTC") -> PipelinePlan:
    """Hours of raw points, days of hours, months of days."""
    return pipeline(
        stage("hour", cadence("1h", zone=zone), reads="raw", writes="hours"),
        stage("day", cadence("1d", zone=zone), "hour", reads="hours", writes="days"),
        stage("month", cadence("1mo", zone=zone), "day", reads="days", writes="months"),
        begin=begin,
        delay=delay,
    )


def record(
    plan: PipelinePlan, name: str, stop: str | datetime, state: WindowState = SUCCESS, **more: object
) -> WindowRecord:
    """What the ledger has of the window of a stage with this end."""
    end = at(stop) if isinstance(stop, str) else stop
    window = plan.stages[name].cadence.stopping_at(end)
    assert window is not None
    made = WindowRecord(name, window, state, finished_at=end + timedelta(hours=1))
    return replace(made, **more)  # type: ignore[arg-type]


def all_records(plan: PipelinePlan, start: str, stop: str, state: WindowState = SUCCESS) -> list[WindowRecord]:
    """A record of every window of every stage that ends in ``(start, stop]``."""
    return [
        WindowRecord(name, window, state)
        for name, one in plan.stages.items()
        for window in one.cadence.between(at(start), at(stop))
    ]


def ran(records: list[WindowRecord], name: str, window: Window, state: WindowState, revision: int = 1) -> None:
    """The window has been run by the backfill: its record replaces that before it."""
    records[:] = [one for one in records if (one.stage, one.window) != (name, window)]
    records.append(WindowRecord(name, window, state, revision, backfill=UID))
