"""A script as the lints see it: its tree, its pipelines, its schedule, and what is known of its buckets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from influxops.core.flux.facts import Places
from influxops.core.flux.render import Prelude
from influxops.core.lint.flow import Call, Flows, Node, flows_of, is_write
from influxops.core.lint.rule import Hit, Rule, Severity
from influxops.core.schedule import Schedule

_FROM = datetime(2026, 1, 1, tzinfo=UTC)
_SLOTS = 30


def _denies_nothing(_package: str) -> bool:
    return False


@dataclass(slots=True)
class Script:
    """One script. ``text`` is the user's, and ``file`` the tree of it."""

    text: str
    file: Node
    schedule: Schedule | None = None
    prelude: Prelude | None = None
    """What influxops will define ``v`` with."""
    retention: Mapping[str, int] = field(default_factory=dict)
    """Seconds that a bucket keeps its points; 0 for ever. Buckets of which nothing is known are absent."""
    denies: Callable[[str], bool] = _denies_nothing
    """Whether the connection's policy denies a package."""
    flows: Flows = field(init=False)
    places: Places = field(init=False)
    slots: tuple[datetime, ...] = field(init=False)
    """Some slots in a row, to see what the script would read."""

    def __post_init__(self) -> None:
        self.flows = flows_of(self.file)
        self.places = Places(self.text)
        self.slots = tuple(self._slots())

    def _slots(self) -> Iterator[datetime]:
        moment = _FROM
        for _ in range(_SLOTS if self.schedule else 0):
            found = self.schedule.slot_after(moment) if self.schedule else None
            if found is None:
                return
            yield found
            moment = found

    def hit(self, rule: Rule, node: Node, message: str, severity: Severity | None = None) -> Hit:
        """Something found at a node."""
        line, column = self.place(self.places.start(node))
        end_line, end_column = self.place(self.places.end(node))
        return Hit(rule, line, column, message, severity, end_line, end_column)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1, in characters."""
        before = self.text[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1

    def writes(self) -> Iterator[tuple[Call, ...]]:
        """Every path that ends in a write to a bucket."""
        for path in self.flows.paths():
            if is_write(path[-1]):
                yield path

    def bucket(self, call: Call) -> str | None:
        """The bucket that a read or write names by a literal."""
        if {"host", "orgID", "bucketID"} & call.arguments.keys():  # ``org`` nearly always names the task's own
            return None
        return self.flows.text(call.arguments.get("bucket"))
