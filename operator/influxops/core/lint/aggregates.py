"""Lints of aggregates over aggregates, within a script and from one task to the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from influxops.core.lint.flow import Call, Function, Node, Value, properties
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
    measurements: frozenset[str] | None
    """None: any."""
    fields: frozenset[str] | None
    where: str
    """Which task does it, for people."""


def aggregates(script: Script) -> Iterator[Hit]:
    """Aggregates of aggregates within one script."""
    for path in script.flows.paths():
        before: set[str] = set()
        for call in path:
            function = merged_by(script, call)
            if function is None:
                continue
            if function in before and function in _AGAIN:
                yield script.hit(_AGAIN[function], call.node, f"{function} of values that are {function}s already")
            before.add(function)


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
        measurements, fields = (kept(script, path, column) for column in ("_measurement", "_field"))
        yield Rollup(bucket, function or "", measurements, fields, where)


def across(script: Script, upstream: Iterable[Rollup]) -> Iterator[Hit]:
    """Aggregates over what other tasks have aggregated."""
    known = list(upstream)
    for path in script.flows.paths():
        bucket = script.bucket(path[0])
        place = next((place for place, call in enumerate(path) if merged_by(script, call)), None)
        if bucket is None or place is None or any(call.name not in _HARMLESS | {"from"} for call in path[:place]):
            continue
        function = merged_by(script, path[place])
        wants = {column: kept(script, path[:place], column) for column in ("_measurement", "_field")}
        for rollup in known:
            if rollup.bucket != bucket or rollup.function != function or function not in _AGAIN:
                continue
            if _meet(rollup.measurements, wants["_measurement"]) and _meet(rollup.fields, wants["_field"]):
                yield script.hit(
                    _AGAIN[function],
                    path[place].node,
                    f"{function} of what {rollup.where} wrote to bucket {bucket!r}, which are {function}s already",
                )
                break


def _meet(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return one is None or other is None or bool(one & other)


def kept(script: Script, path: Iterable[Call], column: str) -> frozenset[str] | None:
    """The values of a column that a path lets through or sets; None: any."""
    found: frozenset[str] | None = None
    for call in path:
        if call.name == "set" and script.flows.text(call.arguments.get("key")) == column:
            text = script.flows.text(call.arguments.get("value"))
            found = None if text is None else frozenset({text})
        if call.name == "filter":
            function = call.arguments.get("fn")
            if isinstance(function, Function):
                allowed = _compared(function.node.get("body") or {}, column)
                found = allowed if found is None else found if allowed is None else found & allowed
    return found


def _compared(node: Node, column: str) -> frozenset[str] | None:
    """The literals that a predicate compares a column with; None when it lets others through as well."""
    match node.get("type"):
        case "ParenExpression":
            return _compared(node.get("expression") or {}, column)
        case "Block":
            last = (node.get("body") or [{}])[-1]
            return _compared(last.get("argument") or {}, column)
        case "LogicalExpression":
            left, right = (_compared(node.get(side) or {}, column) for side in ("left", "right"))
            if str(node.get("operator")).lower() == "and":
                return right if left is None else left if right is None else left & right
            return None if left is None or right is None else left | right
        case "BinaryExpression" if node.get("operator") == "==":
            sides = [node.get("left") or {}, node.get("right") or {}]
            for one, other in (sides, sides[::-1]):
                key = one.get("property") or {}
                if key.get("name", key.get("value")) == column and other.get("type") == "StringLiteral":
                    return frozenset({str(other.get("value", ""))})
    return None


def record_of(value: Value | None) -> tuple[dict[str, Node], bool] | None:
    """The record that a function of one row gives back, and whether it keeps the row's other columns (``with``).

    None when its form tells too little.
    """
    if not isinstance(value, Function):
        return None
    body = value.node.get("body") or {}
    if body.get("type") == "Block":
        body = (body.get("body") or [{}])[-1].get("argument") or {}
    while body.get("type") == "ParenExpression":
        body = body.get("expression") or {}
    if body.get("type") != "ObjectExpression":
        return None
    return properties(body), bool(body.get("with"))
