"""What one InfluxDB has said of scripts: their facts and that they are well typed; and of all that are like them."""

from __future__ import annotations

from typing import Final, TypeVar

from influxops.core.flux.facts import Node, ScriptFacts, facts_of
from influxops.core.flux.shape import facts_with, general_facts, shape_of
from influxops.core.marker import sha256

T = TypeVar("T")

MAX_ENTRIES: Final = 512
"""Shapes, and scripts that have none, that are remembered of each; those that were not asked for the longest go first."""


class ScriptMemo:
    """Facts by the shape of a script where it has one, else by its digest."""

    def __init__(self) -> None:
        self._shapes: dict[str, ScriptFacts] = {}
        self._scripts: dict[str, ScriptFacts] = {}
        self._well_typed: dict[str, bool] = {}

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

    def well_typed(self, script: str, rendered: str) -> bool:
        """Whether it is known that what a script renders to is well typed, since something of its shape was found to be.

        Types do not depend on what stands in a plain string (tests/contract/test_shapes.py). False only means that the
        server has to be asked: faults are not remembered, for each is told of at its own place.
        """
        digest = self._rendered(script, rendered)
        return digest is not None and _take(self._well_typed, digest) is not None

    def found_well_typed(self, script: str, rendered: str) -> None:
        """The server has found no fault in what a script renders to."""
        digest = self._rendered(script, rendered)
        if digest is not None:
            _put(self._well_typed, digest, True)

    def _rendered(self, script: str, rendered: str) -> str | None:
        """The digest of the shape of what a script renders to. None where a tree has not borne out the script's own shape: the
        strings that rendering adds are quoted by us.
        """
        own = shape_of(script)
        if own is None or sha256(own.text) not in self._shapes:
            return None
        whole = shape_of(rendered)
        return sha256(whole.text) if whole is not None else None


def _take(known: dict[str, T], digest: str) -> T | None:
    found = known.pop(digest, None)
    if found is not None:
        known[digest] = found  # the latest stands last
    return found


def _put(known: dict[str, T], digest: str, found: T) -> None:
    while len(known) >= MAX_ENTRIES:
        known.pop(next(iter(known)))
    known[digest] = found
