"""A stage that is put between two others: what of it has to run before the watermark, so that nothing is made of a part."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime

from influxops.core.pipeline.agenda.entry import Place
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.window import Window


def inserted(
    plan: PipelinePlan, watermark: datetime, known: Container[str], stranded: Container[Place] = ()
) -> dict[str, list[Window]]:
    """Of each stage of which the ledger knows nothing, the windows up to the watermark that open windows of its children are made of, oldest
    first. ``known``: stages of which it has a record. What is ``stranded`` runs by no schedule, and needs nothing.
    """
    found: dict[str, list[Window]] = {}
    for name in reversed(plan.graph.order):
        if name in known:
            continue
        needed = []
        for child in plan.graph.children[name]:
            needed += [window.start for window in found.get(child, ())[:1]]
            needed += [window.start for window in _open(plan, child, watermark) if (child, window) not in stranded]
        if not needed:
            continue
        windows = plan.stages[name].cadence.between_newest_first(min(needed), watermark)
        mine = [window for window in windows if window.start >= plan.begin]
        if mine:
            found[name] = mine[::-1]
    return found


def _open(plan: PipelinePlan, stage: str, watermark: datetime) -> list[Window]:
    """The window of a stage that has begun before the watermark and ends after it, if there is one."""
    cadence = plan.stages[stage].cadence
    window = cadence.following(cadence.latest(watermark))
    return [window] if plan.begin <= window.start < watermark else []
