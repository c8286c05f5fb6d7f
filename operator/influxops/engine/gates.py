"""Deletes and writes of one bucket, kept apart.

InfluxDB loses points that are written while points of the same series are being deleted, of whatever time: when a delete
leaves a series empty, the series goes from the index, also when something has been written to it meanwhile; what was
written is then no longer found. Measured on 2.7.12: of 2,879 writes beside a delete of another hour 204 were lost whole
and 2,050 in part; of 360 windows that six at a time deleted and wrote again, 354. Nothing was lost when no delete ran
beside a write or another delete.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager


class Gates:
    """Of all buckets that this process works with, by organization and name. One for all connections: two may lead to one place."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], Gate] = {}

    @asynccontextmanager
    async def writing(self, org_id: str, buckets: Iterable[str]) -> AsyncIterator[None]:
        """Beside other writes, and no delete. The buckets are entered by name, so that nobody waits in a circle."""
        async with AsyncExitStack() as held:
            for bucket in sorted(set(buckets)):
                await held.enter_async_context(self._gate(org_id, bucket).held(alone=False))
            yield

    @asynccontextmanager
    async def deleting(self, org_id: str, bucket: str) -> AsyncIterator[None]:
        """Alone. Whoever is in here must not enter another bucket."""
        async with self._gate(org_id, bucket).held(alone=True):
            yield

    def _gate(self, org_id: str, bucket: str) -> Gate:
        return self._gates.setdefault((org_id, bucket), Gate())


class Gate:
    """Many at a time, or one alone, in the order of their coming: so deletes that come together follow each other, and then the
    writes run side by side.
    """

    def __init__(self) -> None:
        self._many = 0
        self._alone = False
        self._line: deque[tuple[bool, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def held(self, *, alone: bool) -> AsyncIterator[None]:
        """Inside, nobody else is (``alone``), or nobody who must be alone."""
        await self._enter(alone)
        try:
            yield
        finally:
            self._leave(alone)

    async def _enter(self, alone: bool) -> None:
        if not self._line and self._free(alone):
            self._take(alone)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((alone, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its turn came as it gave up
                self._leave(alone)
            else:
                self._line.remove((alone, turn))
                self._next()
            raise

    def _leave(self, alone: bool) -> None:
        if alone:
            self._alone = False
        else:
            self._many -= 1
        self._next()

    def _next(self) -> None:
        while self._line and self._free(self._line[0][0]):
            alone, turn = self._line[0]
            if turn.cancelled():
                return  # it leaves the line by itself, and calls the next
            self._line.popleft()
            self._take(alone)
            turn.set_result(None)

    def _free(self, alone: bool) -> bool:
        return not self._alone and not (alone and self._many)

    def _take(self, alone: bool) -> None:
        if alone:
            self._alone = True
        else:
            self._many += 1
