"""Since when the records of the ledger tell how long the runs of a backfill would take."""

from __future__ import annotations

from datetime import datetime, timedelta

from influxops.core.pipeline.backfill.types import Selection
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.task_cadence import Windows

WEEK = timedelta(days=7)
MOST, LEAST = 200, 3
"""Windows of a stage: so many in the week suffice; so many are looked for further back."""


def recent_from(plan: PipelinePlan, selection: Selection, now: datetime) -> datetime:
    """The earliest moment that is needed: the last 200 windows of each stage that is to run, those of a week at most, but
    three windows in any case. ``now`` when nothing is to run.
    """
    back = timedelta()
    for stage in {one.stage for one in selection.runs}:
        windows: Windows = plan.stages[stage].cadence
        last = windows.latest(now)
        if last is not None:
            length = last.stop - last.start
            back = max(back, LEAST * length + (now - last.stop), min(MOST * length, WEEK))
    return now - back
