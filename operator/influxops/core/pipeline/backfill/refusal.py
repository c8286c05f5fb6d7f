"""Why a backfill would lose points or its own memory: retentions, judged before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from influxops.core.conditions import rfc3339
from influxops.core.durations import format_retention
from influxops.core.pipeline.backfill.types import Refused, Selection
from influxops.core.pipeline.expiry import expires_before, refused_before
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.window import Window


@dataclass(frozen=True, slots=True)
class _Bar:
    """Windows of a stage that start before a moment must not run."""

    reason: str
    stage: str
    bucket: str
    edge: datetime
    consequence: str


def refusal(plan: PipelinePlan, selection: Selection, retentions: Mapping[str, int], now: datetime) -> Refused | None:
    """Why these windows must not run now; None when they may.

    ``retentions`` are seconds by name of bucket, 0 for ever; a bucket that is not in it is not judged. Reasons:
    ``SourceExpired`` (the source of a stage whose parents do not run has begun to lose the window's points: the run would
    write less than there was), ``DestinationTooShort`` (the destination would refuse what is written) and
    ``LedgerTooShort`` (the state of the window could not be kept). The message names the bucket, its retention, the first
    window that can run, and what to write instead.
    """
    windows: dict[str, list[Window]] = {}
    for one in selection.runs:
        windows.setdefault(one.stage, []).append(one.window)
    found = []
    for bar in _bars(plan, windows, retentions, now):
        early = [window for window in windows[bar.stage] if window.start < bar.edge]
        if early:
            found.append((bar, early))
    if not found:
        return None
    told = "; ".join(_told(bar, early, retentions[bar.bucket]) for bar, early in found)
    return Refused(found[0][0].reason, f"{told}. {_remedy([bar for bar, _ in found], windows)}")


def _bars(
    plan: PipelinePlan, windows: Mapping[str, list[Window]], retentions: Mapping[str, int], now: datetime
) -> Iterator[_Bar]:
    kept = {bucket: seconds for bucket, seconds in retentions.items() if seconds}
    for name in windows:
        for bucket in sorted(_sources(plan, name, windows) & kept.keys()):
            edge = expires_before(now, kept[bucket])
            if edge is not None:
                lost = "would be made of what is left of their points, and overwrite what was made of all of them"
                yield _Bar("SourceExpired", name, bucket, edge, lost)
        for bucket in sorted(_targets(plan, name) & kept.keys()):
            edge = refused_before(now, kept[bucket])
            if edge is not None:
                yield _Bar("DestinationTooShort", name, bucket, edge, "would be refused as they are written")
        edge = refused_before(now, kept.get(plan.bucket, 0))
        if edge is not None:
            yield _Bar("LedgerTooShort", name, plan.bucket, edge, "could not be kept in mind, for this is the ledger")


def _sources(plan: PipelinePlan, name: str, windows: Mapping[str, list[Window]]) -> frozenset[str]:
    """Buckets that a stage reads; without those that stages before it write in this very backfill."""
    made = {bucket for parent in plan.graph.ancestors(name) if parent in windows for bucket in _targets(plan, parent)}
    return plan.stages[name].inputs - made


def _targets(plan: PipelinePlan, name: str) -> set[str]:
    stage = plan.stages[name]
    return {stage.target.bucket} if stage.target else set(stage.facts.writes)


def _told(bar: _Bar, early: list[Window], retention: int) -> str:
    number = "1 window" if len(early) == 1 else f"{len(early):,} windows"
    return (
        f"bucket {bar.bucket} keeps {format_retention(retention)}, since {rfc3339(bar.edge)}: {number} of stage {bar.stage}, the "
        f"first {min(early)}, {bar.consequence}"
    )


def _remedy(bars: Iterable[_Bar], windows: Mapping[str, list[Window]]) -> str:
    edge = max(bar.edge for bar in bars)
    first = min((one.start for all_ in windows.values() for one in all_ if one.start >= edge), default=None)
    if first is None:
        return "None of the windows can run; keep the points of these buckets longer (spec.retention of their RetentionPolicy)"
    return (
        f"Write start: {rfc3339(first)}, where the first window begins that can run, or keep the points of these buckets longer "
        "(spec.retention of their RetentionPolicy) before they are gone"
    )
