"""One HTTP call to InfluxDB: the session, the deadline, the size limit, and nothing that follows a redirect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync
from yarl import URL

from influxops.influx.answers import Reply, Speaker, json_of, raise_for, require_done
from influxops.influx.errors import Invalid, Unauthorized, Unavailable
from influxops.influx.settings import ConnectionSettings, Pace, unpaced
from influxops.influx.tls import tls_context

MAX_BYTES = 64 << 20
"""The longest answer that is read; a page of 500 tasks with scripts of 100 KiB fits."""

MAX_ERROR_BYTES = 2 << 20
"""The longest error that is read; it may quote a script of 256 KiB."""

READING_POSTS = frozenset({("POST", "/api/v2/query"), ("POST", "/api/v2/query/ast")})
"""Requests other than GET that a client that only reads may send: our own queries, and the check, which has no effect."""

EMPTY = "answered a query with nothing at all; is this address really InfluxDB 2?"

_CHUNK = 1 << 18

_ACCEPT = "application/json, application/csv"
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"

INLINE = 1 << 15
"""Answers up to this many bytes (some 300 rows, under 1 ms) are taken in at once; a thread costs more than that."""

HEAD_START = 0.002
"""Seconds in which what ``answered`` has begun gets its request out, before a thread takes the interpreter for the answer."""


class TimedOut(Unavailable):
    """The deadline of a call passed. A query ends then; a write may have been carried out."""


class Http:
    """Calls to one InfluxDB with one token. Create it inside a running event loop and close it."""

    def __init__(self, settings: ConnectionSettings, pace: Pace = unpaced) -> None:
        self._pace = pace
        self._base = _base_url(settings.url)
        self._timeout = settings.timeout
        self._read_only = settings.read_only
        self._server_name = settings.server_name or None
        token = _clean_token(settings.token)
        self._speaker = Speaker(origin=str(self._base.with_path("/").with_query(None)).rstrip("/"), token=token)
        self._authorization = {"Authorization": f"Token {token}"}
        self._client = InfluxDBClientAsync(
            url=str(self._base),
            token=token,
            timeout=aiohttp.ClientTimeout(total=None),  # each call has its own deadline, see request()
            ssl_context=tls_context(settings) if self._base.scheme == "https" else None,
            connection_pool_maxsize=settings.max_connections,
            allow_redirects=False,
            client_session_kwargs={"cookie_jar": aiohttp.DummyCookieJar()},
        )
        # influxdb-client ignores the timeout of a single call and knows no JSON but its own models (slow for
        # 10,000 tasks); its aiohttp session, with its TLS and pool, is what we want of it.
        self._session: aiohttp.ClientSession = self._client.api_client.rest_client.pool_manager

    @property
    def timeout(self) -> float:
        """Seconds that a control call may take."""
        return self._timeout

    @property
    def speaker(self) -> Speaker:
        """Words errors about this InfluxDB, without its token."""
        return self._speaker

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        right: str = "",
        timeout: float | None = None,
        authorized: bool = True,
    ) -> Reply:
        """Send one request and read the whole answer, whatever its status.

        ``right`` names what the call needs (``write:tasks``), for the error if it is lacking. Raises Unavailable when
        there is no answer in time; the server may have carried the request out all the same.
        """
        data = None if body is None else self._encoded(body)
        if self._read_only and method != "GET" and (method, path) not in READING_POSTS:
            raise self._refusal(method, path)
        async with self._sent(method, path, params, data, _JSON, timeout, authorized) as response:
            content = await self._read(response)
            return Reply(method, path, right, response.status, response.headers, content)

    async def send(
        self,
        method: str,
        path: str,
        data: bytes,
        *,
        params: Mapping[str, str],
        right: str = "",
        timeout: float | None = None,
    ) -> Reply:
        """Send plain text. A client that only reads refuses."""
        if self._read_only:
            raise self._refusal(method, path)
        async with self._sent(method, path, params, data, _TEXT, timeout, True) as response:
            return Reply(method, path, right, response.status, response.headers, await self._read(response))

    async def stream(
        self,
        path: str,
        take: Callable[[bytes], None],
        *,
        params: Mapping[str, str],
        body: Mapping[str, Any],
        right: str = "",
        timeout: float | None = None,
        writes: bool = True,
        answered: Callable[[], None] | None = None,
        end: Callable[[], None] | None = None,
    ) -> Reply:
        """POST a request and hand a successful answer, of any length, to ``take`` block by block and then call ``end``; for long
        ones in a thread, so that the event loop goes on. ``answered`` is called before, in the event loop, as soon as the
        server has nothing left to do. What ``take`` and ``end`` raise ends the call. The reply that is returned holds the
        content of an answer with another status only. A client that only reads refuses, unless the caller vouches with
        ``writes=False``.
        """
        if self._read_only and writes:
            raise self._refusal("POST", path)
        async with self._sent("POST", path, params, self._encoded(body), _JSON, timeout, True) as response:
            if not 200 <= response.status < 300:
                return Reply("POST", path, right, response.status, response.headers, await self._read(response))
            held: list[bytes] = []
            size = total = 0
            async for chunk in response.content.iter_any():
                held.append(chunk)
                size += len(chunk)
                total += len(chunk)
                if size >= _CHUNK:
                    await asyncio.to_thread(take, b"".join(held))
                    held, size = [], 0
            if not total:  # an answer without rows is an empty line (measured)
                raise Unavailable(self._speaker.say(EMPTY))
            if answered is not None:
                answered()

            def rest() -> None:
                take(b"".join(held))
                if end is not None:
                    end()

            if total <= INLINE:
                rest()
            else:
                if answered is not None:
                    await asyncio.sleep(HEAD_START)
                await asyncio.to_thread(rest)
            return Reply("POST", path, right, response.status, response.headers, b"")

    async def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        right: str = "",
        timeout: float | None = None,
    ) -> Any:
        """Send one request and return its decoded JSON (None for an empty answer). Raises the errors of the tree."""
        reply = await self.request(method, path, params=params, body=body, right=right, timeout=timeout)
        return self.json(reply)

    def json(self, reply: Reply) -> Any:
        """The decoded JSON of an answer; raises the error that the answer means."""
        raise_for(reply, self._speaker)
        return json_of(reply, self._speaker)

    async def done(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        right: str = "",
    ) -> None:
        """Send a request that InfluxDB answers with 204 and no content; any other success is not one of InfluxDB."""
        require_done(await self.request(method, path, params=params, body=body, right=right), self._speaker)

    async def close(self) -> None:
        """Close the session and its connections."""
        await self._client.close()  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def _sent(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        data: bytes | None,
        content_type: str,
        timeout: float | None,
        authorized: bool,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer's head, with the deadline over all that is done with it."""
        headers = {"Accept": _ACCEPT, **(self._authorization if authorized else {})}
        if data is not None:
            headers["Content-Type"] = content_type
        seconds = self._timeout if timeout is None else timeout
        await self._pace()
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    method,
                    self._url(path, params),
                    data=data,
                    headers=headers,
                    allow_redirects=False,
                    server_hostname=self._server_name,
                ) as response,
            ):
                yield response
        except TimeoutError as error:
            raise TimedOut(self._speaker.say(f"no answer within {seconds:g} s ({method} {path})")) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unavailable(self._speaker.say(_reason(error))) from error

    def _encoded(self, body: Mapping[str, Any]) -> bytes:
        try:
            return json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise Invalid(self._speaker.say("a text to be sent is not valid Unicode (a lone surrogate)")) from error

    def _refusal(self, method: str, path: str) -> Invalid:
        return Invalid(self._speaker.say(f"{method} {path} could write, and this client only reads"))

    def _url(self, path: str, params: Mapping[str, str] | None) -> URL:
        # quote() and not quote_plus(): Go refuses raw semicolons, and every server reads %20.
        query = f"?{urlencode(params, quote_via=quote, safe='')}" if params else ""
        return URL(f"{self._base}{path}{query}", encoded=True)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        size = 0
        limit = MAX_BYTES if 200 <= response.status < 300 else MAX_ERROR_BYTES
        async for chunk in response.content.iter_chunked(_CHUNK):
            size += len(chunk)
            if size > limit:
                raise Unavailable(self._speaker.say(f"the answer is longer than {limit >> 20} MiB"))
            chunks.append(chunk)
        return b"".join(chunks)


