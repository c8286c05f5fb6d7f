"""The parser of a real InfluxDB: its syntax trees, its type checker, its buckets. Nothing is written or run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from influxops.core.lint.flow import Node
from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, ScriptInvalid
from influxops.influx.settings import ConnectionSettings
from influxops.validate.parser import FluxFault, NoParser

T = TypeVar("T")
_AT_ONCE = 16


class ServerParser:
    """An InfluxDB at an address, seen with a token."""

    def __init__(self, url: str, org: str, token: str) -> None:
        self.name = f"Checked by the InfluxDB at {url}."
        self._url, self._org = url, org
        self._port = InfluxClient(ConnectionSettings(url, token, read_only=True))
        self._org_id = ""

    async def trees(self, scripts: Sequence[str]) -> list[Node | list[FluxFault]]:
        """The tree of each script's one file, or what is wrong with its syntax."""

        async def one(script: str) -> Node | list[FluxFault]:
            try:
                files = (await self._port.ast(script)).get("files") or [{}]
            except ScriptInvalid as error:
                return [_fault(error)]
            return files[0]  # type: ignore[no-any-return]

        return await self._all(scripts, one)

    async def check(self, scripts: Sequence[str]) -> list[list[FluxFault]]:
        """What the type checker finds in each whole script: the server tells its first fault only."""
        await self._connect()

        async def one(script: str) -> list[FluxFault]:
            try:
                await self._port.check_script(self._org_id, script)
            except ScriptInvalid as error:
                return [_fault(error)]
            return []

        return await self._all(scripts, one)

    async def retention(self) -> dict[str, int]:
        """Seconds that each bucket of the organization keeps its points; 0 for ever. Raises NoParser."""
        await self._connect()
        try:
            return {bucket.name: bucket.retention for bucket in await self._port.list_buckets(self._org_id)}
        except InfluxError as error:
            raise NoParser(f"scripts are not checked: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._port.close()

    async def _connect(self) -> None:
        if self._org_id:
            return
        try:
            found = await self._port.org_id(self._org)
        except InfluxError as error:
            raise NoParser(f"scripts are not checked: {error}") from error
        if found is None:
            raise NoParser(
                f"scripts are not checked: {self._url} has no organization {self._org!r}, or the token may not see it: "
                "correct --org or INFLUX_TOKEN"
            )
        self._org_id = found

    async def _all(self, scripts: Sequence[str], work: Callable[[str], Awaitable[T]]) -> list[T | list[FluxFault]]:
        """Ask for each. Where one makes the server fail, that is said of it; where all do, it is the server."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(script: str) -> T | InfluxError:
            async with gate:
                try:
                    return await work(script)
                except InfluxError as error:
                    return error

        answers = await asyncio.gather(*(one(script) for script in scripts))
        errors = [answer for answer in answers if isinstance(answer, InfluxError)]
        if errors and len(errors) == len(scripts):
            raise NoParser(f"scripts are not checked: {errors[0]}")
        return [[FluxFault(0, 0, f"not checked: {one}")] if isinstance(one, InfluxError) else one for one in answers]


def _fault(error: ScriptInvalid) -> FluxFault:
    return FluxFault(error.line or 0, error.column or 0, str(error))
