"""What a query plan says of push-down: per read, whether InfluxDB aggregated in its storage, and if not, why.

The plan is the profiler's (``flux/query-plan``): a graph whose nodes are named after the steps, such as
``ReadWindowAggregateByTime12`` or ``merged_ReadRange9_filter2``. What its forms mean was seen on 2.7.12
(tests/contract/test_explain.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from influxops.core.durations import DurationError, parse_duration
from influxops.core.flux.render import Prelude
from influxops.core.lint.times import shift, truncate
from influxops.core.pipeline.windows.window import Window

_GRAPH = re.compile(r"digraph \{(.*?)^\}", re.DOTALL | re.MULTILINE)
_NODE = re.compile(r'^\s*"([^"]+)"\s*$')
_EDGE = re.compile(r'^\s*"([^"]+)" -> "([^"]+)"\s*$')
_READ = re.compile(r"Read[A-Z][A-Za-z]*")

_STORAGE = ("min", "max", "mean", "count", "sum", "first", "last")
"""What the storage computes by window; over a group all of it but mean."""
_AGGREGATES = frozenset(_STORAGE) | {
    "aggregateWindow", "derivative", "distinct", "integral", "median", "mode", "quantile", "reduce", "skew", "spread", "stddev",
    "unique",
}  # fmt: skip
_SHARED = (
    "Write from() anew for each of them, or make the variable a function (data = () => from(…), then data() |> …): then each "
    "read is pushed down by itself"
)
_WHOLE = f"InfluxDB's storage computes {', '.join(_STORAGE)} and nothing else"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One read of the plan."""

    node: str
    """As the plan names it."""
    note: str
    """What the plan says about it, such as ``every = 1h, aggregates = [mean]``."""
    steps: tuple[str, ...]
    """The steps after it, up to where it branches or ends; a write shows as ``to``."""
    pushed_down: bool | None
    """Whether its aggregate is computed in the storage; None: there is nothing to aggregate, every point is needed."""
    why: str
    remedy: str = ""
    """What to change; empty when there is nothing to change."""


@dataclass(slots=True)
class _Plan:
    notes: dict[str, str]
    after: dict[str, list[str]]


def verdicts(graph: str) -> list[Verdict]:
    """Judge every read of the plans in a text, in its order."""
    return [_judge(plan, node) for plan in _plans(graph) for node in plan.notes if _READ.search(node)]


def covered(window: Prelude | None, slot: datetime) -> Window | None:
    """The window of the run for a slot; None for a script that sets its range by itself."""
    if window is None:
        return None
    try:
        unit, *back = (parse_duration(text) for text in (window.align, window.period, window.lookback or "0s"))
    except DurationError:
        return None
    stop = truncate(slot, unit)
    start = stop
    for part in back:
        start = None if start is None else shift(start, part, -1)
    return None if start is None or stop is None else Window(start, stop)


def _plans(graph: str) -> Iterator[_Plan]:
    for body in _GRAPH.findall(graph.replace("\r", "")):
        plan, last = _Plan({}, {}), ""
        for line in body.splitlines():
            if found := _EDGE.match(line):
                plan.after.setdefault(found[1], []).append(found[2])
            elif found := _NODE.match(line):
                last = found[1]
                plan.notes[last] = ""
            elif last and line.strip().startswith("//"):
                plan.notes[last] = line.strip().removeprefix("//").strip()
        yield plan


def _judge(plan: _Plan, node: str) -> Verdict:
    found = _READ.search(node)
    read = found[0] if found else ""
    steps = tuple(_chain(plan, node))
    if "Aggregate" in read:
        return Verdict(node, plan.notes[node], steps, True, "aggregated in the storage")
    if read not in {"ReadRange", "ReadGroup"}:
        return Verdict(node, plan.notes[node], steps, True, "answered from the index")
    path = _to_aggregate(plan, node)
    if path is None:
        return Verdict(
            node, plan.notes[node], steps, None, "nothing is aggregated: the points that pass the filters are read"
        )
    why, remedy = _reason(plan, node, path, grouped=read == "ReadGroup")
    return Verdict(node, plan.notes[node], steps, False, why, remedy)


def _reason(plan: _Plan, node: str, path: list[str], *, grouped: bool) -> tuple[str, str]:
    """Why an aggregate is computed from points that were read, and what to change."""
    users = plan.after.get(node, [])
    *between, last = path
    if len(users) > 1:
        names = " and ".join(sorted({f"{_kind(user)}()" for user in users}))
        return f"the same read feeds {len(users)} steps ({names}): no storage read can answer them all", _SHARED
    blocking = next((step for step in between if step not in {"window", "duplicate"}), None)
    if blocking is not None:
        return (
            f"{blocking}() comes before {last}() and needs the points themselves",
            f"move {blocking}() behind {last}() if it gives the same there"
            + ("; a filter is pushed down when it compares columns with literals, without a function" if blocking == "filter" else ""),
        )  # fmt: skip
    if last not in _STORAGE and last != "aggregateWindow":
        also = " (so are median and every aggregateWindow with a function of its own)" if last == "quantile" else ""
        return (
            f"{last}() is computed from the points{also}: {_WHOLE}",
            "keep it where you need it and accept the cost; for a mean that can be rolled up further keep sum and count",
        )
    if grouped:
        return (
            f"{last}() comes after group(): of groups the storage computes count, sum, min, max, first and last, without windows",
            "aggregate first, each series by itself, and group what comes of it",
        )
    why = (
        f"{last}() has a period that differs from every, a location, or a negative offset: the storage knows windows in UTC, "
        "one after the other"
    )
    return why, "leave out period, location and offset; for local days let the window of the run be the day"


def _to_aggregate(plan: _Plan, node: str) -> list[str] | None:
    """The kinds of the steps from a read to the next aggregate, which is the last; None when none follows."""
    queue: list[tuple[str, list[str]]] = [(after, []) for after in plan.after.get(node, [])]
    seen: set[str] = set()
    while queue:
        name, path = queue.pop(0)
        if name in seen:
            continue
        seen.add(name)
        kind = _kind(name)
        if kind in _AGGREGATES:
            return [*path, kind]
        queue += [(after, [*path, kind]) for after in plan.after.get(name, [])]
    return None


def _chain(plan: _Plan, node: str) -> Iterator[str]:
    after: Mapping[str, list[str]] = plan.after
    seen = {node}
    while len(after.get(node, [])) == 1 and after[node][0] not in seen:
        node = after[node][0]
        seen.add(node)
        yield "to" if _kind(node) == "yield" else _kind(node)


def _kind(name: str) -> str:
    """``vectorizedMap11`` is a map, ``experimental/table.fill5`` a fill."""
    text = re.sub(r"^merged_|\d+(_.*)?$", "", name).rpartition(".")[2]
    return "map" if text == "vectorizedMap" else text
