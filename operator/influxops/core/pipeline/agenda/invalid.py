"""Which windows have to run again when some have changed."""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import datetime

from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.record import Cause
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.edges import children_of
from influxops.core.pipeline.windows.window import Window

StageWindow = tuple[str, Window]


def invalidated(
    plan: PipelinePlan,
    changed: Iterable[StageWindow],
    until: datetime,
    *,
    known: Container[StageWindow] = (),
    lost: Container[StageWindow] = (),
) -> list[tuple[str, Window, Cause]]:
    """The changed windows (LATE_DATA) and every window of a later stage that is made of one of them (UPSTREAM), each once:
    stage by stage, parents first, and oldest first within a stage.

    A descendant counts only when it ran before: its stop is not after ``until``, and it starts at the plan's ``begin`` or
    later, or is ``known`` to have run (by a backfill). One that is ``lost`` (what it reads is there in part only) is left out,
    and with it what would be made of it alone. Raises KeyError for a stage that the plan lacks.
    """
    causes: dict[str, dict[Window, Cause]] = {name: {} for name in plan.graph.order}
    for name, window in changed:
        causes[name][window] = Cause.LATE_DATA
    for parent in plan.graph.order:
        for child in plan.graph.children[parent]:
            for window in _made_of(causes[parent], plan.stages[parent].cadence, plan.stages[child].cadence):
                ran = window.stop <= until and (window.start >= plan.begin or (child, window) in known)
                if ran and (child, window) not in lost:
                    causes[child].setdefault(window, Cause.UPSTREAM)
    return [(name, window, cause) for name, found in causes.items() for window, cause in sorted(found.items())]


def _made_of(windows: Iterable[Window], parent: Cadence, child: Cadence) -> set[Window]:
    """The child's windows that are made of any of these."""
    return {made for window in windows for made in children_of(parent, window, child)}
