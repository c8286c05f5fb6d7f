"""Whether the runs that InfluxDB makes of a task by itself are the windows of a stage."""

from __future__ import annotations

from datetime import datetime, timedelta

from influxops.core.conditions import rfc3339
from influxops.core.durations import Duration
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.schedule import Schedule

_STEP = timedelta(hours=37, minutes=11)
"""From one moment of the sample to the next; odd, so that hours, weekdays and days of the month all come up."""
_SAMPLE = 500
"""Moments: about two years, with their changes of the clock."""
_FIRST = 50
"""Windows one after the other, before the sample."""


def native_fault(schedule: Schedule, period: Duration | None, cadence: Cadence, begin: datetime) -> str:
    """Why a task on this schedule does not run the stage's windows, with the remedy; empty when it does.

    ``period``: the length of the window that the task's script reads, None where that is unknown. The slots of the task must
    be the stops of the windows, judged over two years from ``begin``.
    """
    if period is not None and period != cadence.period:
        return (
            f"the InfluxTask's window is {period} long, and that of the stage {cadence.period}: give both the same, or write "
            "execution: Query"
        )
    moment = begin
    for count in range(_FIRST + _SAMPLE):
        slot = schedule.slot_after(moment)
        stop = cadence.following(cadence.latest(moment)).stop
        if slot != stop:
            when = "never" if slot is None else f"for {rfc3339(slot)}"
            return (
                f"after {rfc3339(moment)} the next window ends at {rfc3339(stop)}, and the InfluxTask runs {when}: give it "
                "the schedule of the windows (a task knows UTC only), or write execution: Query"
            )
        moment = stop if count < _FIRST else moment + _STEP
    return ""
