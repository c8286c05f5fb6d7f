"""What a plan says of one object, and of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

VERBS = ("create", "adopt", "update", "recreate", "delete")
"""What an action may be, in the order in which they are counted."""


class Fault(NamedTuple):
    """What is wrong with a file or a connection, and where."""

    place: str
    message: str


@dataclass(frozen=True, slots=True)
class Item:
    """One object. ``actions`` are as in ``status.plan``, with whole diffs."""

    kind: str
    namespace: str
    name: str
    place: str
    """``file:line``, or empty for an object of the cluster."""
    actions: tuple[dict[str, Any], ...] = ()
    held: str = ""
    """The reason why nothing is done now, such as ``DataLossGuard``; empty when the actions would be done."""
    message: str = ""
    error: bool = False
    """True when the object is wrong, rather than waiting for something."""

    @property
    def verb(self) -> str:
        """The most telling action: create, adopt, update, recreate or delete; empty when there is none."""
        verbs = [action["action"] for action in self.actions]
        return next((verb for verb in VERBS if verb in verbs), "")


@dataclass(slots=True)
class Preview:
    """Everything that a plan tells."""

    items: list[Item] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    """Files and connections that could not be used."""
    notes: list[str] = field(default_factory=list)

    def count(self, verb: str) -> int:
        """How many objects would see this done."""
        return sum(item.verb == verb and not item.held for item in self.items)

    @property
    def held(self) -> int:
        """How many objects wait for something or somebody."""
        return sum(bool(item.held) and not item.error for item in self.items)

    @property
    def errors(self) -> int:
        """How many objects and files are wrong."""
        return len(self.faults) + sum(item.error for item in self.items)

    @property
    def unchanged(self) -> int:
        """How many objects are as they should be."""
        return sum(not item.held and not item.actions for item in self.items)

    @property
    def changes(self) -> bool:
        """Whether anything would be done."""
        return any(self.count(verb) for verb in VERBS)

    @property
    def summary(self) -> str:
        """One line."""
        counts = [f"{self.count(verb)} to {verb}" for verb in VERBS if verb != "recreate" or self.count(verb)]
        return f"Plan: {', '.join(counts)}; {self.unchanged} unchanged, {self.held} held back, {self.errors} errors."
