"""Lints of ``aggregateWindow`` in a rollup."""

from __future__ import annotations

from collections.abc import Iterator

from influxops.core.lint.flow import Call
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script
from influxops.core.lint.times import duration

_READ = 'from(bucket: "raw") |> range(start: -1h)'

TIME_SRC = Rule(
    "window-time-src",
    Severity.WARNING,
    'A rollup uses aggregateWindow without timeSrc: "_start".',
    "By default the point of a window gets the window's end as its time, which lies outside the range that was read and "
    "inside the next one: the next stage counts it in the wrong window.",
    'add timeSrc: "_start", so that the time of a point is the start of its window',
    bad=f'{_READ} |> aggregateWindow(every: 5m, fn: max) |> to(bucket: "five")',
    good=f'{_READ} |> aggregateWindow(every: 5m, fn: max, timeSrc: "_start") |> to(bucket: "five")',
)
PUSH_DOWN = Rule(
    "no-push-down",
    Severity.WARNING,
    "aggregateWindow cannot be computed by the storage engine.",
    "With a period that differs from every, with a location or with a negative offset, every point is read into memory "
    "(influxdb#24293, #23459: up to 300 times slower).",
    "leave out period and location (InfluxDB schedules in UTC), or silence this line if you accept the cost",
    bad=f'{_READ} |> aggregateWindow(every: 5m, period: 10m, fn: max, timeSrc: "_start") |> to(bucket: "five")',
    good=f'{_READ} |> aggregateWindow(every: 5m, period: 5m, fn: max, timeSrc: "_start") |> to(bucket: "five")',
)


def windows(script: Script) -> Iterator[Hit]:
    """All lints of this module."""
    for path in script.writes():
        for call in path:
            if call.name == "aggregateWindow":
                yield from _time_source(script, call)
    for call in script.flows.calls:
        if call.name == "aggregateWindow":
            yield from _push_down(script, call)


def _time_source(script: Script, call: Call) -> Iterator[Hit]:
    given = call.arguments.get("timeSrc")
    if given is None:
        yield script.hit(TIME_SRC, call.node, 'aggregateWindow without timeSrc: "_start" stamps a window with its end')
    elif script.flows.text(given) == "_stop":
        yield script.hit(TIME_SRC, call.node, 'timeSrc: "_stop" stamps a window with its end')


def _push_down(script: Script, call: Call) -> Iterator[Hit]:
    every = duration(script, call.arguments.get("every"))
    period = duration(script, call.arguments.get("period"))
    offset = duration(script, call.arguments.get("offset"))
    if every is not None and period is not None and every != period:
        yield script.hit(PUSH_DOWN, call.node, f"period {period} differs from every {every}: every point is read")
    elif "location" in call.arguments:
        yield script.hit(PUSH_DOWN, call.node, "aggregateWindow with a location: every point is read")
    elif "location" in script.flows.options:
        yield script.hit(PUSH_DOWN, call.node, "`option location` holds for this aggregateWindow: every point is read")
    elif offset is not None and (offset.nanoseconds < 0 or offset.months < 0):
        yield script.hit(PUSH_DOWN, call.node, f"offset {offset} is negative: every point is read")
