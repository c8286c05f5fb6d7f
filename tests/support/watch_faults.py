"""What a fault proxy can do to the events of a watch, as data: which events, from which one on, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class How(StrEnum):
    """What becomes of the events that a fault means."""

    HIDDEN = "hidden"
    """None of them arrives any more, in whatever watch, until they are released."""
    SKIPPED = "skipped"
    """One of them never arrives; those after it do."""
    DELAYED = "delayed"
    """They are kept back, and arrive in their order when they are released: long after all else."""
    REPLAYED = "replayed"
    """After one of them, everything that was ever told of the object is told again, from its beginning."""
    REBORN = "reborn"
    """The same, told to the next life of the operator, after its first lists."""
    TRUNCATED = "truncated"
    """The answer ends in the middle of the event's line, as if the server had no more to say."""
    BROKEN = "broken"
    """The connection breaks in the middle of the event's line."""
    SILENT = "silent"
    """From this event on the watch stays open and says nothing, not even a bookmark. The next watch is sound."""
    GONE = "gone"
    """In the event's place comes the error 410 Gone, and the watch ends."""
    EXPIRED = "expired"
    """The connection breaks before the event, and the next watch of this kind is refused with 410 Gone."""


LASTING = frozenset({How.HIDDEN, How.DELAYED})
"""These go on with every event that follows."""


@dataclass(frozen=True, slots=True)
class WatchFault:
    """Strikes events about one object: the ``at``-th, counted from 1, once it is armed."""

    how: How
    kind: str
    name: str
    at: int = 1
    types: frozenset[str] = frozenset()
    """Only events of these types count; empty: all."""

    def means(self, event: Event) -> bool:
        """Whether an event counts."""
        named = (event.kind, event.name) == (self.kind, self.name)
        return named and (not self.types or event.type in self.types)

    def __str__(self) -> str:
        return f"{self.how}-{self.at}"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a watch. ``name`` is empty for bookmarks and errors."""

    type: str
    kind: str
    name: str
    uid: str
    version: str
    deleting: bool
    line: bytes

    @classmethod
    def of(cls, line: bytes) -> Event:
        """Read a line."""
        sent: dict[str, Any] = json.loads(line)
        found = sent.get("object") or {}
        meta = found.get("metadata") or {}
        texts = (str(meta.get(name) or "") for name in ("name", "uid", "resourceVersion"))
        name, uid, version = texts
        return cls(sent["type"], str(found.get("kind") or ""), name, uid, version, "deletionTimestamp" in meta, line)


def too_old() -> bytes:
    """How the API says that a watch cannot go on from where it was."""
    message = "too old resource version: made up by the fault proxy"
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Expired"}
    return json.dumps({"type": "ERROR", "object": {**status, "metadata": {}, "code": 410}}).encode() + b"\n"


def refused() -> bytes:
    """The same as the body of a plain answer."""
    return json.dumps(json.loads(too_old())["object"]).encode()
