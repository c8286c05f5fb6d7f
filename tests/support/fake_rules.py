"""The rules of a real influxd 2.7 that the fake keeps; tests/contract shows them on both."""

from __future__ import annotations

import re
from hashlib import sha256

from influxops.influx.errors import Invalid

HOUR = 3600

_OPTION = re.compile(r"^option task = \{(?P<body>.*)\}[ \t]*$", re.MULTILINE)
_PROPERTY = re.compile(r'(\w+)\s*:\s*("(?:[^"\\]|\\.)*"|[^,\s"]+)')
_UNESCAPE = {"n": "\n", "r": "\r", "t": "\t"}


def task_option(flux: str) -> dict[str, str]:
    """The properties of a one-line ``option task = {…}`` with literal values, which is all that influxops renders."""
    match = _OPTION.search(flux)
    if match is None:
        return {}
    return {key: _unquote(value) for key, value in _PROPERTY.findall(match["body"])}


def _unquote(literal: str) -> str:
    if not literal.startswith('"'):
        return literal
    return re.sub(
        r"\\(x[0-9a-fA-F]{2}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) == 3 else _UNESCAPE.get(m[1], m[1]),
        literal[1:-1],
        flags=re.DOTALL,
    )


def checked_option(flux: str) -> dict[str, str]:
    """The option of a script that the server takes; raises Invalid for any other."""
    option = task_option(flux)
    if not option.get("name"):
        raise Invalid("InfluxDB: invalid options: no task options defined or no name")
    if bool(option.get("every")) == bool(option.get("cron")):
        raise Invalid("InfluxDB: invalid options: exactly one of cron and every is needed")
    return option


def default_shard_group(retention: int) -> int:
    """What the server chooses when none is given, in seconds."""
    if retention == 0 or retention >= 180 * 24 * HOUR:
        return 7 * 24 * HOUR
    return HOUR if retention < 2 * 24 * HOUR else 24 * HOUR


def rule_fault(retention: int, shard_group: int) -> str | None:
    """Why the server refuses a rule, None when it takes it."""
    if retention and retention < HOUR:
        return "retention policy duration must be at least 1h0m0s"
    if retention and shard_group > retention:
        return "retention policy duration must be greater than the shard duration"
    return None


def check_rule(retention: int, shard_group: int) -> None:
    """Raise Invalid for a rule that the server refuses."""
    fault = rule_fault(retention, shard_group)
    if fault is not None:
        raise Invalid(f"InfluxDB: {fault}")


def key_of(script: str) -> str:
    """Under what an answer is recorded."""
    return sha256(script.encode()).hexdigest()
