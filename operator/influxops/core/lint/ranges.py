"""Lints of ``range``: what a run reads, and whether the runs together read everything once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from influxops.core.durations import format_seconds
from influxops.core.lint.flow import Call, is_read, is_write
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script
from influxops.core.lint.times import aligned, duration, instant

_Spans: TypeAlias = list[tuple[datetime, datetime, datetime]]
"""Slot, start and stop of some runs in a row."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAWN = _EPOCH + timedelta(days=366)
_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
_LATER = datetime(2033, 7, 8, 9, 10, 11, tzinfo=UTC)
_LOOKS_UP = frozenset({"last", "first", "findRecord", "findColumn", "tableFind"})

UNBOUNDED = Rule(
    "unbounded-read",
    Severity.ERROR,
    "A bucket is read without range, or from the beginning of time.",
    "InfluxDB refuses a read without range when the task runs (`cannot submit unbounded read`), not when it is stored; a "
    "range from 0 reads all that the bucket holds in every run.",
    "put |> range(start: v.timeRangeStart, stop: v.timeRangeStop) right behind from()",
    bad='from(bucket: "raw") |> filter(fn: (r) => r._measurement == "cpu") |> to(bucket: "copy")',
    good='from(bucket: "raw") |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> to(bucket: "copy")',
)
ABSOLUTE = Rule(
    "absolute-range",
    Severity.ERROR,
    "The range begins at a fixed time.",
    "Every run reads from the same moment on: more with each day, and the old points again and again.",
    "write range(start: v.timeRangeStart, stop: v.timeRangeStop); to fill up the past once, run the task for past slots",
    bad='from(bucket: "raw") |> range(start: 2026-01-01T00:00:00Z) |> to(bucket: "copy")',
    good='from(bucket: "raw") |> range(start: -task.every) |> to(bucket: "copy")',
)
UNALIGNED = Rule(
    "unaligned-range",
    Severity.WARNING,
    "The range cuts the first or the last window of aggregateWindow or window.",
    "Windows are clipped to the range. A clipped window holds part of the points under the time stamp of the whole one, and "
    "overwrites it when the next run reads another part (influxdb#17323, #24899).",
    "write range(start: v.timeRangeStart, stop: v.timeRangeStop), whose bounds are whole multiples of `every`, or "
    "date.truncate(t: now(), unit: …) for both bounds",
    bad='from(bucket: "raw") |> range(start: -90m) |> aggregateWindow(every: 1h, fn: max, timeSrc: "_start") '
    '|> to(bucket: "copy")',
    good='from(bucket: "raw") |> range(start: -2h) |> aggregateWindow(every: 1h, fn: max, timeSrc: "_start") '
    '|> to(bucket: "copy")',
)
GAP = Rule(
    "gap-between-runs",
    Severity.WARNING,
    "The range is shorter than the time from one run to the next.",
    "Points between the end of one range and the start of the next are never read.",
    "write range(start: v.timeRangeStart, stop: v.timeRangeStop), or make the range at least as long as `every`",
    bad='from(bucket: "raw") |> range(start: -10m) |> to(bucket: "copy")',
    good='from(bucket: "raw") |> range(start: -1h) |> to(bucket: "copy")',
)
RETENTION = Rule(
    "window-exceeds-retention",
    Severity.WARNING,
    "A run reads further back than its source keeps points.",
    "What is older than the bucket's retention is gone, so the result is made of a part of the window and looks whole.",
    "shorten the range, or give the source bucket a longer retention",
)


def ranges(script: Script) -> Iterator[Hit]:
    """All lints of this module."""
    known: dict[int, _Spans] = {}
    together: dict[tuple[str | None, int], list[Call]] = {}
    for path in script.flows.paths():
        if not is_read(path[0]):
            continue
        call = next((step for step in path if step.name == "range"), None)
        if call is None:
            bucket = script.bucket(path[0])
            what = f"bucket {bucket!r}" if bucket else "the bucket"
            yield script.hit(UNBOUNDED, path[0].node, f"{what} is read without range")
        else:
            if id(call) not in known:
                known[id(call)] = _spans(script, call)
            yield from _of_range(script, path, call, known[id(call)])
            if is_write(path[-1]):
                together.setdefault((script.bucket(path[0]), id(path[-1])), []).append(call)
    for calls in together.values():
        yield from _gap(script, calls[0], [known[id(call)] for call in calls])


def _of_range(script: Script, path: tuple[Call, ...], call: Call, known: _Spans) -> Iterator[Hit]:
    first = instant(script, call.arguments.get("start"), _LONG_AGO)
    if first is not None and first == instant(script, call.arguments.get("start"), _LATER):
        if first < _DAWN:
            yield script.hit(UNBOUNDED, call.node, "the range begins at the beginning of time", Severity.WARNING)
        elif not any(step.name in _LOOKS_UP for step in path):  # the latest value of a setting, say
            yield script.hit(ABSOLUTE, call.node, f"every run reads from {first:%Y-%m-%d %H:%M:%S} UTC on")
        return
    if not known:
        return
    yield from _cut(script, path, call, known)
    yield from _too_far(script, path[0], call, known)


def _spans(script: Script, call: Call) -> _Spans:
    """What some runs read; empty when the text does not tell."""
    spans = []
    for slot in script.slots:
        start = instant(script, call.arguments.get("start"), slot)
        stop = instant(script, call.arguments.get("stop"), slot)
        if start is None or stop is None:
            return []
        spans.append((slot, start, stop))
    return spans


def _cut(script: Script, path: tuple[Call, ...], call: Call, known: _Spans) -> Iterator[Hit]:
    for step in path:
        if step.name not in {"aggregateWindow", "window"} or "location" in step.arguments:
            continue
        every = duration(script, step.arguments.get("every"))
        offset = duration(script, step.arguments.get("offset"))
        if every is None or (offset is None and "offset" in step.arguments):
            continue
        for slot, start, stop in known:
            if not (aligned(start, every, offset) and aligned(stop, every, offset)):
                yield script.hit(
                    UNALIGNED,
                    call.node,
                    f"the run of {slot:%H:%M:%S} reads from {start:%H:%M:%S} to {stop:%H:%M:%S}, which cuts windows of "
                    f"{every}",
                )
                return


def _gap(script: Script, call: Call, known: list[_Spans]) -> Iterator[Hit]:
    """Whether all ranges of one bucket, which one write puts together, leave anything out."""
    if not all(known) or any(_fixed(spans) for spans in known):
        return
    spans = sorted((start, stop) for each in known for _, start, stop in each)
    reached = spans[0][1]
    for start, stop in spans:
        if start > reached:
            message = f"no run reads from {reached:%H:%M:%S} to {start:%H:%M:%S}, and so on after each run"
            yield script.hit(GAP, call.node, message)
            return
        reached = max(reached, stop)


def _fixed(spans: _Spans) -> bool:
    return len({start for _, start, _ in spans}) == 1


def _too_far(script: Script, source: Call, call: Call, known: _Spans) -> Iterator[Hit]:
    bucket = script.bucket(source)
    keeps = script.retention.get(bucket or "", 0)
    back = max(int((slot - start).total_seconds()) for slot, start, _ in known)
    if keeps and back > keeps:
        yield script.hit(
            RETENTION,
            call.node,
            f"a run reads {format_seconds(back, 'dhms')} back, and bucket {bucket!r} keeps {format_seconds(keeps, 'dhms')}",
        )
