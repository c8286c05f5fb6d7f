"""Who tries first. InfluxDB refuses what lacks a right, and nothing tells when it is granted; thousands that try each minute would be a
storm. A few try; when one of them gets through, all do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from influxops.core.keys import Key

LEAST = 10
"""Objects that try at each turn, if there are so many."""
TURNS = 60
"""Each has tried after so many turns."""


@dataclass(slots=True)
class Scouts:
    """Objects of one connection that were refused."""

    _waiting: dict[Key, None] = field(default_factory=dict)
    """In the order in which they try."""
    _out: set[Key] = field(default_factory=set)
    """Those that try now."""
    _through: bool = False

    def refused(self, key: Key) -> None:
        """An object was refused, for the first time or again."""
        self._out.discard(key)
        self._waiting[key] = None

    def passed(self, key: Key) -> None:
        """An object was not refused."""
        self._waiting.pop(key, None)
        self._through = self._through or key in self._out
        self._out.discard(key)

    def take(self) -> list[Key]:
        """All of them: something has changed."""
        taken = list(self._waiting)
        self._waiting, self._through = {}, False
        self._out.clear()
        return taken

    def turn(self, exists: Callable[[Key], bool]) -> list[Key]:
        """Who is to try now. What does not exist any more is forgotten."""
        self._waiting = {key: None for key in self._waiting if exists(key)}
        self._out = {key for key in self._out if exists(key)}
        if self._through:
            return self.take()
        number = max(LEAST, -(-len(self._waiting) // TURNS))
        taken = list(self._waiting)[:number]
        for key in taken:
            del self._waiting[key]
        self._out.update(taken)
        return taken
