"""What one operator sees of its watches: all of it, until they are struck."""

from __future__ import annotations

import json

from tests.support.proxy import Watch
from tests.support.watch_faults import too_old

_BOOKMARK = json.dumps({"type": "BOOKMARK", "object": {"kind": "InfluxTask", "metadata": {"resourceVersion": "1"}}})


class Eyes:
    """The ``proxy.WatchView`` of one operator."""

    def __init__(self) -> None:
        self._open: set[Watch] = set()
        self._silent: set[Watch] = set()

    def opened(self, watch: Watch) -> None:
        """A watch has begun."""
        self._open = {one for one in self._open if not one.over} | {watch}
        self._silent &= self._open

    async def line(self, watch: Watch, line: bytes) -> None:
        """A line has come."""
        if watch not in self._silent:
            await watch.send(line)

    def silence(self) -> int:
        """The watches that are open stay so and say nothing any more, not even a bookmark; how many."""
        self._silent |= self._current()
        return len(self._silent)

    async def gone(self) -> int:
        """The watches end with 410, as if what they follow were compacted; how many."""
        watches = self._current()
        for watch in watches:
            await watch.send(too_old())
            await watch.end()
        return len(watches)

    async def tear(self) -> int:
        """The watches break in the middle of a line; how many."""
        watches = self._current()
        for watch in watches:
            await watch.send(_BOOKMARK[: len(_BOOKMARK) // 2].encode())
            watch.abort()
        return len(watches)

    def _current(self) -> set[Watch]:
        return {one for one in self._open if not one.over}
