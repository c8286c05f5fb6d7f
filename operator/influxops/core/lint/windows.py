"""Lints of ``aggregateWindow`` in a rollup."""

from __future__ import annotations

from collections.abc import Iterator

from influxops.core.lint.flow import Builtin, Call, Open, Value
from influxops.core.lint.rows import record_of
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
        for place, call in enumerate(path):
            if call.name == "aggregateWindow" and not any(_sets_time(script, step) for step in path[place + 1 :]):
                yield from _time_source(script, call)
    for call in script.flows.calls:
        if call.name == "aggregateWindow":
            yield from _push_down(script, call)


def _sets_time(script: Script, call: Call) -> bool:
    """Whether a step gives points another time than the window's."""
    match call.name:
        case "timeShift":
            return True
        case "duplicate":
            return script.flows.text(call.arguments.get("as")) == "_time"
        case "rename":
            return True
        case "map":
            found = record_of(call.arguments.get("fn"))
            if found is None:
                return True
            time = found[0].get("_time")
            key = (time or {}).get("property") or {}
            return time is not None and key.get("name", key.get("value")) != "_time"
        case _:
            return False


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
    elif "location" in call.arguments and not _is_utc(script, call.arguments["location"]):
        yield script.hit(PUSH_DOWN, call.node, "aggregateWindow with a location: every point is read")
    elif "location" not in call.arguments and "location" in script.flows.options and not _option_is_utc(script):
        yield script.hit(PUSH_DOWN, call.node, "`option location` holds for this aggregateWindow: every point is read")
    elif offset is not None and (offset.nanoseconds < 0 or offset.months < 0):
        yield script.hit(PUSH_DOWN, call.node, f"offset {offset} is negative: every point is read")


def _is_utc(script: Script, location: Value) -> bool:
    """Whether a location is UTC, with which windows are pushed down (seen in the plan of 2.7.12)."""
    match location:
        case Builtin("utc", "timezone"):
            return True
        case Call("fixed", "timezone", arguments):
            offset = duration(script, arguments.get("offset"))
            return offset is not None and not offset.nanoseconds and not offset.months
        case _:
            return False


def _option_is_utc(script: Script) -> bool:
    option = script.flows.options["location"]
    return isinstance(option, Open) and _is_utc(script, script.flows.resolve(option.node, option.scope))
