"""The optional rate limit of one connection, and the pause that a 429 asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LONGEST_HOLD = 60.0
"""Seconds; a server that asks for a longer pause is asked again after this one."""


class Pacer:
    """Lets at most ``per_second`` requests start in a second, evenly; None sets no limit."""

    def __init__(self, clock: Callable[[], float], per_second: int | None) -> None:
        self._clock = clock
        self._gap = 1.0 / per_second if per_second else 0.0
        self._next = 0.0

    def hold(self, seconds: float) -> None:
        """Let nothing start for so long."""
        self._next = max(self._next, self._clock() + min(seconds, LONGEST_HOLD))

    async def turn(self) -> None:
        """Wait for this request's turn."""
        now = self._clock()
        start = max(now, self._next)
        if self._gap or start > now:
            self._next = start + self._gap
        if start > now:
            await asyncio.sleep(start - now)
