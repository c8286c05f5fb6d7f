"""A lint of the columns that ``to`` needs, and that a step before it has lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from influxops.core.lint.flow import Builtin, Call, Function, Open, Value, is_read, properties
from influxops.core.lint.rows import compared, record_of
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script

_READ = 'from(bucket: "raw") |> range(start: -1h)'

LOST = Rule(
    "lost-column",
    Severity.ERROR,
    "A column that to() needs is lost before it.",
    "to() needs _time, _measurement, _field and _value. Without one of them every run fails (`no column with label "
    "_measurement exists`), and nothing but a run shows it.",
    'keep the column: name it in keep(), or set it again with set(key: "_measurement", value: "…") before to()',
    bad=f'{_READ} |> keep(columns: ["_time", "_value", "host"]) |> to(bucket: "copy")',
    good=f'{_READ} |> keep(columns: ["_time", "_value", "_field", "_measurement", "host"]) |> to(bucket: "copy")',
)

_NEEDED = frozenset({"_time", "_measurement", "_field", "_value"})
_SAME = frozenset(
    {
        "range", "filter", "limit", "tail", "sort", "fill", "yield", "to", "first", "last", "min", "max", "sample",
        "unique", "difference", "derivative", "increase", "cumulativeSum", "movingAverage", "timeShift", "toFloat",
        "toInt", "toString", "toUInt", "toBool", "exponentialMovingAverage", "elapsed",
        "truncateTimeColumn", "window", "bottom", "top",
    }
)  # fmt: skip
"""Steps that lose no column that is needed."""
_SELECTORS = frozenset({"first", "last", "min", "max", "sample", "unique", "top", "bottom"})
_AGGREGATES = frozenset(
    {"mean", "sum", "count", "median", "stddev", "spread", "mode", "skew", "integral", "distinct", "quantile"}
)


@dataclass(slots=True)
class _State:
    lost: dict[str, Call] = field(default_factory=dict)
    """Column to the step that lost it."""
    key: frozenset[str] = frozenset({"_measurement", "_field"})
    """Of the group key: the columns that are needed."""

    def lose(self, columns: frozenset[str], call: Call) -> None:
        for column in columns & _NEEDED:
            self.lost.setdefault(column, call)
        self.key -= columns

    def restore(self, columns: frozenset[str]) -> None:
        for column in columns:
            self.lost.pop(column, None)


def columns(script: Script) -> Iterator[Hit]:
    """All lints of this module."""
    for path in script.writes():
        if not is_read(path[0]):
            continue
        state = _State()
        if all(_step(script, state, call) for call in path[1:-1]):
            for column in sorted(_needed(path[-1]) & state.lost.keys()):
                cause = state.lost[column]
                yield script.hit(
                    LOST, cause.node, f"{cause.name}() loses the column {column}, which {path[-1].name}() needs"
                )


def _needed(write: Call) -> frozenset[str]:
    needed = set(_NEEDED)
    if write.name == "wideTo" or write.package == "experimental":
        needed -= {"_field", "_value"}
    if "fieldFn" in write.arguments:
        needed -= {"_field", "_value"}
    if "timeColumn" in write.arguments:
        needed.discard("_time")
    if "measurementColumn" in write.arguments:
        needed.discard("_measurement")
    return frozenset(needed)


def _step(script: Script, state: _State, call: Call) -> bool:
    """Follow one step; False when nobody can tell what it does to the columns."""
    if len(call.inputs) != 1:
        return False
    names = script.flows.texts(call.arguments.get("columns"))
    match call.name:
        case "keep" if names is not None:
            state.lose(_NEEDED - frozenset(names), call)
        case "drop" if names is not None:
            state.lose(frozenset(names), call)
        case "drop" if isinstance(call.arguments.get("fn"), Function):
            named = compared(call.arguments["fn"].node.get("body") or {}, "column")  # type: ignore[union-attr]
            if named is None:
                return False
            state.lose(named, call)
        case "pivot":
            keys = script.flows.texts(call.arguments.get("columnKey"))
            value = script.flows.text(call.arguments.get("valueColumn"))
            if keys is None or value is None:
                return False
            state.lose(frozenset({*keys, value}), call)
        case "reduce":
            identity = call.arguments.get("identity")
            if not isinstance(identity, Open) or identity.node.get("type") != "ObjectExpression":
                return False
            state.lose(_NEEDED - state.key, call)
            state.restore(frozenset(properties(identity.node)))
        case "timedMovingAverage":
            state.lose(frozenset({"_measurement", "_field"}) - state.key, call)
            state.restore(frozenset({"_time"}))
        case "rename":
            return _rename(script, state, call)
        case "set":
            state.restore(frozenset({script.flows.text(call.arguments.get("key")) or ""}))
        case "duplicate":
            state.restore(frozenset({script.flows.text(call.arguments.get("as")) or ""}))
        case "map":
            return _map(state, call)
        case "group":
            return _group(script, state, call)
        case "aggregateWindow":
            loses = _loses(script, call.arguments.get("fn"))
            if loses is None:
                return False
            if loses:
                state.lose(frozenset({"_measurement", "_field"}) - state.key, call)
            state.restore(frozenset({"_time"}))
        case name if name in _AGGREGATES and not call.package:
            if _selects(script, call):
                return True
            state.lose(frozenset({"_measurement", "_field", "_time"}) - state.key, call)
        case name:
            return name in _SAME and not call.package
    return True


def _selects(script: Script, call: Call) -> bool:
    """Whether a quantile or median picks a row: then all columns stay."""
    return script.flows.text(call.arguments.get("method")) == "exact_selector"


def _loses(script: Script, function: Value | None) -> bool | None:
    """Whether the function of an aggregateWindow loses columns that are not in the group key; None: nobody can tell."""
    match function:
        case Builtin(name, ""):
            return True if name in _AGGREGATES else False if name in _SELECTORS else None
        case Function(node, scope):
            found = script.flows.resolve(node.get("body") or {}, scope)
            loses = False
            while isinstance(found, Call):
                if found.package or len(found.inputs) > 1:
                    return None
                if found.name in _AGGREGATES:
                    loses = loses or not _selects(script, found)
                elif found.name not in _SAME:
                    return None
                if not found.inputs:
                    return loses
                found = found.inputs[0]
    return None


def _rename(script: Script, state: _State, call: Call) -> bool:
    given = call.arguments.get("columns")
    if not isinstance(given, Open) or given.node.get("type") != "ObjectExpression":
        return False
    pairs = properties(given.node)
    for old, node in pairs.items():
        new = script.flows.text(script.flows.resolve(node, given.scope))
        if new is None:
            return False
        state.lose(frozenset({old}), call)
        state.restore(frozenset({new}))
        state.key |= frozenset({new}) & {"_measurement", "_field"}  # it may have been in the key under its old name
    return True


def _map(state: _State, call: Call) -> bool:
    found = record_of(call.arguments.get("fn"))
    if found is None:
        return False
    named, keeps = found
    if not keeps:
        state.lose(_NEEDED - named.keys(), call)
    state.restore(frozenset(named))
    return True


def _group(script: Script, state: _State, call: Call) -> bool:
    if "columns" not in call.arguments:
        state.key = frozenset()
        return True
    names = script.flows.texts(call.arguments["columns"])
    if names is None:
        return False
    by = frozenset({"_measurement", "_field"}) & frozenset(names)
    except_ = script.flows.text(call.arguments.get("mode")) == "except"
    state.key = frozenset({"_measurement", "_field"}) - by if except_ else by
    return True
