"""An event loop whose time passes only where nothing is left to do: an hour of sleeping takes no time, and every run is the same."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _NoWaiting(selectors.DefaultSelector):
    """Asked to wait, it moves the loop's clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("nothing will ever happen again: every task waits for another one")
        if timeout > 0:
            self.loop.pass_by(timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Starts at ``start`` seconds. No real input or output: nothing would be waited for."""

    def __init__(self, start: float = 1000.0) -> None:
        self._virtual = start
        selector: Any = _NoWaiting()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._virtual

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Run it at once, for time must not pass while a thread is at work."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (it is told to who waits)
            done.set_exception(error)
        return done

    def pass_by(self, seconds: float) -> None:
        """Move the clock."""
        self._virtual += seconds
