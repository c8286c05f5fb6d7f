"""The work queue: each key once, one worker a key, by priority and time."""

from __future__ import annotations

import asyncio

from influxops.engine.queue import BACKOFF_MAX, Priority, WorkQueue


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def queue(clock: Clock | None = None) -> WorkQueue[str]:
    return WorkQueue(clock or Clock(), jitter=lambda: 0.0)


async def test_a_key_added_twice_is_given_once() -> None:
    q = queue()
    q.add("a")
    q.add("a")
    assert await q.get() == "a"
    q.done("a")
    assert len(q) == 0


async def test_priority_before_age() -> None:
    q = queue()
    q.add("resync", Priority.RESYNC)
    q.add("retry", Priority.RETRY)
    q.add("change", Priority.CHANGE)
    assert [await q.get() for _ in range(3)] == ["change", "retry", "resync"]


async def test_a_higher_priority_overtakes_the_keys_own_entry() -> None:
    q = queue()
    q.add("b", Priority.RETRY)
    q.add("a", Priority.RESYNC)
    q.add("a", Priority.CHANGE)
    assert [await q.get(), await q.get()] == ["a", "b"]
    assert len(q) == 2


async def test_a_key_under_work_comes_again_only_when_done() -> None:
    q = queue()
    q.add("a")
    assert await q.get() == "a"
    q.add("a")
    waiting = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    q.done("a")
    assert await waiting == "a"


async def test_a_delay_is_kept_and_an_earlier_one_wins() -> None:
    clock = Clock()
    q = queue(clock)
    q.add("a", after=60.0)
    q.add("a", after=5.0)
    q.add("a", after=30.0)
    waiting = asyncio.create_task(q.get())
    await asyncio.sleep(0)
    assert not waiting.done()
    clock.now += 5.0
    q.add("b")
    first = await waiting
    assert {first, await q.get()} == {"a", "b"}


async def test_backoff_doubles_up_to_a_limit_and_is_forgotten() -> None:
    q = queue()
    delays = [q.backoff("a") for _ in range(12)]
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays[-1] == BACKOFF_MAX
    q.forget("a")
    assert q.backoff("a") == 0.5


async def test_a_dropped_key_does_not_come() -> None:
    q = queue()
    q.add("a")
    q.add("b")
    q.drop("a")
    assert await q.get() == "b"


async def test_the_age_of_the_oldest_due_key() -> None:
    clock = Clock()
    q = queue(clock)
    q.add("a")
    q.add("later", after=100.0)
    clock.now += 7.0
    assert q.oldest_due_seconds() == 7.0
    await q.get()
    assert q.oldest_due_seconds() == 0.0


async def test_closing_lets_workers_end() -> None:
    q = queue()
    workers = [asyncio.create_task(q.get()) for _ in range(3)]
    await asyncio.sleep(0)
    q.close()
    assert await asyncio.gather(*workers) == [None, None, None]
