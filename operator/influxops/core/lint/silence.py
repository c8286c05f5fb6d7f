"""Comments that silence a lint on a line: ``// influxops:ignore[rule-a, rule-b] the reason``.

On a line of its own it holds for the next line that has code. Comments are found by the tree: two slashes that lie in no
string, regular expression or import path begin one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.lint.script import Script

_WORD = "influxops:ignore"
_TEXTS = frozenset({"StringLiteral", "RegexpLiteral", "StringExpression"})

BAD_IGNORE = Rule(
    "bad-ignore",
    Severity.ERROR,
    "A comment that silences a lint is incomplete.",
    "Whoever reads it next must know which lint it is and why it does not hold here.",
    "write // influxops:ignore[rule] reason",
)
UNUSED_IGNORE = Rule(
    "unused-ignore",
    Severity.WARNING,
    "A comment silences a lint that finds nothing there.",
    "It would hide the next real finding.",
    "remove the comment",
)


@dataclass(slots=True)
class Ignore:
    """One comment."""

    line: int
    """Of the comment."""
    column: int
    target: int
    """The line that it holds for."""
    rules: tuple[str, ...]
    reason: str
    meant: bool = False
    """True for a comment that is not in the form, but looks as if it were meant so."""
    used: set[str] = field(default_factory=set)


def silenced(script: Script, hits: Iterable[Hit], known: frozenset[str]) -> Iterator[Hit]:
    """The findings that no comment silences, and what is wrong with the comments. ``known`` names all rules."""
    ignores = list(_ignores(script))
    good = [ignore for ignore in ignores if ignore.rules and ignore.reason and set(ignore.rules) <= known]
    for hit in hits:
        covering = [
            one for one in good if hit.line <= one.target <= max(hit.line, hit.end_line) and hit.rule.name in one.rules
        ]
        if not covering:
            yield hit
        for one in covering:
            one.used.add(hit.rule.name)
    for ignore in ignores:
        unknown = sorted(set(ignore.rules) - known)
        if ignore.meant:
            message = f"a comment silences a lint only when it begins with {_WORD}"
        elif unknown:
            message = f"there is no rule {unknown[0]!r}"
        elif not ignore.rules:
            message = "the comment names no rule"
        elif not ignore.reason:
            message = "the comment gives no reason"
        else:
            for rule in sorted(set(ignore.rules) - ignore.used):
                yield Hit(
                    UNUSED_IGNORE,
                    ignore.line,
                    ignore.column,
                    f"{rule} finds nothing on {'its line' if ignore.target == ignore.line else 'the next line of code'}",
                )
            continue
        yield Hit(BAD_IGNORE, ignore.line, ignore.column, message)


def _ignores(script: Script) -> Iterator[Ignore]:
    lines = script.text.split("\n")
    spans = sorted(_spans(script))
    for number, line, start in _comments(script.text, lines, spans):
        text = line[start:].strip().removeprefix("//").strip()
        if not text.startswith(_WORD):
            if _WORD in "".join(text.split()).lower():
                yield Ignore(number, start + 1, number, (), "", meant=True)
            continue
        rest = text.removeprefix(_WORD).strip()
        rules: tuple[str, ...] = ()
        if rest.startswith("[") and "]" in rest:
            inner, _, rest = rest[1:].partition("]")
            rules = tuple(name.strip() for name in inner.split(",") if name.strip())
        target = number
        if not line[:start].strip():
            target = next(
                (at for at in range(number + 1, len(lines) + 1) if _has_code(lines[at - 1])), number
            )  # fmt: skip
        yield Ignore(number, start + 1, target, rules, rest.strip(" :"))


def _has_code(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("//")


def _comments(text: str, lines: list[str], spans: list[tuple[int, int]]) -> Iterator[tuple[int, str, int]]:
    """Line number, line, and the index in it where a comment begins."""
    offset = 0
    if "ignore" not in text.lower():
        return
    for number, line in enumerate(lines, 1):
        at = line.find("//")
        while at >= 0:
            inside = next((end for start, end in spans if start <= offset + at < end), None)
            if inside is None:
                yield number, line, at
                break
            at = line.find("//", max(at + 1, inside - offset)) if inside - offset < len(line) else -1
        offset += len(line) + 1


def _spans(script: Script) -> Iterator[tuple[int, int]]:
    """Where the text of strings, regular expressions and import paths stands, as offsets."""
    stack: list[Any] = [script.file]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("type") in _TEXTS and node.get("location"):
                yield script.places.start(node), script.places.end(node)
            elif node.get("type") == "ImportDeclaration":
                yield script.places.start(node["path"]), script.places.end(node["path"])
            stack += [value for key, value in node.items() if key != "location"]
        elif isinstance(node, list):
            stack += node
