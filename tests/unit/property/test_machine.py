"""The property machine on the fakes, in virtual time: random users, random faults, and what must hold all the same."""

from __future__ import annotations

import os

import pytest

from tests.support import sabotage
from tests.support.property.cases import CASES, Case
from tests.support.property.fast import FastWorld
from tests.support.property.judge import Violated
from tests.support.property.machine import SEED, explore, replay

EXAMPLES = int(os.environ.get("INFLUXOPS_PROPERTY_EXAMPLES", "40"))
BATCH = 200
BATCHES = [pytest.param(number, id=f"seed-{SEED}-batch-{number}") for number in range(10)]
"""Two thousand walks for `make prove`."""


def test_no_walk_breaks_what_is_promised() -> None:
    """Whatever people and faults do: nothing of others is touched, no data goes unasked, and in the end each object has its one
    task, as its spec says, and nobody writes any more.
    """
    explore(FastWorld, examples=EXAMPLES, steps=20, shrink=True)


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("batch", BATCHES)
def test_no_walk_of_thousands_breaks_what_is_promised(batch: int) -> None:
    """The same, by the thousand, with other seeds."""
    explore(FastWorld, examples=BATCH, steps=20, seeded=SEED * 100 + batch, shrink=True)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("broken", "word"),
    [
        ("ignore_markers", "DOUBLE|COPY|DELETED|rest"),
        ("forget_to_delete", "ORPHAN|DOUBLE"),
        ("forget_the_guard", "DATA LOSS"),
        ("touch_strangers", "FOREIGN"),
        ("never_quiet", "not quiet"),
        ("never_look_back", "VALUES"),
    ],
)
def test_the_machine_finds_what_is_broken_on_purpose(broken: str, word: str) -> None:
    """An oracle that never fails proves nothing: an operator without its marker look-up, its guard and so on is found out."""
    with sabotage.for_a_while(broken), pytest.raises(Violated, match=word):
        explore(FastWorld, examples=600, steps=20, seeded=5, shrink=False)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_named_walk(case: Case) -> None:
    """What was found stays found, in the world of fakes."""
    replay(FastWorld, case.parsed())


@pytest.mark.parametrize("case", [one for one in CASES if one.finds], ids=lambda case: case.name)
def test_a_named_walk_finds_what_is_broken_on_purpose(case: Case) -> None:
    """The same walk, with an operator that lacks what it is about, goes wrong."""
    with sabotage.for_a_while(case.finds), pytest.raises(Violated):
        replay(FastWorld, case.parsed())
