"""What went wrong, out of a run's log.

A log is a JSON list of ``{runID, time, message}``: first ``Started task from script: "…"`` with the whole script,
perhaps ``trace_id=…``, then ``Completed(failed)``, then the error, and for some errors the same again behind ``Task
encountered unrecoverable error, requires admin action: ``. The server is asked for the end of that text only, since a
thousand failed runs would else bring a thousand scripts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

TAIL = 6000
"""Characters asked for from the end of a log."""

MAX_ERROR = 1000
"""Longest cause that is handed on, in characters."""

_NEXT = '{"runID":'
_UNRECOVERABLE = "Task encountered unrecoverable error, requires admin action: "
_STARTED = "Started task from script"
_NOISE = (_STARTED, "Completed(", "trace_id=", _UNRECOVERABLE)


def cause(tail: str) -> str:
    """The error text on one line, from the end of a log's JSON; empty when the log names none. Never the script."""
    return cause_in(_messages(tail))


def cause_in(messages: Sequence[str]) -> str:
    """The same from the messages of a whole log."""
    causes = [message for message in messages if not message.startswith(_NOISE)] or [
        message.removeprefix(_UNRECOVERABLE) for message in messages if message.startswith(_UNRECOVERABLE)
    ]
    text = " ".join("; ".join(causes).split())
    return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 1]}…"


def without_script(message: str) -> str:
    """A message of a log; the one that quotes the whole script only says that it began."""
    return f"{_STARTED} (left out here)" if message.startswith(_STARTED) else message


def _messages(tail: str) -> list[str]:
    """The messages that are whole in the tail.

    A quote inside a message is escaped in JSON, so the marker of an entry cannot occur within one. What comes before
    the first whole entry is the rest of a message that was cut, most often the script: it is dropped.
    """
    found = []
    for part in tail.split(_NEXT)[1:]:
        try:
            entry = json.loads(_NEXT + part.rstrip().rstrip(",]").rstrip())
            found.append(str(entry.get("message") or ""))
        except ValueError:
            continue
    return [message for message in found if message.strip()]
