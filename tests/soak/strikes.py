"""How each fault is done, and undone."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import aiohttp

from devstack.process import Server
from tests.soak.replicas import Replicas
from tests.soak.schedule import HANDOVERS, Kind, Strike
from tests.soak.site import Site
from tests.soak.windows import Span
from tests.support.faults import CUT, HTML, LOST, REDIRECT, RESET, Fault, Rule, answers, slow
from tests.support.history import Exchange
from tests.support.proxy import FaultProxy

T = TypeVar("T")

SLOW = 0.7
"""Seconds that a slow server takes longer."""


@dataclass
class Struck:
    """A fault that was done. Times are monotonic seconds."""

    strike: Strike
    target: str
    began: float
    ended: float = 0.0
    requests: int = 0
    """How many requests, or watches, it has hit."""


class Striker:
    """Does one fault after the other; long ones overlap."""

    def __init__(self, site: Site, replicas: Replicas) -> None:
        self.struck: list[Struck] = []
        self.problems: list[str] = []
        self._site = site
        self._replicas = replicas
        self._busy = {name: asyncio.Lock() for name in site.kubes}
        """Held while a replica is ended or paused."""

    async def storm(self, strikes: Sequence[Strike], say: Callable[[str], None]) -> None:
        """Strike at the times of the schedule; returns when the last fault is over and all is whole again."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for strike in strikes:
                await asyncio.sleep(max(0.0, began + strike.at - time.monotonic()))
                say(f"fault: {strike.kind} ({strike.seconds:g} s)")
                group.create_task(self._strike(strike))

    def handovers(self) -> list[Span]:
        """When faults were under way after which another may lead."""
        return [(one.began, one.ended) for one in self.struck if one.strike.kind in HANDOVERS]

    async def _strike(self, strike: Strike) -> None:
        struck = Struck(strike, "", time.monotonic())
        self.struck.append(struck)
        try:
            await _DOES[strike.kind](self, strike, struck)
        except Exception as error:  # noqa: BLE001 - the others go on, and the run fails
            self.problems.append(f"HARNESS: {strike.kind} failed: {type(error).__name__}: {error}")
        struck.ended = time.monotonic()

    # operators

    async def _end(self, who: str, number: signal.Signals, strike: Strike, struck: Struck) -> None:
        async with self._replica(who, struck) as name:
            life = self._replicas.current[name]
            await self._replicas.end(life, number)
            if number is signal.SIGTERM and life.status != 0:
                self.problems.append(f"ENDED: replica {life.name} ended with {life.status} after SIGTERM")
            await asyncio.sleep(strike.seconds)
            self._replicas.start(name)

    async def _pause(self, who: str, strike: Strike, struck: Struck) -> None:
        async with self._replica(who, struck) as name:
            life = self._replicas.current[name]
            self._replicas.pause(life, paused=True)
            await asyncio.sleep(strike.seconds)
            self._replicas.pause(life, paused=False)

    async def _cut_off(self, strike: Strike, struck: Struck) -> None:
        name = struck.target = await self._replicas.leader()
        proxy = self._site.kubes[name]
        proxy.down = True
        await self._site.eyes[name].tear()
        await asyncio.sleep(strike.seconds)
        proxy.down = False

    @asynccontextmanager
    async def _replica(self, who: str, struck: Struck) -> AsyncIterator[str]:
        leader = await self._replicas.leader()
        name = struck.target = leader if who == "leader" else self._replicas.other(leader)
        async with self._busy[name]:
            yield name

    # servers

    async def _server(self, which: str, how: str, strike: Strike, struck: Struck) -> None:
        struck.target = which
        server: Server = self._site.stack.influx if which == "influxd" else self._site.stack.apiserver
        async with self._site.servers[which]:
            if how == "kill":
                await asyncio.to_thread(server.kill)
                await asyncio.sleep(strike.seconds)
                await asyncio.to_thread(server.start)
            else:
                await asyncio.to_thread(server.pause)
                await asyncio.sleep(strike.seconds)
                server.resume()

    # what passes the proxies

    async def _requests(
        self, proxies: Sequence[FaultProxy], fault: Fault, strike: Strike, struck: Struck, times: int | None
    ) -> None:
        """Strike the next requests, for some seconds at most."""
        struck.target = "+".join(proxy.name for proxy in proxies[:1])
        rules = [proxy.add(Rule(_any, fault, times=times)) for proxy in proxies]
        await asyncio.sleep(strike.seconds)
        for proxy, rule in zip(proxies, rules, strict=True):
            proxy.rules.remove(rule)
            struck.requests += len(rule.struck)

    async def _hang(self, strike: Strike, struck: Struck) -> None:
        struck.target = "influx"
        self._site.influx.open.clear()
        await asyncio.sleep(strike.seconds)
        self._site.influx.open.set()

    async def _watches(self, how: str, struck: Struck) -> None:
        for name, eyes in self._site.eyes.items():
            struck.target += name
            if how == "silence":
                struck.requests += eyes.silence()
            else:
                struck.requests += await (eyes.gone() if how == "gone" else eyes.tear())

    async def _rotate(self, strike: Strike, struck: Struck) -> None:
        """A new token into the Secret; the old one is revoked a little later."""
        struck.target = "secret"
        token_id, token = await _insist(self._site.new_token)
        await _insist(lambda: self._site.put_secret(token))
        await asyncio.sleep(strike.seconds)
        old, self._site.token_id = self._site.token_id, token_id
        await _insist(lambda: self._revoke(old))

    async def _revoke(self, token_id: str) -> None:
        try:
            await self._site.influxdb.call("DELETE", f"authorizations/{token_id}")
        except AssertionError as error:
            if ": 404 " not in str(error):  # it was revoked, and the answer was lost
                raise

    def influx(self) -> list[FaultProxy]:
        """The proxy before InfluxDB."""
        return [self._site.influx]

    def kubes(self) -> list[FaultProxy]:
        """Those before the apiserver."""
        return list(self._site.kubes.values())


