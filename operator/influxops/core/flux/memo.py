"""The facts of scripts that one InfluxDB has parsed, and of all that are like them."""

from __future__ import annotations

from typing import Final

from influxops.core.flux.facts import Node, ScriptFacts, facts_of
from influxops.core.flux.shape import facts_with, general_facts, shape_of
from influxops.core.marker import sha256

MAX_ENTRIES: Final = 512
"""Shapes, and scripts that have none, that are remembered; those that were not asked for the longest go first."""


class ScriptMemo:
    """Facts by the shape of a script where it has one, else by its digest."""

    def __init__(self) -> None:
        self._shapes: dict[str, ScriptFacts] = {}
        self._scripts: dict[str, ScriptFacts] = {}

    def get(self, script: str) -> ScriptFacts | None:
        """The facts of a script, if it or one of its shape was learned."""
        shape = shape_of(script)
        if shape is not None:
            general = _take(self._shapes, sha256(shape.text))
            if general is not None:
                return facts_with(general, shape.strings)
        return _take(self._scripts, sha256(script))

    def learn(self, script: str, tree: Node) -> ScriptFacts:
        """The facts of a script from the server's tree. Raises ValueError when the tree is not of the known form."""
        shape = shape_of(script)
        general = general_facts(script, shape, tree) if shape is not None else None
        if shape is not None and general is not None:
            _put(self._shapes, sha256(shape.text), general)
            return facts_with(general, shape.strings)
        facts = facts_of(script, tree)
        _put(self._scripts, sha256(script), facts)
        return facts


def _take(known: dict[str, ScriptFacts], digest: str) -> ScriptFacts | None:
    facts = known.pop(digest, None)
    if facts is not None:
        known[digest] = facts  # the latest stands last
    return facts


def _put(known: dict[str, ScriptFacts], digest: str, facts: ScriptFacts) -> None:
    while len(known) >= MAX_ENTRIES:
        known.pop(next(iter(known)))
    known[digest] = facts
