"""ConfigMaps by name: tasks that ask for the same one at the same time share one request, and so do those that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

MEMO = 4.0
"""Seconds for which something that was missing is not asked for again."""

Read = Callable[[str, str], Awaitable[Mapping[str, Any] | None]]


class ConfigMaps:
    """Reads keys of ConfigMaps. Only what is missing is remembered, and for a moment: what is there may change."""

    def __init__(self, read: Read, clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._flights: dict[tuple[str, str], asyncio.Future[Mapping[str, Any] | None]] = {}
        self._missing: dict[tuple[str, str, str], tuple[float, bool]] = {}

    async def text(self, namespace: str, name: str, key: str) -> tuple[bool, str | None]:
        """Whether the ConfigMap is there, and the text of a key; None when the key is not there.

        Errors of Kubernetes pass through.
        """
        self._forget()
        known = self._missing.get((namespace, name, key))
        if known is not None:
            return known[1], None
        found = await self._shared(namespace, name)
        text = ((found or {}).get("data") or {}).get(key)
        if text is None:
            self._missing[namespace, name, key] = (self._clock(), found is not None)
        return found is not None, None if text is None else str(text)

    async def _shared(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        where = (namespace, name)
        flight = self._flights.get(where)
        if flight is None:
            flight = self._flights[where] = asyncio.ensure_future(self._read(namespace, name))
            flight.add_done_callback(lambda _: self._flights.pop(where, None))
        return await asyncio.shield(flight)

    def _forget(self) -> None:
        """Drop what was missing too long ago; the oldest comes first."""
        limit = self._clock() - MEMO
        while self._missing:
            first = next(iter(self._missing))
            if self._missing[first][0] > limit:
                return
            del self._missing[first]
