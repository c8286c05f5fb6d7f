"""The windows that a backfill's range holds, counted before any of them is listed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from influxops.core.conditions import rfc3339
from influxops.core.pipeline.backfill.types import MOST, BackfillSpec, Bounds, Refused, Span
from influxops.core.pipeline.plan import PipelinePlan
from influxops.core.pipeline.windows.task_cadence import Windows
from influxops.core.pipeline.windows.window import Window

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2262, 4, 11, tzinfo=UTC)
"""InfluxDB keeps times as nanoseconds in 64 bits; the last is 2262-04-11T23:47:16Z."""
_SECOND = timedelta(seconds=1)


def bounds(plan: PipelinePlan, spec: BackfillSpec, asked: datetime) -> Bounds:
    """The windows that the range holds, counted and not listed.

    ``asked`` is the creationTimestamp of the InfluxBackfill, so that the answer is the same after a restart. Raises Refused:
    for a stage that the pipeline has not, for more than ``MOST`` windows, for a range of which nothing is closed, and for
    one that InfluxDB cannot hold (before 1970, after 2262).
    """
    _check_times(spec)
    named = _named(plan, spec)
    behind = _behind(plan, spec, named)
    closed = asked - timedelta(seconds=plan.delay)
    whole = {name: _span(plan, name, spec.start, spec.stop) for name in named}
    spans = [_closed(plan, span, closed) for span in whole.values() if span is not None]
    of_range = sum(span.count for span in whole.values() if span is not None)
    also = sum(_count(plan, name, spec, closed) for name in behind)
    _check_count(plan, spec, sum(span.count for span in spans), also)
    if of_range and not any(span.count for span in spans):
        raise Refused("NotClosed", _not_closed(plan, spec, [span for span in whole.values() if span is not None]))
    start, stop = _reach(plan, (*named, *behind), spec)
    return Bounds(
        start=spec.start,
        stop=spec.stop,
        asked=asked,
        spans=tuple(span for span in spans if span.count),
        behind=behind,
        read_from=start,
        read_to=stop,
        unclosed=of_range - sum(span.count for span in spans),
        why_empty="" if of_range else _why_empty(plan, named, spec),
    )


def closed_until(plan: PipelinePlan, stage: str, asked: datetime) -> datetime | None:
    """The stop of the stage's last window that was closed at ``asked``; None when there is none."""
    windows: Windows = plan.stages[stage].cadence
    last = windows.latest(asked - timedelta(seconds=plan.delay))
    return None if last is None else last.stop


def _check_times(spec: BackfillSpec) -> None:
    if spec.start < EARLIEST:
        raise Refused(
            "OutOfRange", f"start is {rfc3339(spec.start)}; windows count from 1970: write {rfc3339(EARLIEST)} or later"
        )
    if spec.stop > LATEST:
        raise Refused(
            "OutOfRange",
            f"stop is {rfc3339(spec.stop)}; times of InfluxDB end in 2262: write {rfc3339(LATEST)} or earlier",
        )


def _named(plan: PipelinePlan, spec: BackfillSpec) -> tuple[str, ...]:
    unknown = [name for name in spec.stages if name not in plan.stages]
    if unknown:
        raise Refused(
            "UnknownStage",
            f"spec.stages names {', '.join(unknown)}; the pipeline's stages are {', '.join(plan.graph.order)}",
        )
    return tuple(name for name in plan.graph.order if not spec.stages or name in spec.stages)


def _behind(plan: PipelinePlan, spec: BackfillSpec, named: tuple[str, ...]) -> tuple[str, ...]:
    if not spec.include_descendants:
        return ()
    return tuple(name for name in plan.graph.with_descendants(named) if name not in named)


