"""A stage that is put between two others, or put back: what of it has to run before the watermark, so that nothing is made of a part."""

from __future__ import annotations

from datetime import datetime

from influxops.core.pipeline.agenda.recalled import Recalled
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.window import Window


def inserted(
    plan: PipelinePlan, watermark: datetime, recalled: Recalled, read_from: datetime
) -> dict[str, list[Window]]:
    """Of each stage the windows up to the watermark that have not run and that open windows of its children are made of, oldest first.

    Of a stage of which the ledger knows nothing these are all. Else it was away for a while, or its windows were only in part put into
    the ledger when it was new: those that have no record, as far back as the ledger tells of it. Not those of a time for which it had
    other windows, or gave some up; nor those that begin before ``read_from``, of which not all records were read; and a child that is new
    itself has what is there. What is stranded runs by no schedule, and needs nothing.
    """
    found: dict[str, list[Window]] = {}
    for name in reversed(plan.graph.order):
        known = name in recalled.stages
        needed: list[Window] = []
        for child in plan.graph.children[name]:
            needed += found.get(child, ())[:1]
            if not known or child in recalled.stages:
                needed += _open(plan, child, watermark, recalled)
        if not needed:
            continue
        windows = plan.stages[name].cadence.between_newest_first(min(one.start for one in needed), watermark)
        mine = [window for window in windows if window.start >= plan.begin]
        if known:
            mine = _missing(plan, name, [one for one in mine if one.start >= read_from], recalled)
        if mine:
            found[name] = mine[::-1]
    return found


def _missing(plan: PipelinePlan, stage: str, windows: list[Window], recalled: Recalled) -> list[Window]:
    """Those of a stage that the ledger tells of that have no record, although they would have one."""
    since = recalled.since.get(stage)
    if since is None:
        return []
    mine = [one for one in windows if one.start >= since and not recalled.has((stage, one))]
    if not mine:
        return []
    cadence = plan.stages[stage].cadence
    others = [window.stop for window in recalled.done.of(stage) if not cadence.has(window)]
    others += [window.stop for name, window in recalled.stranded if name == stage]
    edge = max(others, default=since)
    return [one for one in mine if one.start >= edge]


def _open(plan: PipelinePlan, stage: str, watermark: datetime, recalled: Recalled) -> list[Window]:
    """The first window of a stage that is to run, has begun before the watermark and ends after it, if there is one."""
    cadence = plan.stages[stage].cadence
    window = cadence.following(cadence.latest(watermark))
    while window.start < watermark:
        place = (stage, window)
        if window.start >= plan.begin and place not in recalled.stranded and place not in recalled.done:
            return [window]
        window = cadence.following(window)
    return []
