"""One request to the API of Kubernetes: JSON out, JSON in, errors as our own tree, never without a time limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from influxops.core.jsontext import parse
from influxops.kube.access import Access
from influxops.kube.errors import Unavailable, from_answer

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

Fence = Callable[[], float | None]
"""Called before each write. Raises ``NotLeader``; else the seconds within which the write must end (None: no limit)."""


def open_gate() -> float | None:
    """The fence of those who need no lease: a command line, a test."""
    return None


class Transport:
    """A session with the API server.

    Args:
        access: where and as whom; it must be loaded before the first request.
        timeout: seconds for a whole request, unless the call says otherwise.
        limit: connections at a time.

    """

    def __init__(self, access: Access, *, timeout: float = 10.0, limit: int = 64) -> None:
        self.access = access
        self.fence: Fence = open_gate
        self.requests = 0
        self.answers: dict[tuple[str, str], int] = {}
        """(method, HTTP status or ``error``) -> how many such answers came."""
        self._timeout = timeout
        self._limit = limit
        self._session: aiohttp.ClientSession | None = None
        self._retired: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End the sessions; a later request opens a new one."""
        sessions, self._session, self._retired = (self._session, self._retired), None, None
        for session in sessions:
            if session is not None:
                await _close(session)

    async def read(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        accept: str = JSON,
        timeout: float | None = None,
    ) -> Any:
        """GET a path; the decoded answer. Raises ``KubeError``."""
        return await self._send("GET", path, query, None, JSON, accept, timeout or self._timeout)

    async def write(
        self,
        method: str,
        path: str,
        body: object,
        query: Mapping[str, str] | None = None,
        *,
        content: str = JSON,
        timeout: float | None = None,
        fenced: bool = True,
    ) -> Any:
        """POST, PUT, PATCH or DELETE.

        ``fenced=False`` is for the lease itself. Raises ``KubeError``; after ``Unavailable`` the write may have
        happened all the same. Raises ``NotLeader`` before anything was sent.
        """
        limit = timeout or self._timeout
        if fenced:
            left = self.fence()
            limit = limit if left is None else min(limit, left)
        return await self._send(method, path, query, json.dumps(body).encode(), content, JSON, limit)

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        content: str,
        accept: str,
        timeout: float,
    ) -> Any:
        what = f"{method} {path}"
        self.requests += 1
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeout):
                session = self._open()
                status, retry_after, answer = await self._exchange(method, path, query, body, content, accept)
                if status == 401 and await self.access.reload(began):
                    await self._retire(session)
                    status, retry_after, answer = await self._exchange(method, path, query, body, content, accept)
        except TimeoutError as error:
            self._count(method, "error")
            raise Unavailable(f"{what}: no answer within {timeout:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            self._count(method, "error")
            raise Unavailable(f"{what}: {type(error).__name__}: {error}") from error
        self._count(method, str(status))
        decoded = _decode(answer)
        if status >= 400:
            raise from_answer(what, status, decoded, retry_after)
        if not 200 <= status < 300 or not isinstance(decoded, dict) or not isinstance(decoded.get("kind"), str):
            # As of a proxy that leads elsewhere, or of a login page: whatever this is, it confirms nothing.
            shown = (
                f"status {status}, which is no answer"
                if not 200 <= status < 300
                else f"status {status} without an object"
            )
            raise Unavailable(f"{what}: {shown} of the Kubernetes API: is there a proxy before it?", status=status)
        return decoded

    def _count(self, method: str, code: str) -> None:
        self.answers[method, code] = self.answers.get((method, code), 0) + 1

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str] | None, body: bytes | None, content: str, accept: str
    ) -> tuple[int, str | None, bytes]:
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content
        session = self._open()
        async with session.request(
            method, self.access.server + path, params=query, data=body, headers=headers, allow_redirects=False
        ) as response:
            return response.status, response.headers.get("Retry-After"), await response.read()

    async def _retire(self, session: aiohttp.ClientSession) -> None:
        """Use a new session from now on; requests under way may end on the old one."""
        if self._session is session:
            oldest, self._retired, self._session = self._retired, session, None
            if oldest is not None:
                await _close(oldest)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = self.access.session(limit=self._limit)
        return self._session


async def _close(session: aiohttp.ClientSession) -> None:
    if isinstance(session.connector, aiohttp.TCPConnector):
        # No farewell at the TLS level: a frozen server would never answer it.
        await session.connector.close(abort_ssl=True)
    await session.close()


def _decode(answer: bytes) -> Any:
    try:
        return parse(answer) if answer else None
    except ValueError:
        return None
