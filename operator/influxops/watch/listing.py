"""Takes the objects out of kopf's lists, and leaves kopf lists without any.

kopf makes a task, a queue and a memory of each object that it lists, and calls the handler through some twenty layers: a third of a start with
ten thousand objects. We need nothing of that for an object that only stands there. What kopf is for, the watch that begins where the list ends
and goes on through all that breaks it, is untouched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import orjson
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, StreamReader

from influxops.core.keys import Kind
from influxops.watch.activity import Passing, stream_of

Take = Callable[[Kind, Mapping[str, Any]], None]
"""Called with each object of a list, in its order. Must not raise."""


class Listing:
    """Of one life of kopf."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def middleware(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """A middleware of an aiohttp session: lists of our kinds come out empty."""
        response = await handler(request)
        stream = stream_of(request.url.path)
        if stream is not None and response.status == 200 and request.url.query.get("watch") != "true":
            response.content = cast("StreamReader", _Emptied(response.content, stream[0], self._take))
        return response


class _Emptied(Passing):
    """The content of a list. What cannot be read as one passes as it is, and kopf says what is wrong with it."""

    def __init__(self, stream: StreamReader, kind: Kind, take: Take) -> None:
        super().__init__(stream)
        self._kind = kind
        self._take = take

    async def read(self) -> bytes:
        body = bytes(await self._stream.read())
        try:
            found = orjson.loads(body)
            items = found["items"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return body
        if items is not None and not isinstance(items, list):
            return body
        for item in items or ():
            self._take(self._kind, item)
        return orjson.dumps({**found, "items": []})
