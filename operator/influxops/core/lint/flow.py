"""Follows a script's pipelines through its variables and its own functions, from ``from`` to ``to``.

A small, lazy evaluation of the syntax tree: it knows which call feeds which, and what literal an argument ends in. What it
cannot follow it leaves open (:class:`Open`), so that a lint which needs it says nothing rather than guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Node: TypeAlias = Mapping[str, Any]

_MOST_STEPS = 20_000
_MOST_PATHS = 64
_FINDS = frozenset({"findColumn", "findRecord", "tableFind"})
"""Run what is piped into them at once."""


class TooBig(Exception):
    """The script unfolds to more calls than a lint can follow."""


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """Names and what they stand for."""

    names: dict[str, Value]
    outer: Scope | None = None

    def find(self, name: str) -> Value | None:
        """What a name stands for; None when the script does not define it."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """An expression that is looked at when it is needed: a literal, a record, or what cannot be followed."""

    node: Node
    scope: Scope


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """A function of the script's own."""

    node: Node
    scope: Scope


@dataclass(frozen=True, slots=True)
class Package:
    """An imported package."""

    path: str


@dataclass(frozen=True, slots=True)
class Builtin:
    """A name that the script does not define: ``from``, ``v.timeRangeStart``, or a member of a package."""

    name: str
    package: str = ""
    """Import path; empty for what needs no import."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call of a function that the script does not define."""

    name: str
    package: str
    arguments: Mapping[str, Value]
    node: Node
    inputs: tuple[Call, ...] = ()
    """The streams of tables that it works on: what is piped into it, and those among its arguments."""


Value: TypeAlias = Open | Function | Package | Builtin | Call


@dataclass(slots=True)
class Flows:
    """Every pipeline of a script."""

    ends: list[Call] = field(default_factory=list)
    """Streams that the script gives out: its top-level expressions, and every write, in the order of the text."""
    calls: list[Call] = field(default_factory=list)
    """Every call that was reached."""
    scope: Scope = field(default_factory=lambda: Scope({}))
    """Names of the file level."""
    options: Mapping[str, Value] = field(default_factory=dict)

    def paths(self) -> Iterator[tuple[Call, ...]]:
        """Every way from a source to an end, source first."""
        for end in self.ends:
            yield from paths(end)

    def literal(self, value: Value | None) -> Node | None:
        """The literal that a value comes down to; None for anything else."""
        node = value.node if isinstance(value, Open) else None
        return node if node is not None and str(node.get("type", "")).endswith("Literal") else None

    def text(self, value: Value | None) -> str | None:
        """The text of a string literal."""
        node = self.literal(value)
        return str(node["value"]) if node is not None and node["type"] == "StringLiteral" else None

    def texts(self, value: Value | None) -> tuple[str, ...] | None:
        """The texts of an array of string literals; None when one is something else."""
        if not isinstance(value, Open) or value.node.get("type") != "ArrayExpression":
            return None
        found = [self.text(evaluate(item, value.scope, _Work(self))) for item in elements(value.node)]
        return None if None in found else tuple(str(text) for text in found)

    def resolve(self, node: Node, scope: Scope) -> Value:
        """What an expression comes down to."""
        return evaluate(node, scope, _Work(Flows()))


def flows_of(file: Node) -> Flows:
    """Follow a file's statements. Raises TooBig, and RecursionError for a script that nests too deep."""
    names: dict[str, Value] = {}
    scope = Scope(names)
    flows = Flows(scope=scope)
    work = _Work(flows)
    statements: list[Node] = []
    options: dict[str, Value] = {}
    for node in file.get("imports") or []:
        path = str(node["path"].get("value", ""))
        alias = str((node.get("as") or {}).get("name") or path.rsplit("/", 1)[-1])
        names[alias] = Package(path)
    for statement in file.get("body") or []:
        assignment = _assigned(statement)
        if assignment is None:
            if statement.get("type") == "ExpressionStatement":
                statements.append(statement["expression"])
            continue
        name, init = assignment
        names[name] = Open(init, scope)
        if statement.get("type") == "OptionStatement":
            options[name] = names[name]
        statements.append(init)
    flows.options = options
    tops = {id(item["expression"]) for item in file.get("body") or [] if item.get("type") == "ExpressionStatement"}
    for node in statements:
        value = evaluate(node, scope, work)
        if isinstance(value, Call) and id(node) in tops:
            flows.ends.append(value)
    known = {id(call) for call in flows.ends}
    flows.ends += [call for call in flows.calls if (is_write(call) or call.name in _FINDS) and id(call) not in known]
    return flows


def _assigned(statement: Node) -> tuple[str, Node] | None:
    if statement.get("type") == "OptionStatement":
        statement = statement.get("assignment") or {}
    if statement.get("type") != "VariableAssignment":
        return None
    return str((statement.get("id") or {}).get("name", "")), statement.get("init") or {}


def is_read(call: Call) -> bool:
    """Whether a call reads a bucket of InfluxDB."""
    return call.name == "from" and call.package in {"", "influxdata/influxdb"}


def is_write(call: Call) -> bool:
    """Whether a call writes a bucket of InfluxDB."""
    return call.name in {"to", "wideTo"} and call.package in {"", "influxdata/influxdb", "experimental"}


def paths(end: Call) -> Iterator[tuple[Call, ...]]:
    """Every way from a source to a call, source first; at most 64 of them."""
    count = 0
    stack: list[tuple[Call, tuple[Call, ...]]] = [(end, (end,))]
    while stack and count < _MOST_PATHS:
        call, path = stack.pop()
        if not call.inputs:
            count += 1
            yield path
        stack.extend((source, (source, *path)) for source in reversed(call.inputs))


