"""What influxops needs to know of a script, read from the server's own syntax tree (POST /api/v2/query/ast).

Nothing here guesses at Flux text: places, imports, options and bucket names all come from the tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from influxops.core.flux.escapes import escapes
from influxops.core.flux.values import values

Node = Mapping[str, Any]

_READS = frozenset({"from"})
_WRITES = frozenset({"to", "wideTo"})
_TARGETS = _READS | _WRITES
_PRELUDE_READS = frozenset({"cardinality"})
"""What reads a bucket as well, and needs no import."""
_INNER = (dict, list)
"""What decoded JSON may hold further nodes in. Leaves are never put on a stack: they are most of a tree."""
_TARGET_ARGUMENTS = frozenset({"host", "org", "orgID", "token", "bucketID"})


@dataclass(frozen=True, slots=True)
class TaskOption:
    """The script's own ``option task`` record; durations as InfluxDB writes them."""

    name: str = ""
    every: str = ""
    cron: str = ""
    offset: str = ""
    unknown: tuple[str, ...] = ()
    """Properties other than name, every, cron and offset (``concurrency`` and ``retry`` do nothing in InfluxDB 2.x)."""
    literal: bool = True
    """False when a value is an expression; the server takes literals only."""


@dataclass(frozen=True, slots=True)
class ScriptFacts:
    """The facts of one script. Offsets count characters of the text."""

    cut: int
    """Where generated statements go: behind the package clause and the imports, before everything else."""
    imports_at: int
    """Where a generated import goes: behind the package clause, before the first import."""
    imports: tuple[str, ...]
    task: TaskOption | None
    task_options: int
    """How many ``option task`` statements there are."""
    defines_v: bool
    v_members: frozenset[str]
    uses_v: bool
    reads: frozenset[str]
    """Bucket names given as literals to ``from``."""
    writes: frozenset[str]
    """Bucket names given as literals to ``to`` and ``wideTo``."""
    opaque_targets: bool
    """True when a read or write names its bucket by an expression, an id, or goes to another host, org or token, or when
    ``from`` or ``to`` is used under another name, so that nobody can tell what it gets."""
    defined: frozenset[str]
    """Names that the script defines at file level, import aliases included."""


NO_FACTS = ScriptFacts(
    cut=0,
    imports_at=0,
    imports=(),
    task=None,
    task_options=0,
    defines_v=False,
    v_members=frozenset(),
    uses_v=False,
    reads=frozenset(),
    writes=frozenset(),
    opaque_targets=False,
    defined=frozenset(),
)
"""Those of an empty script."""


def facts_of(script: str, ast: Node) -> ScriptFacts:
    """Read the facts from the tree of a script that has one file and no syntax error.

    Raises ValueError when the tree is not of the known form.
    """
    files = ast.get("files") or []
    if len(files) != 1:
        raise ValueError("the server's syntax tree does not hold exactly one file")
    file = files[0]
    places = Places(script)
    package = file.get("package")
    package_end = places.end(package) if package else 0
    imports: list[Node] = file.get("imports") or []
    body: list[Node] = file.get("body") or []
    cut = max([package_end, *(places.end(node) for node in imports)])
    options = [node["assignment"] for node in body if is_option(node, "task")]
    nodes = nodes_of(file)
    calls = [node for node in nodes if node.get("type") == "CallExpression"]
    packages = dict(zip(_defined([], imports), (str(node["path"].get("value", "")) for node in imports), strict=True))
    reads, writes, opaque = _buckets(calls, packages.keys())
    free = _FreeV()
    free.file(body)
    return ScriptFacts(
        cut=cut,
        imports_at=package_end,
        imports=tuple(str(node["path"].get("value", "")) for node in imports),
        task=_task_option(options[0]) if options else None,
        task_options=len(options),
        defines_v=_defines(body, imports, "v"),
        v_members=frozenset(free.members),
        uses_v=free.used,
        reads=reads,
        writes=writes,
        opaque_targets=opaque or _passed_on(body, nodes, calls, packages.keys()) or escapes(body, calls, packages),
        defined=frozenset(_defined(body, imports)),
    )