def starts_from(windows: Windows, start: datetime, high: datetime) -> datetime:
    """The least whole second from ``start`` on, up to ``high``, after which every window that stops begins at ``start`` or later.

    Starts never fall from one window to the next, so it is found by halving.
    """

    def fits(moment: datetime) -> bool:
        first = windows.following(Window(moment, moment))
        return first is not None and first.start >= start

    low = start
    if fits(low):
        return low
    while high - low > _SECOND:
        middle = low + ((high - low) // 2 // _SECOND) * _SECOND
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def _span(plan: PipelinePlan, stage: str, start: datetime, stop: datetime) -> Span | None:
    """The windows wholly in the range, closed or not; None when there is none."""
    windows: Windows = plan.stages[stage].cadence
    after = starts_from(windows, start, stop)
    count = windows.count_between(after, stop) if after < stop else 0
    return Span(stage, after, stop, count) if count else None


def _closed(plan: PipelinePlan, span: Span, closed: datetime) -> Span:
    """Without the windows that are not closed."""
    windows: Windows = plan.stages[span.stage].cadence
    last = windows.latest(closed)
    if last is None or last.stop <= span.after:
        return Span(span.stage, span.after, span.after, 0)
    if last.stop >= span.last:
        return span
    return Span(span.stage, span.after, last.stop, windows.count_between(span.after, last.stop))


def _count(plan: PipelinePlan, stage: str, spec: BackfillSpec, closed: datetime) -> int:
    span = _span(plan, stage, spec.start, spec.stop)
    return 0 if span is None else _closed(plan, span, closed).count


def _check_count(plan: PipelinePlan, spec: BackfillSpec, count: int, also: int) -> None:
    whole = count + also
    if whole <= MOST:
        return
    parts = -(-whole // MOST)
    step = (spec.stop - spec.start) / parts
    first = spec.start + timedelta(seconds=int(step.total_seconds()))
    stages = f" of {len(plan.graph.order)} stages" if len(plan.graph.order) > 1 else ""
    raise Refused(
        "TooManyWindows",
        f"the range holds about {whole:,} windows{stages}, and one backfill takes {MOST:,} at most: split it into {parts} or more "
        f"backfills, the first with stop about {rfc3339(first)}" + (", or name fewer stages" if stages else ""),
    )


def _not_closed(plan: PipelinePlan, spec: BackfillSpec, spans: list[Span]) -> str:
    """When the first window of the range can run."""

    def firsts() -> Iterator[tuple[datetime, str, Window]]:
        for span in spans:
            windows: Windows = plan.stages[span.stage].cadence
            first = windows.following(Window(span.after, span.after))
            if first is not None:
                yield first.stop, span.stage, first

    stop, stage, window = min(firsts())
    due = stop + timedelta(seconds=plan.delay)
    return (
        f"no window of {rfc3339(spec.start)}/{rfc3339(spec.stop)} is closed: the first, {window} of stage {stage}, can run "
        f"from {rfc3339(due)} on; its schedule runs it then, or create a backfill after that"
    )


def _why_empty(plan: PipelinePlan, named: tuple[str, ...], spec: BackfillSpec) -> str:
    windows: Windows = plan.stages[named[0]].cadence
    near = windows.following(Window(spec.start, spec.start))
    hint = f"; a window of stage {named[0]} is {near}" if near is not None else ""
    return f"no whole window lies in {rfc3339(spec.start)}/{rfc3339(spec.stop)}, so there is nothing to run{hint}"


def _reach(plan: PipelinePlan, stages: tuple[str, ...], spec: BackfillSpec) -> tuple[datetime, datetime]:
    """Where the records begin and end that decide: of the range, of what its windows are made of, of what is made of them."""
    start, stop = spec.start, spec.stop
    for name in {*stages, *(parent for stage in stages for parent in plan.graph.parents[stage])}:
        windows: Windows = plan.stages[name].cadence
        first = windows.following(Window(spec.start, spec.start))
        start = min(start, first.start) if first is not None else start
    for name in stages:
        if (
            plan.graph.parents[name] and not plan.stages[name].cadence.tumbling
        ):  # overlaps carry a change on beyond stop
            last = plan.stages[name].cadence.latest(spec.stop)
            stop += last.stop - last.start
    return start, stop
