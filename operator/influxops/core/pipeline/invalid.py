"""Which windows have to run again when some have changed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause
from influxops.core.pipeline.window import Window

StageWindow = tuple[str, Window]


def invalidated(
    plan: PipelinePlan,
    changed: Iterable[StageWindow],
    until: datetime,
    *,
    known: Container[StageWindow] = (),
) -> list[tuple[str, Window, Cause]]:
    """The changed windows (LATE_DATA) and every window of a later stage that is made of one of them (UPSTREAM), each once:
    stage by stage, parents first, and oldest first within a stage.

    A descendant counts only when it ran before: its stop is not after ``until``, and it starts at the plan's ``begin`` or
    later, or is ``known`` to have run (by a backfill). Raises KeyError for a stage that the plan lacks.
    """
    raise NotImplementedError
