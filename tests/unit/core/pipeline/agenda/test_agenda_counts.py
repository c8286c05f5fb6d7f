"""What a pipeline counts as its own."""

from __future__ import annotations

from influxops.core.pipeline.agenda.agenda import Agenda
from influxops.core.pipeline.record import Cause, WindowState
from tests.support.backfills import at, rollups


def test_the_windows_of_a_backfill_are_not_counted_as_the_pipelines() -> None:
    """One that is suspended for days would look like a pipeline that lags."""
    plan = rollups()
    agenda = Agenda(plan)
    hours = list(plan.stages["hour"].cadence.between(at("2026-02-01"), at("2026-02-02")))
    agenda.add("hour", hours[0], at("2026-03-01"))
    for window in hours[1:]:
        agenda.add("hour", window, at("2026-03-01"), cause=Cause.BACKFILL, backfill="uid")
    assert agenda.counts() == {WindowState.READY: 1}
