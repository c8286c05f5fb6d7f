"""Deletes and writes of a bucket never meet; nobody waits for ever."""

from __future__ import annotations

import asyncio
import random

import pytest

from influxops.engine.gates import Gates
from tests.support.until import until

ORG = "0123456789abcdef"


class Inside:
    """Who is in a bucket, and whether they may be."""

    def __init__(self) -> None:
        self.writers = 0
        self.deleters = 0
        self.most = 0

    async def stay(self, role: str, longest: float) -> None:
        """Be one of them for some time, at most so many seconds."""
        setattr(self, role, getattr(self, role) + 1)
        assert self.deleters <= 1
        assert not (self.deleters and self.writers)
        self.most = max(self.most, self.writers)
        try:
            await asyncio.sleep(random.uniform(0, longest))
        finally:
            setattr(self, role, getattr(self, role) - 1)


async def write(gates: Gates, inside: Inside, *buckets: str) -> None:
    async with gates.writing(ORG, buckets):
        await inside.stay("writers", 0.002)


async def delete(gates: Gates, inside: Inside, bucket: str) -> None:
    async with gates.deleting(ORG, bucket):
        await inside.stay("deleters", 0.001)


async def test_a_delete_is_alone_in_its_bucket_and_writes_are_not() -> None:
    """Some give up while they wait, or inside; all others come through."""
    gates, inside = Gates(), Inside()
    tasks = [
        asyncio.create_task(delete(gates, inside, "b") if number % 3 == 0 else write(gates, inside, "b"))
        for number in range(300)
    ]
    for task in random.sample(tasks, 60):
        await asyncio.sleep(random.uniform(0, 0.001))
        task.cancel()
    async with asyncio.timeout(20):
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [one for one in ended if isinstance(one, Exception)] == []
    assert inside.most > 1
    async with asyncio.timeout(5), gates.deleting(ORG, "b"):
        assert (inside.writers, inside.deleters) == (0, 0)


async def test_writers_of_many_buckets_do_not_wait_in_a_circle() -> None:
    gates, a, b = Gates(), Inside(), Inside()
    every = [write(gates, Inside(), *buckets) for buckets in (("a", "b"), ("b", "a")) for _ in range(40)]
    every += [delete(gates, a, "a") for _ in range(20)] + [delete(gates, b, "b") for _ in range(20)]
    random.shuffle(every)
    async with asyncio.timeout(20):
        await asyncio.gather(*every)


@pytest.mark.parametrize(("org", "bucket"), [(ORG, "other"), ("fedcba9876543210", "b")])
async def test_other_buckets_are_not_held_up(org: str, bucket: str) -> None:
    gates = Gates()
    async with gates.deleting(ORG, "b"), asyncio.timeout(5), gates.writing(org, [bucket]):
        pass


async def test_a_delete_is_not_held_off_by_writes_that_go_on_coming() -> None:
    """It has its turn before the writes that came after it."""
    gates, order = Gates(), list[str]()
    go = asyncio.Event()

    async def first() -> None:
        async with gates.writing(ORG, ["b"]):
            order.append("first")
            await go.wait()

    async def then(name: str, *, alone: bool) -> None:
        async with gates.deleting(ORG, "b") if alone else gates.writing(ORG, ["b"]):
            order.append(name)

    tasks = [asyncio.create_task(first())]
    await until(lambda: order == ["first"])
    tasks.append(asyncio.create_task(then("delete", alone=True)))
    await asyncio.sleep(0)
    tasks += [asyncio.create_task(then(name, alone=False)) for name in ("second", "third")]
    await asyncio.sleep(0)
    assert order == ["first"]
    go.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "delete", "second", "third"]
