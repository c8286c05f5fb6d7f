"""The offline parser: Node.js processes that run InfluxData's own Flux compiler."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from influxops.core.lint.flow import Node
from influxops.validate.install import VERSION, Found, find
from influxops.validate.parser import FluxFault, NoParser

_SCRIPT = Path(__file__).with_name("flux_parser.cjs")
_LINE = 256 * 1024 * 1024
"""Longest answer in bytes: the tree of the largest script."""
_PATIENCE = 60.0
"""Seconds for one script."""
_DEEP = ("Program is nested too deep", "unreachable", "Maximum call stack size exceeded")
"""What the compiler says of scripts that nest too deep."""
_DEEPEST = 1000
_MOST = 4
"""Most processes."""
_INNER = (dict, list)
_FEW = 20
"""Scripts for which one more process does not pay."""


class NodeParser:
    """Starts Node.js when it is first asked; a process a core where there are many scripts. Raises NoParser."""

    def __init__(self) -> None:
        self.name = f"Checked offline by @influxdata/flux-lsp-node {VERSION}."
        self._children: list[_Child] = []

    async def trees(self, scripts: Sequence[str]) -> list[Node | list[FluxFault]]:
        """The tree of each script's one file, or what is wrong with its syntax."""
        deep = [_too_deep(script) for script in scripts]
        readable = ["" if too_deep else script for script, too_deep in zip(scripts, deep, strict=True)]
        answers = await self._ask("parse", readable)
        found: list[Node | list[FluxFault]] = []
        broken: list[int] = []
        for place, answer in enumerate(answers):
            tree = answer.get("tree")
            if deep[place]:
                found.append([_crashed({"crash": _DEEP[0]})])
                continue
            if tree is None:
                found.append([_crashed(answer)])
                continue
            if not _complete(tree):
                broken.append(place)
            found.append(tree)
        for place, faults in zip(broken, await self.check([scripts[place] for place in broken]), strict=True):
            found[place] = faults or [FluxFault(0, 0, "the syntax is not valid")]
        return found

    async def check(self, scripts: Sequence[str]) -> list[list[FluxFault]]:
        """What the type checker finds in each whole script."""
        answers = await self._ask("check", scripts)
        return [
            _faults(script, answer["faults"]) if "faults" in answer else [_crashed(answer)]
            for script, answer in zip(scripts, answers, strict=True)
        ]

    async def close(self) -> None:
        """End the processes."""
        for child in self._children:
            await child.close()

    async def _ask(self, what: str, scripts: Sequence[str]) -> list[Mapping[str, Any]]:
        if not self._children:
            found = await asyncio.to_thread(find)
            self._children = [_Child(found) for _ in range(min(os.cpu_count() or 1, _MOST))]
        size = max(_FEW, -(-len(scripts) // len(self._children)))
        parts = [scripts[at : at + size] for at in range(0, len(scripts), size)]
        asked = [child.ask(what, part) for child, part in zip(self._children, parts, strict=False)]
        return [answer for answers in await asyncio.gather(*asked) for answer in answers]


class _Child:
    """One process."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._child: asyncio.subprocess.Process | None = None

    async def close(self) -> None:
        """End it."""
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            child.kill()
            await child.wait()

    async def ask(self, what: str, scripts: Sequence[str]) -> list[Mapping[str, Any]]:
        """One answer a script. A script that breaks the process gets its own answer, and the rest a new process."""
        answers: list[Mapping[str, Any]] = []
        while len(answers) < len(scripts):
            child = await self._start()
            rest = scripts[len(answers) :]
            writer = asyncio.create_task(_write(child, what, rest))
            try:
                for _ in rest:
                    answer = await _answer(child)
                    answers.append(answer)
                    if "crash" in answer:
                        break
            finally:
                writer.cancel()
            if "crash" in answers[-1]:
                await self.close()
        return answers

    async def _start(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            try:
                self._child = await asyncio.create_subprocess_exec(
                    self._found.node,
                    str(_SCRIPT),
                    str(self._found.package),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                    limit=_LINE,
                )
            except OSError as error:
                raise NoParser(
                    f"scripts are not checked: {self._found.node} cannot be run: {error.strerror or error}; install "
                    "Node.js 18 or later, or give --url"
                ) from error
            answer = await _answer(self._child)
            if "ready" not in answer:
                await self.close()
                raise NoParser(
                    f"scripts are not checked: {self._found.node} cannot load {self._found.package.name}: "
                    f"{answer.get('crash')}; install Node.js 18 or later, or give --url"
                )
        return self._child


async def _answer(child: asyncio.subprocess.Process) -> Mapping[str, Any]:
    if child.stdout is None:
        raise NoParser("Node.js has no output")
    try:
        line = await asyncio.wait_for(child.stdout.readline(), _PATIENCE)
    except TimeoutError:
        return {"crash": f"no answer within {_PATIENCE:g} s"}
    except ValueError:
        return {"crash": "the syntax tree is too large"}
    if not line.endswith(b"\n"):
        return {"crash": await _last_words(child)}
    try:
        answer: Mapping[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:  # deeper than 1024 levels
        return {"crash": "Program is nested too deep"}
    return answer


async def _last_words(child: asyncio.subprocess.Process) -> str:
    why = (await child.stderr.read()).decode(errors="replace").strip().splitlines() if child.stderr else []
    told = [text for text in why if "Error" in text] or [text for text in why if not text.startswith("Node.js v")]
    return told[0].strip() if told else "Node.js ended"


async def _write(child: asyncio.subprocess.Process, what: str, scripts: Sequence[str]) -> None:
    if child.stdin is None:
        return
    try:
        for script in scripts:
            child.stdin.write(orjson.dumps({"do": what, "script": script}) + b"\n")
            await child.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # the answer that is missing tells it


def _crashed(answer: Mapping[str, Any]) -> FluxFault:
    why = str(answer.get("crash") or "its process ended")
    if why in _DEEP:
        why = "it is nested too deep, for InfluxDB as well; split the expression into variables"
    return FluxFault(0, 0, f"the Flux compiler fails on this script: {why}")


def _too_deep(script: str) -> bool:
    """Whether brackets nest deeper than any parser takes; those in strings count, too, which matters to nobody."""
    depth = 0
    for char in script:
        if char in "([{":
            depth += 1
            if depth > _DEEPEST:
                return True
        elif char in ")]}":
            depth = max(0, depth - 1)
    return False


def _faults(script: str, found: Sequence[Mapping[str, Any]]) -> list[FluxFault]:
    lines = script.split("\n")
    faults = []
    for one in found:
        start = one["range"]["start"]
        line, column = int(start["line"]), int(start["character"])
        before = lines[line].encode()[:column] if line < len(lines) else b""
        faults.append(FluxFault(line + 1, len(before.decode(errors="ignore")) + 1, str(one["message"])))
    return faults


_LEFT_OUT = {
    ("PipeExpression", "call"): "CallExpression",
    ("VariableAssignment", "id"): "Identifier",
    ("ImportDeclaration", "path"): "StringLiteral",
    ("ImportDeclaration", "as"): "Identifier",
    ("ObjectExpression", "with"): "Identifier",
    ("PackageClause", "name"): "Identifier",
}
"""Types that the server's tree gives and this one leaves out, where only one type is possible (0.8.40)."""


def _complete(tree: dict[str, Any]) -> bool:
    """Make a tree like the server's, in place; False when the parser has put an error into it.

    It always gives a tree, also for text that is not Flux.
    """
    good = True
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        if type(node) is list:
            stack += [item for item in node if type(item) in _INNER]
            continue
        kind = node.get("type", "")
        if "errors" in node or kind.startswith("Bad"):
            good = False
        for key, value in node.items():
            if type(value) in _INNER and key != "location":
                if (kind, key) in _LEFT_OUT and type(value) is dict:
                    value.setdefault("type", _LEFT_OUT[kind, key])
                stack.append(value)
    return good
