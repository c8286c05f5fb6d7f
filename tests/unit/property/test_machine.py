"""The property machine on the fakes, in virtual time: random users, random faults, and what must hold all the same."""

from __future__ import annotations

import os

from tests.support.property.fast import FastWorld
from tests.support.property.machine import explore

EXAMPLES = int(os.environ.get("INFLUXOPS_PROPERTY_EXAMPLES", "40"))


def test_no_walk_breaks_what_is_promised() -> None:
    """Whatever people and faults do: nothing of others is touched, no data goes unasked, and in the end each object has its one
    task, as its spec says, and nobody writes any more.
    """
    explore(FastWorld, examples=EXAMPLES, steps=20, shrink=True)