def segment(text: str) -> str:
    """One part of a path, such as an id: whatever it holds, it leads nowhere else. Raises Invalid for what names a folder."""
    if not text.strip("."):
        raise Invalid(f"{text!r} is no id of InfluxDB")
    return quote(text, safe="")


def _base_url(text: str) -> URL:
    try:
        url = URL(text.strip().rstrip("/"))
    except ValueError as error:
        raise Invalid("spec.url: not a URL; write for example https://influxdb.example:8086") from error
    if url.scheme not in {"http", "https"} or not url.host or url.user or url.password or url.query or url.fragment:
        raise Invalid(
            "spec.url: write scheme, host and port alone, for example https://influxdb.example:8086 "
            "(no user, password, query or fragment)"
        )
    return url


def _clean_token(token: str) -> str:
    stripped = token.strip()  # Secrets made with echo or an editor end with a newline
    if not stripped or not all("!" <= char <= "~" for char in stripped):
        raise Unauthorized("the token in the Secret is empty or holds characters that no InfluxDB token has")
    return stripped


def _reason(error: Exception) -> str:
    """Why there was no answer, in words that help."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its TLS certificate is not trusted: {error.certificate_error}; see spec.tls.caSecretRef and serverName"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"TLS failed: {error}; is it https, and are spec.tls and the URL right?"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host name cannot be resolved; see spec.url"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"cannot connect: {error.strerror or error}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the connection was closed before the answer came"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the answer was cut off"
    if isinstance(error, aiohttp.ClientResponseError):
        return "it does not speak HTTP as InfluxDB does; see spec.url"
    return f"{type(error).__name__}: {error}"