def elements(node: Node) -> list[Node]:
    """The items of an array expression."""
    return [item.get("expression") or item for item in node.get("elements") or []]


def properties(node: Node) -> dict[str, Node]:
    """The properties of a record, by name; ``{a}`` is ``{a: a}``."""
    found: dict[str, Node] = {}
    for prop in node.get("properties") or []:
        key = prop.get("key") or {}
        name = str(key.get("name", key.get("value", "")))
        found[name] = prop.get("value") or {"type": "Identifier", "name": name, "location": prop.get("location")}
    return found


@dataclass(slots=True)
class _Work:
    """What has been evaluated, so that one expression is one call however often it is named."""

    flows: Flows
    known: dict[tuple[int, int], Value] = field(default_factory=dict)
    busy: set[tuple[int, int]] = field(default_factory=set)
    keep: list[Any] = field(default_factory=list)
    """What ``known`` names by its id must live as long."""
    steps: int = 0


def evaluate(node: Node, scope: Scope, work: _Work) -> Value:
    """What an expression comes down to."""
    key = (id(node), id(scope))
    if key in work.known:
        return work.known[key]
    work.steps += 1
    if work.steps > _MOST_STEPS:
        raise TooBig
    if key in work.busy:
        return Open({}, scope)
    work.busy.add(key)
    found = _evaluate(node, scope, work)
    work.busy.discard(key)
    work.known[key] = found
    work.keep.append((node, scope))
    return found


def _evaluate(node: Node, scope: Scope, work: _Work) -> Value:
    match node.get("type"):
        case "Identifier":
            name = str(node.get("name", ""))
            found = scope.find(name)
            if found is None:
                return Builtin(name)
            return evaluate(found.node, found.scope, work) if isinstance(found, Open) else found
        case "ParenExpression":
            return evaluate(node.get("expression") or {}, scope, work)
        case "FunctionExpression":
            return Function(node, scope)
        case "MemberExpression":
            return _member(node, scope, work)
        case "CallExpression":
            return _call(node, scope, work, None)
        case "PipeExpression":
            piped = evaluate(node.get("argument") or {}, scope, work)
            return _call(node.get("call") or {}, scope, work, piped)
        case "IndexExpression":
            evaluate(node.get("array") or {}, scope, work)
            return Open(node, scope)
        case _:
            return Open(node, scope)


def _member(node: Node, scope: Scope, work: _Work) -> Value:
    key = node.get("property") or {}
    name = str(key.get("name", key.get("value", "")))
    owner = evaluate(node.get("object") or {}, scope, work)
    match owner:
        case Package(path):
            return Builtin(name, path)
        case Builtin(outer, ""):
            return Builtin(f"{outer}.{name}")
        case Open(record, inner) if record.get("type") == "ObjectExpression" and name in properties(record):
            return evaluate(properties(record)[name], inner, work)
        case _:
            return Open(node, scope)


def _call(node: Node, scope: Scope, work: _Work, piped: Value | None) -> Value:
    callee = evaluate(node.get("callee") or {}, scope, work)
    given = {
        name: evaluate(value, scope, work)
        for record in node.get("arguments") or []
        for name, value in properties(record).items()
    }
    if isinstance(callee, Function):
        return _apply(callee, given, piped, work)
    name, package = (callee.name, callee.package) if isinstance(callee, Builtin) else ("", "?")
    streams = [piped] if isinstance(piped, Call) else []
    streams += [stream for value in given.values() for stream in _streams(value, work)]
    call = Call(name, package, given, node, tuple(streams))
    work.flows.calls.append(call)
    return call


def _streams(value: Value, work: _Work) -> Iterator[Call]:
    """The streams of tables in an argument: itself, or the members of a record or an array."""
    if isinstance(value, Call):
        if value.inputs or value.name == "from":
            yield value
    elif isinstance(value, Open):
        inner: list[Node] = []
        if value.node.get("type") == "ObjectExpression":
            inner = list(properties(value.node).values())
        elif value.node.get("type") == "ArrayExpression":
            inner = elements(value.node)
        for node in inner:
            if node.get("type") in {"Identifier", "PipeExpression", "CallExpression", "MemberExpression"}:
                yield from _streams(evaluate(node, value.scope, work), work)


def _apply(function: Function, given: dict[str, Value], piped: Value | None, work: _Work) -> Value:
    names: dict[str, Value] = {}
    for param in function.node.get("params") or []:
        key = param.get("key") or {}
        name, default = str(key.get("name", key.get("value", ""))), param.get("value")
        if name in given:
            names[name] = given[name]
        elif default is not None and default.get("type") in {"PipeLiteral", "PipeExpression"}:
            names[name] = piped if piped is not None else Open({}, function.scope)
        elif default is not None:
            names[name] = evaluate(default, function.scope, work)
        else:
            names[name] = Open({}, function.scope)
    scope = Scope(names, function.scope)
    work.keep.append(scope)
    body = function.node.get("body") or {}
    if body.get("type") != "Block":
        return evaluate(body, scope, work)
    for statement in body.get("body") or []:
        assignment = _assigned(statement)
        if assignment is not None:
            names[assignment[0]] = Open(assignment[1], scope)
        elif statement.get("type") == "ReturnStatement":
            return evaluate(statement.get("argument") or {}, scope, work)
    return Open({}, scope)
