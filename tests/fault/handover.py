"""A leader loses its lease in the middle of much work, and the other goes on: what is done, and what must hold."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.stack import Stack
from influxops.kube.lease_state import Timing
from tests.fault.workloads_consent import task
from tests.support.faults import Fault, Rule, Stage
from tests.support.history import INFLUX, Exchange
from tests.support.leadership import Judgement, claims, judge
from tests.support.nursery import Nursery
from tests.support.oracles import View, ownership, summary, untouched
from tests.support.pair import SECOND, THIRD, Loss, Pair, pair
from tests.support.until import until
from tests.support.world import INSTANCE, World, world

STEADY = 12
"""Tasks whose description is changed all the time."""
UNDER_WAY = 3
"""Writes of the leader that are under way when it loses its lease."""
SLOW = Fault("slow", Stage.BEFORE, delay=0.25)
"""Every write to InfluxDB: so some are always under way."""


@dataclass(frozen=True)
class HandOver:
    """How it went."""

    problems: list[str]
    judgement: Judgement
    takeover: float
    """Seconds from the fault until the other held the lease."""
    written: float
    """Seconds from the fault until the other's first write."""


def _slow(exchange: Exchange) -> bool:
    return exchange.server == INFLUX and exchange.changes


@asynccontextmanager
async def much_to_do(made: World) -> AsyncIterator[None]:
    """Users who edit, create and delete tasks without a pause."""

    async def edit() -> None:
        for number in itertools.count():
            name = f"steady{number % STEADY}"
            every = "12h" if number // STEADY % 2 else "24h"  # a change of schedule is two requests
            await made.admin.patch("InfluxTask", name, description=f"edit {number}", every=every)
            await asyncio.sleep(0.05)

    async def come_and_go() -> None:
        for number in itertools.count():
            await made.admin.create("InfluxTask", f"passing{number}", task())
            if number >= 3:
                await made.admin.delete("InfluxTask", f"passing{number - 3}")
            await asyncio.sleep(0.4)

    users = [asyncio.create_task(edit()), asyncio.create_task(come_and_go())]
    try:
        yield
    finally:
        for user in users:
            user.cancel()
        for found in await asyncio.gather(*users, return_exceptions=True):
            if isinstance(found, Exception):
                raise found


async def hand_over(
    how: Loss, timing: Timing, stack: Stack, nursery: Nursery, directory: Path, *, sabotage: Sequence[str] = ()
) -> HandOver:
    """Let the first of two operators lose the lease while it works, and see what both write until all is quiet again."""
    async with world(stack, nursery, directory, leases=True, sabotage=sabotage) as made:
        await made.plant_foreign()
        async with pair(made, stack, timing=timing) as two:
            before = await _begin(made)
            async with much_to_do(made):
                await until(lambda: _under_way(two) >= UNDER_WAY, 30.0)
                two.lose(how)
                takeover = await two.taken_over()
                await until(lambda: _first_write(two) is not None, 30.0)
                two.heal(how)
                # What the former leader has left to do, it would do now.
                await asyncio.sleep(2.0 * timing.retry)
            view = await made.rest(sweeps=1, seconds=90.0)
            judgement = judge(made.history.exchanges, timing)
            problems = [*judgement.problems, *ownership(view, INSTANCE), *two.faults_in_logs()]
            problems += untouched(before.foreign(made.foreign), view.foreign(made.foreign))
            counts = summary(made.history.writes())
            problems += [f"{about}: {count} times {what}d" for (about, what), count in counts.items() if count > 1]
            first = _first_write(two)
            assert first is not None
            return HandOver(problems, judgement, takeover, first.started - two.lost)


async def _begin(made: World) -> View:
    """The tasks that will be edited, at rest; from then on InfluxDB is slow."""
    await made.connect()
    for number in range(STEADY):
        await made.admin.create("InfluxTask", f"steady{number}", task())
    before = await made.rest(sweeps=0)
    made.influx.add(Rule(_slow, SLOW, times=None))
    return before


async def hand_on(timing: Timing, stack: Stack, nursery: Nursery, directory: Path) -> tuple[list[str], list[str]]:
    """Of three the one that leads is killed, and the next one told to end, each in the middle of much work: what went wrong, and who led, in
    their order.
    """
    async with world(stack, nursery, directory, leases=True) as made:
        await made.plant_foreign()
        async with pair(made, stack, timing=timing, standbys=(SECOND, THIRD)) as three:
            before = await _begin(made)
            async with much_to_do(made):
                for how in (Loss.KILLED, Loss.ENDED):
                    await until(lambda: _under_way(three) >= UNDER_WAY, 30.0)
                    three.lose(how, three.leader)
                    await three.taken_over()
                    await until(lambda: _first_write(three) is not None, 30.0)
            view = await made.rest(sweeps=1, seconds=90.0)
            problems = [
                *judge(made.history.exchanges, timing).problems,
                *ownership(view, INSTANCE),
                *three.faults_in_logs(),
                *(f"{what}: {n} times" for what, n in summary(made.history.writes()).items() if n > 1),
                *untouched(before.foreign(made.foreign), view.foreign(made.foreign)),
            ]
            leaders = [who for who, _ in itertools.groupby(one.who for one in claims(made.history.exchanges))]
            return problems, leaders


def _under_way(some: Pair) -> int:
    return sum(
        one.ended is None and one.who == some.leader and _slow(one) for one in some.made.history.exchanges[-200:]
    )


def _first_write(some: Pair) -> Exchange | None:
    """Of who leads now, since the former leader began to lose its lease."""
    mine = (one for one in some.made.history.exchanges if one.who == some.leader and one.started > some.lost)
    return next((one for one in mine if one.changes), None)
