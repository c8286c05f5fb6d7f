"""kopf in a thread with an event loop of its own.

kopf expects to own its loop: at its end it cancels every task that was created after its start, and in the main thread
it takes SIGINT and SIGTERM for itself. In a thread of its own it can do neither to us, a failure of it ends nothing
but itself, and decoding a large list there delays our loop by no more than the interpreter's switch interval.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)

GIVE_UP = 15.0
"""Seconds for an orderly end of the thread; kopf needs less than one, or up to ten when a stream hangs."""

Main = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""What runs in the thread: ends when the event, which belongs to the thread's loop, is set."""

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class LoopThread:
    """Runs a coroutine in a daemon thread.

    Args:
        main: the coroutine function.
        name: of the thread.
        loop_factory: makes its loop; None for that of asyncio.

    """

    def __init__(self, main: Main, name: str, loop_factory: LoopFactory | None = None) -> None:
        self._main = main
        self._factory = loop_factory
        self._inner: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._asked = False
        self._lock = threading.Lock()
        self._outer = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._outer.create_future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``main`` ends or ``stop`` is set. Raises what ``main`` raised."""
        self._thread.start()
        stopped = asyncio.create_task(stop.wait())
        try:
            either: set[asyncio.Future[Any]] = {stopped, self._ended}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            self._ask()
            # Shielded by hand: also a cancelled supervisor must not leave a second kopf behind.
            done, _ = await asyncio.wait({self._ended}, timeout=GIVE_UP)
            if not done:
                log.warning("thread %s did not end within %g s and is left behind", self._thread.name, GIVE_UP)
        if self._ended.done():
            self._ended.result()

    def _ask(self) -> None:
        with self._lock:
            self._asked = True
            if self._inner is not None and not self._inner[0].is_closed():
                loop, event = self._inner
                loop.call_soon_threadsafe(event.set)

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            with asyncio.Runner(loop_factory=self._factory) as runner:
                runner.run(self._hold(runner.get_loop()))
        except BaseException as caught:  # noqa: BLE001 - whatever ended it is told to the supervisor
            error = caught
        finally:
            with self._lock:
                self._inner = None
        try:
            self._outer.call_soon_threadsafe(self._tell, error)
        except RuntimeError:
            return  # the operator's loop has ended before us

    async def _hold(self, loop: asyncio.AbstractEventLoop) -> None:
        event = asyncio.Event()
        with self._lock:
            self._inner = (loop, event)
            if self._asked:
                event.set()
        await self._main(event)

    def _tell(self, error: BaseException | None) -> None:
        if self._ended.done():
            return
        if error is None or isinstance(error, asyncio.CancelledError):
            self._ended.set_result(None)
        elif isinstance(error, Exception):
            self._ended.set_exception(error)
        else:
            self._ended.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
