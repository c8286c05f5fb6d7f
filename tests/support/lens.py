"""What an operator sees of the cluster through its watches: all of it, until a fault is put in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.support.faults import Fault, Reply, Rule, Stage
from tests.support.history import KUBE, Exchange, Tampering
from tests.support.proxy import FaultProxy, Watch
from tests.support.watch_faults import LASTING, Event, How, WatchFault, refused, too_old

APART = 0.15
"""Seconds between two events that are told again: kopf takes of those that come closer only the last."""


class Lens:
    """The ``proxy.WatchView`` of one operator. It remembers every event, so that it can tell them again."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.seen: list[Event] = []
        """Every event about an object that the server sent, whatever became of it."""
        self._proxy = proxy
        self._fault: WatchFault | None = None
        self._count = 0
        self._kept: list[tuple[Event, Watch]] = []
        self._silent: set[Watch] = set()
        self._watches: dict[str, Watch] = {}
        proxy.view = self

    def arm(self, fault: WatchFault) -> None:
        """Let a fault strike from now on."""
        self._fault, self._count = fault, 0

    async def release(self) -> None:
        """Tell what was kept back, and nothing but the truth from now on."""
        kept, self._kept, self._fault = self._kept, [], None
        for event, watch in kept:
            await self._current(event, watch).send(event.line)

    async def replay(self, kind: str, name: str, fault: str = "replayed") -> int:
        """Tell again everything that was told of an object before the last event; how many events that were."""
        events = [event for event in self.seen if (event.kind, event.name) == (kind, name)][:-1]
        for event in events:
            self._note(event, fault)
            await self._watches[plural(kind)].send(event.line)
            await asyncio.sleep(APART)
        return len(events)

    def watched(self, kind: str, since: int) -> bool:
        """Whether a watch of a kind has begun after that many exchanges."""
        watch = self._watches.get(plural(kind))
        return watch is not None and watch.exchange.number >= since

    # The view

    def opened(self, watch: Watch) -> None:
        """A watch has begun."""
        self._watches[watch.exchange.path.rpartition("/")[2]] = watch

    async def line(self, watch: Watch, line: bytes) -> None:
        """A line has come."""
        event = Event.of(line)
        if event.name:
            self.seen.append(event)
        if watch in self._silent:
            return
        fault = self._fault
        if fault is not None and fault.means(event):
            self._count += 1
        if fault is None or not fault.means(event) or self._count < fault.at:
            await watch.send(line)
            return
        if fault.how not in LASTING:
            self._fault = None
        self._note(event, fault.how)
        await self._strike(fault, event, watch)

    async def _strike(self, fault: WatchFault, event: Event, watch: Watch) -> None:
        half = event.line[: len(event.line) // 2]
        match fault.how:
            case How.HIDDEN | How.SKIPPED:
                pass
            case How.DELAYED:
                self._kept.append((event, watch))
            case How.REPLAYED:
                await watch.send(event.line)
                await self.replay(event.kind, event.name)
            case How.TRUNCATED:
                await watch.send(half)
                await watch.end()
            case How.BROKEN:
                await watch.send(half)
                watch.abort()
            case How.SILENT:
                self._silent.add(watch)
            case How.GONE:
                await watch.send(too_old())
                await watch.end()
            case How.EXPIRED:
                reply = Reply(410, refused())
                self._proxy.add(Rule(_watch_of(event.kind), Fault(fault.how, Stage.BEFORE, reply=reply)))
                watch.abort()
            case How.REBORN:
                raise AssertionError("a new life is begun by the plan, not by an event")

    def _current(self, event: Event, watch: Watch) -> Watch:
        return self._watches.get(plural(event.kind), watch)

    def _note(self, event: Event, fault: str) -> None:
        history = self._proxy.history
        told = (event.kind, event.name, event.type, event.uid, event.version)
        history.tampered.append(Tampering(fault, *told, len(history.exchanges)))


def plural(kind: str) -> str:
    """As the API's paths name it."""
    return "retentionpolicies" if kind == "RetentionPolicy" else f"{kind.lower()}s"


def _watch_of(kind: str) -> Callable[[Exchange], bool]:
    return lambda exchange: exchange.server == KUBE and _is_watch(exchange, kind)


def _is_watch(exchange: Exchange, kind: str) -> bool:
    return exchange.path.endswith(f"/{plural(kind)}") and "watch=" in exchange.query