class Places:
    """Turns the server's places (line and column from 1; columns count bytes of UTF-8) into character offsets."""

    def __init__(self, script: str) -> None:
        self.lines = script.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def start(self, node: Node) -> int:
        """The offset of a node's first character."""
        return self._offset(node["location"]["start"])

    def end(self, node: Node) -> int:
        """The offset behind a node's last character."""
        return self._offset(node["location"]["end"])

    def _offset(self, place: Mapping[str, int]) -> int:
        line = int(place["line"]) - 1
        raw = self.lines[line].encode()[: int(place["column"]) - 1]
        return self.starts[line] + len(raw.decode(errors="replace"))


def nodes_of(root: Node) -> list[Node]:
    """Every node of the tree, without recursion: scripts may nest deeper than Python likes."""
    found: list[Node] = []
    stack: list[Any] = [root]
    while stack:
        current = stack.pop()
        if type(current) is dict:
            found.append(current)
            stack.extend(value for key, value in current.items() if type(value) in _INNER and key != "location")
        else:
            stack.extend(item for item in current if type(item) in _INNER)
    return found


def is_option(statement: Node, name: str) -> bool:
    """Whether a statement sets the option of this name."""
    return statement.get("type") == "OptionStatement" and _name(statement) == name


def _name(statement: Node) -> str:
    assignment = statement.get("assignment") or {}
    return str((assignment.get("id") or {}).get("name", ""))


def _key(node: Node) -> str:
    key = node.get("key") or {}
    return str(key.get("name", key.get("value", "")))


def _task_option(assignment: Node) -> TaskOption:
    init = assignment.get("init") or {}
    values: dict[str, str] = {}
    unknown: list[str] = []
    literal = init.get("type") == "ObjectExpression"
    for prop in init.get("properties") or []:
        key, value = _key(prop), prop.get("value") or {}
        if key not in {"name", "every", "cron", "offset"}:
            unknown.append(key)
            continue
        text = literal_text(value)
        literal = literal and text is not None
        values[key] = text or ""
    return TaskOption(**values, unknown=tuple(unknown), literal=literal)


def literal_text(node: Node) -> str | None:
    """The text of a string or duration literal (also a negative duration); None for anything else."""
    match node.get("type"):
        case "StringLiteral":
            return str(node.get("value", ""))
        case "DurationLiteral":
            return "".join(f"{part['magnitude']}{part['unit']}" for part in node.get("values") or [])
        case "UnaryExpression" if node.get("operator") == "-":
            inner = literal_text(node.get("argument") or {})
            return None if inner is None else f"-{inner}"
        case _:
            return None


def _buckets(calls: list[Node], packages: AbstractSet[str]) -> tuple[frozenset[str], frozenset[str], bool]:
    reads: set[str] = set()
    writes: set[str] = set()
    opaque = False
    for call in calls:
        callee = call.get("callee") or {}
        name = str(callee.get("name", "")) or _key({"key": callee.get("property")})
        properties = {
            _key(prop): prop.get("value") or {}
            for record in call.get("arguments") or []
            for prop in record.get("properties") or []
        }
        # schema.tagValues, influxdb.cardinality and the like read a bucket, too
        other = _of_package(callee, packages) or (callee.get("type") == "Identifier" and name in _PRELUDE_READS)
        other = other and bool({"bucket", "bucketID"} & properties.keys())
        if name not in _READS | _WRITES and not other:
            continue
        if callee.get("type") == "MemberExpression" and not {"bucket", "bucketID"} & properties.keys():
            continue  # csv.from, array.from and the like read no bucket
        opaque = opaque or bool(_TARGET_ARGUMENTS & properties.keys())
        bucket = properties.get("bucket")
        elsewhere = bool({"host", "org", "orgID"} & properties.keys())
        if bucket is not None and bucket.get("type") == "StringLiteral":
            if not elsewhere:
                (writes if name in _WRITES else reads).add(str(bucket.get("value", "")))
        else:
            opaque = True
    return frozenset(reads), frozenset(writes), opaque


