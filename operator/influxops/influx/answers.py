"""From an HTTP answer to its JSON, or to an error of the tree.

InfluxDB 2.7 uses status codes loosely (measured on 2.7.12): a task that the token may not read is ``404 … unauthorized``,
one that it may not write is ``500 … unauthorized``, and a retention below one hour is 500. So the message counts as
much as the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn

from yarl import URL

from influxops.core.jsontext import parse
from influxops.influx.errors import (
    Conflict,
    Forbidden,
    InfluxError,
    Invalid,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)

MAX_MESSAGE = 400

CUT = 8
"""So many times the length of a message are looked at to make it one line."""

MAX_RETRY_AFTER = 3600.0
"""Seconds that a server may ask us to stay away, at most: beyond that it is a mistake, or malice."""

_RIGHT = re.compile(r"\b(read|write):(?:orgs/[0-9a-f]{16}/)?([a-z]+)(?:/[0-9a-f]{16})? is unauthorized")
_LACKING = re.compile(r"(?::|^) ?unauthorized$")
_REQUEST_FAULTS = (
    "retention policy duration",  # under one hour, or shorter than the shard group
    "unknown unit",  # offset: 1d
    "invalid duration",
    "could not fulfil schedule",  # a cron expression that never comes
)
"""Words of 500 answers that are faults of the request: trying again does not help (measured on 2.7.12)."""


_PARTIAL_WRITE = "failure writing points to database"
"""Goes on with ``… already exists as type float`` for a field of another type, which is no name that is taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One whole answer, and of which call it is."""

    method: str
    path: str
    right: str
    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True, slots=True)
class Speaker:
    """Words the errors about one InfluxDB: one line, short, with its address and without its token."""

    origin: str
    token: str

    def __repr__(self) -> str:
        return f"Speaker({self.origin})"

    def say(self, text: str) -> str:
        """One sentence for a user."""
        return self.clean(f"InfluxDB at {self.origin}: {text}")

    def clean(self, text: str, limit: int = MAX_MESSAGE) -> str:
        """The text on one line, at most ``limit`` characters, the token replaced."""
        line = " ".join(
            text.replace(self.token, "***")[: CUT * limit].split()
        )  # a body may have millions of characters
        line = "".join(char if char.isprintable() else "?" for char in line)
        return line if len(line) <= limit else f"{line[: limit - 1]}…"


def raise_for(reply: Reply, speaker: Speaker) -> None:
    """Raise the error that the answer means; return when it is a success."""
    if not 200 <= reply.status < 300:
        _raise(reply, speaker)


def require_done(reply: Reply, speaker: Speaker) -> None:
    """The same for a write or a deletion, which InfluxDB answers with 204 and nothing else: a portal that answers 200 to
    everything has written nothing.
    """
    raise_for(reply, speaker)
    if reply.status != 204:
        raise Unavailable(
            speaker.say(
                f"answered status {reply.status} to {reply.method} {reply.path}, which InfluxDB answers with 204; is this "
                "address really InfluxDB 2?"
            )
        )


def json_of(reply: Reply, speaker: Speaker) -> Any:
    """The JSON of a successful answer, None when it is empty."""
    if not reply.content:
        return None
    try:
        return parse(reply.content)
    except ValueError as error:
        raise Unavailable(speaker.say(_not_json(reply))) from error


def message_of(reply: Reply) -> str | None:
    """The message of InfluxDB's own error JSON, None when the answer is not one."""
    try:
        data = parse(reply.content)
    except ValueError:
        return None
    message = data.get("message") if isinstance(data, dict) else None
    return message if isinstance(message, str) else None


def _raise(reply: Reply, speaker: Speaker) -> NoReturn:
    if 300 <= reply.status < 400:
        raise Unavailable(speaker.say(_redirect(reply)))
    message = message_of(reply)
    if reply.status == 429:
        raise RateLimited(speaker.say(message or "too many requests"), retry_after(reply.headers))
    if message is None:
        raise _foreign(reply, speaker)
    right = _right(reply, message)
    if right is not None:
        lacking = right or f"to {reply.method} {reply.path}"  # a call is no right that anybody could grant
        raise Forbidden(speaker.say(f"the token has no right {lacking}: {message}"), right)
    raise _translate(reply, message)(speaker.say(message or f"answered status {reply.status}"))


def _right(reply: Reply, message: str) -> str | None:
    """The right that the token lacks, empty when nobody says which; None when the error is about something else."""
    match = _RIGHT.search(message)
    if match:
        return f"{match[1]}:{match[2]}"
    if _LACKING.search(message) or reply.status == 403:
        return reply.right
    return None


def _translate(reply: Reply, message: str) -> type[InfluxError]:
    """The kind of an error that InfluxDB itself words."""
    if reply.status == 401:
        return Unauthorized
    if reply.status == 404:
        return NotFound
    if reply.status == 422 and message.startswith(_PARTIAL_WRITE):
        return Invalid
    if reply.status == 409 or (reply.status == 422 and "already exists" in message):
        return Conflict
    if reply.status in {400, 405, 413, 422}:
        return Invalid
    if reply.status == 500 and reply.method != "GET" and any(words in message for words in _REQUEST_FAULTS):
        return Invalid
    return Unavailable


def _foreign(reply: Reply, speaker: Speaker) -> InfluxError:
    """An error answer that is not InfluxDB's: a proxy, a gateway, another product."""
    if reply.status in {401, 403}:
        return Unauthorized(speaker.say(f"status {reply.status} without InfluxDB's error JSON; is a proxy in front?"))
    return Unavailable(speaker.say(_not_json(reply)))


def _not_json(reply: Reply) -> str:
    start = reply.content[:200].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return f"answered HTML, not JSON (status {reply.status}); is this address really InfluxDB 2?"
    if start.startswith((b"{", b"[")):
        return f"answered cut or broken JSON (status {reply.status})"
    return f"answered status {reply.status} without InfluxDB's JSON; is this address really InfluxDB 2?"


def _redirect(reply: Reply) -> str:
    """Where the redirect leads, without its path and query, which may hold secrets."""
    try:
        target = URL(reply.headers.get("Location", ""))
        where = f" to {target.origin()}" if target.absolute else ""
    except ValueError:
        where = ""
    return (
        f"answered a redirect{where} (status {reply.status}), which is never followed, so that the token goes nowhere "
        "else; write the final address in spec.url"
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date, at most MAX_RETRY_AFTER; None without one or with
    nonsense.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), MAX_RETRY_AFTER)
    except (ValueError, TypeError, LookupError, ArithmeticError):
        return None
