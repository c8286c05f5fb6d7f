"""Two operators that both believe that they lead: InfluxDB, which has no compare-and-set, may hold a double for a moment, and no longer."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from devstack.stack import Stack
from tests.fault.test_lost_replies import made_of, make
from tests.support.faults import Fault, Rule, Stage
from tests.support.figures import note
from tests.support.history import INFLUX, Exchange, History
from tests.support.nursery import Nursery
from tests.support.oracles import ownership
from tests.support.pair import FIRST, SECOND, pair
from tests.support.world import INSTANCE, shared_world

pytestmark = pytest.mark.timeout(600)

SLOW = Fault("slow", Stage.BEFORE, delay=0.1)
"""Creates take longer than a look: so most have been looked for by both before either's task is there."""


def together(about: str) -> Rule:
    """Holds the creates of one object until both have sent theirs: a double, however slow one of the two may be."""
    sent: set[str] = set()
    both = asyncio.Event()

    def matches(one: Exchange) -> bool:
        if not (one.changes and one.method == "POST" and one.about == about):
            return False
        sent.add(one.who)
        if sent == {FIRST, SECOND}:
            both.set()
        return True

    return Rule(matches, Fault("together", Stage.BEFORE, hold=both), times=None)


def lives(history: History) -> list[float]:
    """How long each task was there that was deleted again, from the end of its creation to the end of its deletion."""
    made = {_id(one): one.ended for one in history.exchanges if _is(one, "POST")}
    gone = {one.path.rpartition("/")[2]: one.ended for one in history.exchanges if _is(one, "DELETE")}
    return [gone[one] - made[one] for one in gone if one in made]  # type: ignore[operator]


def _is(one: Exchange, method: str) -> bool:
    return one.server == INFLUX and one.method == method and "/tasks" in one.path and one.committed


def _id(one: Exchange) -> str:
    return str(json.loads(one.answer)["id"])


@pytest.mark.parametrize("count", [10, pytest.param(300, marks=pytest.mark.prove)])
async def test_doubles_are_found_by_their_marks(
    count: int, fault_stack: Stack, nursery: Nursery, tmp_path: Path
) -> None:
    """Both create: each task is there twice at most, both keep the one that came first, and then they are quiet."""
    async with shared_world(fault_stack, nursery, tmp_path) as made, pair(made, fault_stack, lead=False) as two:
        made.influx.add(together("task-task0"))
        made.influx.add(Rule(lambda one: one.changes and one.method == "POST", SLOW, times=None))
        await made.connect()
        await make(made, count)
        view = await made.rest(seconds=60.0 + count)
        assert ownership(view, INSTANCE) == []
        assert made_of(view, made) == (count, count // 10)
        creates = [one for one in made.history.exchanges if _is(one, "POST")]
        assert {one.who for one in creates} == {FIRST, SECOND}
        assert max(Counter(one.about for one in creates).values()) == 2, "a task was made anew that had been made"
        doubles = lives(made.history)
        assert doubles, "no double was ever made: this shows nothing"
        assert two.faults_in_logs() == []
        note(
            f"two believers, {count} objects",
            doubles=len(doubles),
            creates=len(creates),
            longest=max(doubles),
            mean=sum(doubles) / len(doubles),
        )
