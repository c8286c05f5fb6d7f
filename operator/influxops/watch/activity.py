"""When each watch last heard from the API: the honest answer to whether the operator still sees.

The session that kopf is given notes every piece that arrives on a stream: events, but also bookmarks, which the API
sends about once a minute when nothing happens. So silence means blindness, not peace.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, StreamReader

from influxops.core.keys import GROUP, VERSION, Kind

LIFE = 250.0
"""Seconds that a watch lasts at least unless something breaks it: it is asked for with 300."""

_ROOT = f"/apis/{GROUP}/{VERSION}/"

Stream = tuple[Kind, str | None]
"""A kind and a namespace, or None for the whole cluster."""


class Activity:
    """Monotonic times of the last sign of life of each stream.

    Args:
        namespaces: what is watched; None for the whole cluster.
        clock: monotonic seconds.

    """

    def __init__(self, namespaces: Sequence[str] | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Written from the thread of kopf, read from any: single dict accesses, which need no lock.
        self._heard: dict[Stream, float] = dict.fromkeys(_streams(namespaces), float("-inf"))
        self.relists = 0
        """Full lists that kopf has begun: one a stream at its start, later ones are gaps in a watch."""
        self.gaps = 0
        """How often a stream may have lost a deletion: it was listed anew, or a watch of it ended before its time."""
        self.newest = 0
        """The highest resource version from which a watch was asked to go on."""
        self._listed: set[Stream] = set()
        self._begun: dict[Stream, float] = {}
        """When the present watch of each stream began."""

    def clock(self) -> float:
        """The present, by the clock of the other methods."""
        return self._clock()

    def last(self, kind: Kind) -> float:
        """Monotonic seconds at which the most silent stream of a kind was heard; minus infinity: not yet."""
        return min(heard for (of, _), heard in self._heard.items() if of is kind)

    def age(self) -> float:
        """Seconds since the most silent stream of all was heard; infinity until each was heard once."""
        return self._clock() - min(self._heard.values())

    def heard(self, stream: Stream) -> None:
        """Something arrived."""
        if stream in self._heard:
            self._heard[stream] = self._clock()

    def forget(self) -> None:
        """The watches end, and begin again from nothing."""
        self.newest = 0
        self._listed.clear()
        self._begun.clear()

    def _asked(self, stream: Stream, query: Mapping[str, str]) -> None:
        """A list or a watch of a stream begins."""
        if query.get("watch") == "true":
            begun, now = self._begun.get(stream), self._clock()
            self.gaps += begun is not None and now - begun < LIFE
            self._begun[stream] = now
            version = query.get("resourceVersion", "")
            self.newest = max(self.newest, int(version) if version.isdigit() else 0)
        elif "continue" not in query:
            self.relists += 1
            self.gaps += stream in self._listed
            self._listed.add(stream)

    async def middleware(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """A middleware of an aiohttp session that listens to the answers."""
        response = await handler(request)
        stream = stream_of(request.url.path)
        if stream is None:
            return response
        watch = request.url.query.get("watch") == "true"
        if watch and response.status == 410:
            # As an answer it would end kopf, and leave it hanging; as an event it makes kopf list anew.
            expired = _Expired(response.content, lambda: self.heard(stream))
            response.status, response.content = 200, cast("StreamReader", expired)
        if response.status != 200:
            return response
        self.heard(stream)
        self._asked(stream, request.url.query)
        if watch:
            response.content = cast("StreamReader", _Listening(response.content, lambda: self.heard(stream)))
        return response


class Passing:
    """Stands in for the content of an answer; in all that is not said otherwise it is that content."""

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Listening(Passing):
    """A stream that tells of every piece that passes.

    Only whole lines pass: half a line, where an answer was cut, would end kopf and leave it hanging, while the end of a stream
    makes it go on from the last whole event.
    """

    def __init__(self, stream: StreamReader, heard: Callable[[], None]) -> None:
        super().__init__(stream)
        self._heard = heard

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        rest = b""
        async for chunk in self._stream.iter_chunked(size):
            self._heard()
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield lines + newline


class _Expired(_Listening):
    """The stream of a watch that cannot go on from where it was."""

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - as the stream has it
        yield b'{"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "metadata": {}}}\n'


def _streams(namespaces: Sequence[str] | None) -> Iterable[Stream]:
    places: Sequence[str | None] = [None] if namespaces is None else namespaces
    return [(kind, place) for kind in Kind for place in places]


def stream_of(path: str) -> Stream | None:
    """The stream that a path of the API belongs to."""
    if not path.startswith(_ROOT):
        return None
    match path.removeprefix(_ROOT).split("/"):
        case [plural]:
            place = None
        case ["namespaces", place, plural]:
            pass
        case _:
            return None
    try:
        return Kind.of_plural(plural), place
    except ValueError:
        return None
