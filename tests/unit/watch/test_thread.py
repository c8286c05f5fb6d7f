"""watch.thread and watch.inbox: a coroutine in a thread of its own, and its events on our loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from influxops.core.record import Record
from influxops.watch.inbox import BATCH, Event, Inbox
from influxops.watch.thread import LoopThread
from tests.support.kubeobjects import record
from tests.support.until import until


async def test_it_runs_in_another_thread_and_ends_when_asked() -> None:
    stop = asyncio.Event()
    began = threading.Event()
    where: list[threading.Thread] = []

    async def main(flag: asyncio.Event) -> None:
        where.append(threading.current_thread())
        began.set()
        await flag.wait()

    run = asyncio.create_task(LoopThread(main, "guest").run(stop))
    await asyncio.to_thread(began.wait, 5)
    assert not run.done()
    stop.set()
    await run
    assert where[0] is not threading.main_thread()


async def test_what_it_raises_is_raised_here() -> None:
    async def main(_: asyncio.Event) -> None:
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        await LoopThread(main, "guest").run(asyncio.Event())


async def test_cancelling_everything_in_there_leaves_our_tasks_alone() -> None:
    """What kopf does at its end."""

    async def main(_: asyncio.Event) -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    ours = asyncio.create_task(asyncio.sleep(60))
    await LoopThread(main, "guest").run(asyncio.Event())
    assert not ours.done()
    ours.cancel()


async def test_a_cancelled_supervisor_ends_the_thread_first() -> None:
    began, ended = threading.Event(), threading.Event()

    async def main(flag: asyncio.Event) -> None:
        began.set()
        await flag.wait()
        ended.set()

    run = asyncio.create_task(LoopThread(main, "guest").run(asyncio.Event()))
    await asyncio.to_thread(began.wait, 5)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert ended.is_set()


async def test_events_arrive_in_order_on_our_loop() -> None:
    got: list[Event] = []
    inbox = Inbox(asyncio.get_running_loop(), got.append)
    count = BATCH * 3 + 7
    sent = [record(name=f"t{n}", uid=str(n)) for n in range(count)]

    def put() -> None:
        for one in sent:
            inbox.put(one)

    thread = threading.Thread(target=put)
    thread.start()
    await until(lambda: len(got) == count)
    thread.join()
    assert [one.uid for one in got if isinstance(one, Record)] == [one.uid for one in sent]
