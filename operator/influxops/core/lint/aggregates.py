"""Lints of aggregates over aggregates, within a script and from one task to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from influxops.core.lint.flow import Call, Function, Value
from influxops.core.lint.rows import kept, mentions, record_of, unread
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script

_READ = 'from(bucket: "raw") |> range(start: -1h)'


def _twice(first: str, second: str) -> str:
    return (
        f'{_READ} |> aggregateWindow(every: 1m, fn: {first}, timeSrc: "_start") '
        f'|> aggregateWindow(every: 1h, fn: {second}, timeSrc: "_start") |> to(bucket: "hourly")'
    )


MEAN = Rule(
    "mean-of-means",
    Severity.WARNING,
    "A mean is taken of means.",
    "Windows and series with few points weigh as much as those with many, so the result is wrong wherever the numbers of "
    "points differ.",
    "keep sum and count, and divide at the end; or take the mean from the raw points",
    bad=_twice("mean", "mean"),
    good=_twice("max", "max"),
)
COUNT = Rule(
    "count-of-counts",
    Severity.WARNING,
    "Counts are counted again.",
    "The result is the number of windows or series, not of points.",
    "use sum for counts",
    bad=_twice("count", "count"),
    good=_twice("count", "sum"),
)
UNMERGEABLE = Rule(
    "median-of-medians",
    Severity.WARNING,
    "A median, quantile, standard deviation or spread is taken of its like.",
    "These cannot be put together from parts.",
    "take it from the raw points, in one step",
    bad=_twice("median", "median"),
    good=_twice("min", "min"),
)
_AGAIN = {
    "mean": MEAN,
    "count": COUNT,
    **dict.fromkeys(("median", "quantile", "stddev", "spread"), UNMERGEABLE),
}
_MERGES = frozenset(_AGAIN) | {"sum", "min", "max", "first", "last"}
_HARMLESS = frozenset({"range", "filter", "group", "window", "keep", "drop", "sort", "limit", "fill", "yield"})


@dataclass(frozen=True, slots=True)
class Rollup:
    """What a path of a script writes: the last aggregate of it, where it goes, and of what."""

    bucket: str
    function: str
    columns: Mapping[str, frozenset[str] | None]
    """The values that ``_measurement``, ``_field`` and each tag that it sets have; None: any."""
    where: str
    """Which task does it, for people."""


def aggregates(script: Script) -> Iterator[Hit]:
    """Aggregates of aggregates within one script."""
    for path in script.flows.paths():
        before: str | None = None
        for call in path:
            function = merged_by(script, call)
            if function is None:
                before = before if _keeps_values(call) else None
                continue
            if before and _goes_wrong(before, function):
                yield script.hit(_AGAIN[function], call.node, f"{function} of values that are {before}s already")
            before = function


def _goes_wrong(first: str, second: str) -> bool:
    """Whether an aggregate of an aggregate is not what it looks like."""
    both = _AGAIN.get(first), _AGAIN.get(second)
    return first in _AGAIN and (first == second or both == (UNMERGEABLE, UNMERGEABLE))


def _keeps_values(call: Call) -> bool:
    """Whether what was an aggregate before a step is one still, and all of it."""
    if call.name == "filter":
        function = call.arguments.get("fn")
        return isinstance(function, Function) and not mentions(function.node.get("body") or {}, "_value")
    if call.name == "map":
        found = record_of(call.arguments.get("fn"))
        return found is not None and found[1] and "_value" not in found[0]
    return call.name in _HARMLESS | {"to", "set", "duplicate", "rename", "union", "timeShift"}


def merged_by(script: Script, call: Call) -> str | None:
    """The aggregate function that a step applies; None when it applies none, or one of the script's own."""
    if call.name == "aggregateWindow":
        return _function_of(script, call.arguments.get("fn"))
    return call.name if call.name in _MERGES and not call.package and call.inputs else None


def _function_of(script: Script, value: Value | None) -> str | None:
    if value is None:
        return None
    name = getattr(value, "name", None)
    if isinstance(name, str):
        return name
    if isinstance(value, Function):  # fn: (column, tables=<-) => tables |> quantile(q: 0.9)
        body = value.node.get("body") or {}
        inner = script.flows.resolve(body, value.scope)
        return inner.name if isinstance(inner, Call) else None
    return None


def rollups(script: Script, where: str) -> Iterator[Rollup]:
    """What a script writes, as far as its text tells for sure."""
    for path in script.writes():
        bucket = script.bucket(path[-1])
        places = [place for place, call in enumerate(path) if merged_by(script, call)]
        if bucket is None or not places:
            continue
        if any(call.name not in _HARMLESS | {"to", "set"} for call in path[places[-1] + 1 :]):
            continue
        function = merged_by(script, path[places[-1]])
        if path[-1].arguments.keys() & {"fieldFn", "measurementColumn"}:
            continue
        tags = {script.flows.text(call.arguments.get("key")) for call in path if call.name == "set"}
        columns = {column: kept(script, path, column) for column in {"_measurement", "_field", *tags} if column}
        yield Rollup(bucket, function or "", columns, where)


def across(script: Script, upstream: Iterable[Rollup]) -> Iterator[Hit]:
    """Aggregates over what other tasks have aggregated."""
    known = list(upstream)
    for path in script.flows.paths():
        bucket = script.bucket(path[0])
        place = next((place for place, call in enumerate(path) if merged_by(script, call)), None)
        if bucket is None or place is None or any(call.name not in _HARMLESS | {"from"} for call in path[:place]):
            continue
        function = merged_by(script, path[place])
        if any(unread(path[:place], column) for column in ("_measurement", "_field")):
            continue
        for rollup in known:
            if rollup.bucket != bucket or function is None or not _goes_wrong(rollup.function, function):
                continue
            if all(_meet(values, kept(script, path[:place], column)) for column, values in rollup.columns.items()):
                yield script.hit(
                    _AGAIN[function],
                    path[place].node,
                    f"{function} of what {rollup.where} wrote to bucket {bucket!r}, which are {rollup.function}s already",
                )
                break


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return one is None or other is None or bool(one & other)