async def _insist(call: Callable[[], Awaitable[T]]) -> T:
    """Ask until there is an answer: another fault may be under way."""
    while True:
        try:
            async with asyncio.timeout(30.0):
                return await call()
        except (aiohttp.ClientError, TimeoutError, OSError, AssertionError):
            await asyncio.sleep(0.5)


def _any(_: Exchange) -> bool:
    return True


def _influx(fault: Fault, *, lasting: bool = False) -> Callable[[Striker, Strike, Struck], Awaitable[None]]:
    return lambda self, strike, struck: self._requests(
        self.influx(), fault, strike, struck, None if lasting else strike.count
    )


def _kube(fault: Fault, *, lasting: bool = False) -> Callable[[Striker, Strike, Struck], Awaitable[None]]:
    return lambda self, strike, struck: self._requests(
        self.kubes(), fault, strike, struck, None if lasting else strike.count
    )


_DOES: dict[Kind, Callable[[Striker, Strike, Struck], Awaitable[None]]] = {
    Kind.KILL_LEADER: lambda self, strike, struck: self._end("leader", signal.SIGKILL, strike, struck),
    Kind.TERM_LEADER: lambda self, strike, struck: self._end("leader", signal.SIGTERM, strike, struck),
    Kind.KILL_STANDBY: lambda self, strike, struck: self._end("standby", signal.SIGKILL, strike, struck),
    Kind.PAUSE_LEADER: lambda self, strike, struck: self._pause("leader", strike, struck),
    Kind.PAUSE_STANDBY: lambda self, strike, struck: self._pause("standby", strike, struck),
    Kind.KILL_INFLUXD: lambda self, strike, struck: self._server("influxd", "kill", strike, struck),
    Kind.PAUSE_INFLUXD: lambda self, strike, struck: self._server("influxd", "pause", strike, struck),
    Kind.KILL_APISERVER: lambda self, strike, struck: self._server("apiserver", "kill", strike, struck),
    Kind.PAUSE_APISERVER: lambda self, strike, struck: self._server("apiserver", "pause", strike, struck),
    Kind.CUT_OFF_LEADER: lambda self, strike, struck: self._cut_off(strike, struck),
    Kind.INFLUX_RESETS: _influx(RESET),
    Kind.INFLUX_LOST: _influx(LOST),
    Kind.INFLUX_500: _influx(answers(500)),
    Kind.INFLUX_503: _influx(answers(503), lasting=True),
    Kind.INFLUX_429: _influx(answers(429, retry_after=2)),
    Kind.INFLUX_CUT: _influx(CUT),
    Kind.INFLUX_HTML: _influx(HTML),
    Kind.INFLUX_SLOW: _influx(slow(SLOW), lasting=True),
    Kind.INFLUX_HANGS: lambda self, strike, struck: self._hang(strike, struck),
    Kind.KUBE_RESETS: _kube(RESET),
    Kind.KUBE_LOST: _kube(LOST),
    Kind.KUBE_500: _kube(answers(500)),
    Kind.KUBE_503: _kube(answers(503), lasting=True),
    Kind.KUBE_429: _kube(answers(429, retry_after=1)),
    Kind.KUBE_CUT: _kube(CUT),
    Kind.KUBE_REDIRECT: _kube(REDIRECT),
    Kind.KUBE_SLOW: _kube(slow(SLOW), lasting=True),
    Kind.WATCHES_SILENT: lambda self, _, struck: self._watches("silence", struck),
    Kind.WATCHES_GONE: lambda self, _, struck: self._watches("gone", struck),
    Kind.WATCHES_BROKEN: lambda self, _, struck: self._watches("tear", struck),
    Kind.SECRET_ROTATED: lambda self, strike, struck: self._rotate(strike, struck),
}
