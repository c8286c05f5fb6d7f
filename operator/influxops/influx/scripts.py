"""What the server says of a script, without running it.

The check (measured on 2.7.12): a query request may carry ``extern``, a file in the form of a syntax tree, which the
server puts **before** the query in the same package. Ours is the one statement ``die(msg: …)``. The type checker reads
all files first and reports what is wrong with the user's script, at its own lines and columns; then evaluation begins
with our file and ends there, before a single import or option of the script is evaluated. The script stays untouched,
so no comment, string or redefinition of ``die`` in it can get in between (tests/contract/test_scripts.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from influxops.influx.answers import Reply, message_of, raise_for
from influxops.influx.decode import decoded
from influxops.influx.errors import ScriptInvalid, Unavailable
from influxops.influx.http import Http

MARKER = "influxops-check-7c1f2d9a: well typed, stopped before the first statement"

_STOPPED = re.compile(rf'error calling function "die" @\d+:\d+-\d+:\d+: {re.escape(MARKER)}')
_PLACE = re.compile(r"@?(\d+):(\d+)-\d+:\d+")
_PREFIXES = re.compile(r"^(?:compilation failed|invalid AST|error(?: in \S+)?(?: at)?|loc|@?\d+:\d+-\d+:\d+|[:\s])+")
_INNER_PLACE = re.compile(r" ?@\d+:\d+-\d+:\d+")
_OTHER_FAULTS = ("failed to merge packages", "could not marshal semantic graph")
"""Beginnings of 500 answers that are the script's fault: a package other than main, and testcase statements."""

_EXTERN: Mapping[str, Any] = {
    "type": "File",
    "name": "influxops-check",
    "package": None,
    "imports": [],
    "body": [
        {
            "type": "ExpressionStatement",
            "expression": {
                "type": "CallExpression",
                "callee": {"type": "Identifier", "name": "die"},
                "arguments": [
                    {
                        "type": "ObjectExpression",
                        "properties": [
                            {
                                "type": "Property",
                                "key": {"type": "Identifier", "name": "msg"},
                                "value": {"type": "StringLiteral", "value": MARKER},
                            }
                        ],
                    }
                ],
            },
        }
    ],
}


async def ast(http: Http, flux: str) -> Mapping[str, Any]:
    """The server's syntax tree of a script. Raises ScriptInvalid for bad syntax."""
    reply = await http.request("POST", "/api/v2/query/ast", body={"query": flux})
    message = message_of(reply)
    if reply.status == 400 and message is not None and message.startswith("invalid AST"):
        raise script_invalid(http, flux, message)
    data = http.json(reply)
    return decoded(_tree, data, http.speaker)


async def check_script(http: Http, org_id: str, flux: str) -> None:
    """Type-check a script. Raises ScriptInvalid for its first fault."""
    if not flux:
        raise ScriptInvalid("the script is empty", 1, 1)  # the server takes this for a request without a query
    body = {"query": flux, "type": "flux", "extern": _EXTERN}
    reply = await http.request("POST", "/api/v2/query", params={"orgID": org_id}, body=body)
    message = message_of(reply)
    if message is not None and _STOPPED.fullmatch(message):
        return
    if 200 <= reply.status < 300:
        raise Unavailable(
            http.speaker.say("did not stop a script that was only to be checked; is it really InfluxDB 2?")
        )
    if message is not None and _is_fault(reply, message):
        raise script_invalid(http, flux, message)
    raise_for(reply, http.speaker)


def script_invalid(http: Http, flux: str, message: str) -> ScriptInvalid:
    """The first fault of a message that may list several, with its place counted in characters."""
    first = message.split("\n\n", maxsplit=1)[0]
    place = _PLACE.search(first)
    line, column = _characters(flux, int(place[1]), int(place[2])) if place else (None, None)
    text = _INNER_PLACE.sub("", _PREFIXES.sub("", first))
    if "file is in package" in first:
        text = 'the package must be "main"; leave the package clause out'
    return ScriptInvalid(http.speaker.clean(text or "the script is not valid Flux"), line, column)


def _is_fault(reply: Reply, message: str) -> bool:
    """Whether the answer is about the script; other 400s are about the request, such as an unknown organization."""
    if reply.status == 400:
        return not message.startswith("failed to decode request")
    return reply.status == 500 and message.startswith(_OTHER_FAULTS)


def _characters(flux: str, line: int, column: int) -> tuple[int | None, int | None]:
    """The server's place, whose columns count bytes of UTF-8, with a column that counts characters."""
    lines = flux.split("\n")
    if not 1 <= line <= len(lines):
        return None, None
    before = lines[line - 1].encode()[: column - 1]
    return line, len(before.decode(errors="ignore")) + 1


def _tree(data: Any) -> Mapping[str, Any]:
    tree = data["ast"]
    if not isinstance(tree, dict) or not isinstance(tree["files"], list):
        raise TypeError("ast is no package")
    return tree
