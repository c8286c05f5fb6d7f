"""What the runs of a task cost, and how punctual they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from influxops.core.observed import FINISHED, Run, RunState
from influxops.core.schedule import Schedule
from influxops.core.sparkline import seconds_of


@dataclass(frozen=True, slots=True)
class RunStats:
    """Of finished runs. Times are seconds; None where no run tells."""

    runs: int = 0
    failed: int = 0
    total: float = 0.0
    mean: float | None = None
    last: float | None = None
    """Of the run that started last."""
    longest: float | None = None
    busy: float | None = None
    """Mean duration as a share of the time from one slot to the next: above 1 the runs overlap."""
    late: float | None = None
    """Mean time from slot plus offset to the start, of runs of the schedule; those asked for by hand do not count."""
    latest: float | None = None
    """The longest such time."""

    @property
    def failed_share(self) -> float | None:
        """Failed runs as a share of all."""
        return self.failed / self.runs if self.runs else None


def stats_of(runs: Iterable[Run], schedule: Schedule | None) -> RunStats:
    """Sum up the runs of one task, in any order; without a schedule nobody can tell how busy or late it is."""
    finished = [run for run in runs if run.state in FINISHED and run.started_at and run.finished_at]
    if not finished:
        return RunStats()
    finished.sort(key=lambda run: run.started_at or run.scheduled_for)
    took = [seconds_of(run) or 0.0 for run in finished]
    period = schedule.shortest_gap() if schedule else 0
    delays = [
        max(0.0, (run.started_at - run.scheduled_for).total_seconds() - schedule.offset)
        for run in finished
        if schedule and run.started_at and run.requested_at is None
    ]
    return RunStats(
        runs=len(finished),
        failed=sum(run.state is not RunState.SUCCESS for run in finished),
        total=sum(took),
        mean=fmean(took),
        last=took[-1],
        longest=max(took),
        busy=fmean(took) / period if period else None,
        late=fmean(delays) if delays else None,
        latest=max(delays, default=None),
    )