def _of_package(node: Node, packages: AbstractSet[str]) -> bool:
    """Whether a node is a member of an imported package, such as ``schema.tagValues``."""
    return node.get("type") == "MemberExpression" and (node.get("object") or {}).get("name") in packages


def _identifier(node: Node) -> str:
    """The name that an identifier or the end of a member expression says; empty for any other node."""
    kind = node.get("type")
    if kind == "Identifier":
        return str(node.get("name", ""))
    return _key({"key": node.get("property")}) if kind == "MemberExpression" else ""


def _passed_on(body: list[Node], nodes: list[Node], calls: list[Node], packages: AbstractSet[str]) -> bool:
    """Whether ``from``, ``to`` or ``wideTo`` is used as a value, other than by calling it at once."""
    called = {id(call.get("callee")) for call in calls}
    # Most scripts name them only to call them; then there is no need to know which name hides which.
    if all(id(node) in called for node in nodes if _identifier(node) in _TARGETS):
        return False
    return any(
        _identifier(node) in _TARGETS - hidden
        and id(node) not in called
        and (node.get("type") == "Identifier" or _of_package(node, packages))
        for node, hidden in values(body)
    )


def _defined(body: list[Node], imports: list[Node]) -> Iterator[str]:
    for node in imports:
        alias = node.get("as") or {}
        yield str(alias.get("name") or str(node["path"].get("value", "")).rsplit("/", 1)[-1])
    for node in body:
        if node.get("type") == "VariableAssignment":
            yield str((node.get("id") or {}).get("name", ""))
        elif node.get("type") == "OptionStatement":
            yield _name(node)


def _defines(body: list[Node], imports: list[Node], name: str) -> bool:
    return name in set(_defined(body, imports))


class _FreeV:
    """Finds uses of the dashboard record ``v`` that no function parameter or local variable hides."""

    def __init__(self) -> None:
        self.members: set[str] = set()
        self.used = False

    def file(self, body: list[Node]) -> None:
        stack: list[tuple[Any, bool]] = [(node, False) for node in body]
        while stack:
            node, hidden = stack.pop()
            if type(node) is list:
                stack.extend((item, hidden) for item in node if type(item) in _INNER)
            elif type(node) is dict:
                self._look(node, hidden, stack)

    def _look(self, node: Node, hidden: bool, stack: list[tuple[Any, bool]]) -> None:
        kind = node.get("type")
        if kind == "Identifier":
            self.used = self.used or (node.get("name") == "v" and not hidden)
        elif kind == "MemberExpression":
            subject = node.get("object") or {}
            if subject.get("type") == "Identifier" and subject.get("name") == "v" and not hidden:
                self.members.add(_key({"key": node.get("property")}))
            stack.append((subject, hidden))
        elif kind == "Property":
            key, value = node.get("key"), node.get("value")
            stack.append((value if value is not None else key, hidden))
        elif kind == "FunctionExpression":
            params = node.get("params") or []
            inner = hidden or any(_key(param) == "v" for param in params)
            stack.extend((param.get("value"), hidden) for param in params)
            stack.append((node.get("body"), inner))
        elif kind == "Block":
            statements = node.get("body") or []
            local = any(
                item.get("type") == "VariableAssignment" and (item.get("id") or {}).get("name") == "v"
                for item in statements
            )
            stack.append((statements, hidden or local))
        elif kind == "VariableAssignment":
            stack.append((node.get("init"), hidden))
        else:
            stack.extend(
                (value, hidden)
                for key, value in node.items()
                if type(value) in _INNER and key not in {"location", "id"}
            )
