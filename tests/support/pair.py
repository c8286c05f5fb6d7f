"""Two operators in one world, or three, each with a proxy of its own before the API server; InfluxDB's proxy knows whose requests it sees."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path

from devstack.kubeconfig import write_kubeconfig
from devstack.stack import Stack
from influxops.kube.lease_state import Timing
from tests.support.faults import Fault, Rule, Stage
from tests.support.history import KUBE, Exchange
from tests.support.leadership import SHORT, Claim, arguments, claims
from tests.support.nursery import Operator
from tests.support.peers import process_of
from tests.support.proxy import FaultProxy
from tests.support.until import until
from tests.support.world import World

FIRST, SECOND, THIRD = "first", "second", "third"


class Loss(StrEnum):
    """How a leader loses its lease."""

    HELD = "renewals are held"
    """Every other request passes."""
    HANGS = "the API hangs"
    RESET = "the API is cut off"
    STOPPED = "the process stands still"
    KILLED = "the process is killed"
    ENDED = "the process is told to end"


@dataclass
class Pair:
    """The first leads, the others stand by."""

    made: World
    timing: Timing
    operators: dict[str, Operator]
    doors: dict[str, FaultProxy]
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    later: asyncio.Event = field(default_factory=asyncio.Event)
    """For what a test holds up: it is let go of in the end."""
    lost: float = 0.0
    """When the leader began to lose its lease."""
    leader: str = FIRST

    def lose(self, how: Loss, who: str = FIRST) -> None:
        """Let who leads lose its lease."""
        self.lost = time.monotonic()
        door, process = self.doors[who], self.operators[who]
        match how:
            case Loss.HELD:
                held = Fault("held", Stage.BEFORE, hold=self.gate)
                door.add(Rule(lambda one: "/leases" in one.path, held, times=None))
            case Loss.HANGS:
                door.open.clear()
            case Loss.RESET:
                door.down = True
            case Loss.STOPPED:
                _until_it_sleeps(process.pid)
                os.kill(process.pid, signal.SIGSTOP)
            case Loss.KILLED:
                process.kill()
            case Loss.ENDED:
                process.terminate()

    def heal(self, how: Loss) -> None:
        """Let the first see what has become of it."""
        door = self.doors[FIRST]
        self.gate.set()
        door.down = False
        door.open.set()
        if how is Loss.STOPPED:
            os.kill(self.operators[FIRST].pid, signal.SIGCONT)

    async def taken_over(self, seconds: float = 60.0) -> float:
        """Wait until another leads; seconds since the former leader began to lose its lease."""
        former, found = self.leader, list[Claim]()

        def leads() -> bool:
            found[:] = [
                one for one in claims(self.made.history.exchanges) if one.who != former and one.answered > self.lost
            ]
            return bool(found)

        await until(leads, seconds)
        self.leader = found[0].who
        self.made.operator = self.operators[self.leader]
        return found[0].answered - self.lost

    def faults_in_logs(self) -> list[str]:
        """Lines of both logs that tell of a bug."""
        found, kept = [], self.made.operator
        for one in self.operators.values():
            self.made.operator = one
            found += self.made.faults_in_log()
        self.made.operator = kept
        return found


def _until_it_sleeps(pid: int) -> None:
    """Wait until a process has sent what it has begun. One that is stopped between its look at the lease and the sending
    sends once it goes on, lease or not: no client can help that, and what such a write does tests/fault/test_late_writes.py
    shows. The proxies are held up meanwhile, so there will be nothing for it to do.
    """
    limit = time.monotonic() + 10.0
    before: list[tuple[str, ...]] = []
    while (now := _threads(pid)) != before or any(state != "S" for _, state, *_ in now):
        assert time.monotonic() < limit, f"it is never at rest: {now}"
        before = now


def _threads(pid: int) -> list[tuple[str, ...]]:
    """Id, state (S: it sleeps) and number of switches of each thread: one that waits for another to let it go on sleeps as well."""
    found = []
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        lines = dict(
            line.split(":\t", 1) for line in status.read_text("ascii", "replace").splitlines() if ":\t" in line
        )
        switches = (lines["voluntary_ctxt_switches"], lines["nonvoluntary_ctxt_switches"])
        found.append((lines["Pid"], lines["State"][0], *switches))
    return sorted(found)


def by(who: str, write_id: str) -> Callable[[Exchange], bool]:
    """Accepts a write of one of them, by its id or the beginning of it."""
    return lambda one: one.who == who and one.write_id.startswith(write_id)


@asynccontextmanager
async def pair(
    made: World, stack: Stack, *, timing: Timing = SHORT, lead: bool = True, standbys: Sequence[str] = (SECOND,)
) -> AsyncIterator[Pair]:
    """Start them in a fresh world. Without ``lead`` all believe that they lead, from the first."""
    history = made.history
    pids: dict[str, int] = {}
    made.influx.who = lambda port: process_of(port, made.influx.port, pids)
    made.kube.who = lambda _: FIRST
    made.leases = lead
    made.arguments = arguments(timing) if lead else []
    async with AsyncExitStack() as doors:
        first = made.start()
        pids[FIRST] = first.pid
        if lead:
            await until(lambda: any(one.who == FIRST for one in claims(history.exchanges)), 60.0)
        both = Pair(made, timing, {FIRST: first}, {FIRST: made.kube})
        directory = made.directory
        for name in standbys:
            door = await doors.enter_async_context(FaultProxy(KUBE, stack.kube.host, history, ca_pem=stack.kube.ca))
            door.who = partial(_always, name)
            both.doors[name] = door
            both.operators[name] = await _stand_by(made, stack, door, directory / name)
            pids[name] = both.operators[name].pid
        made.operator = first
        try:
            yield both
        finally:
            both.later.set()
            both.heal(Loss.STOPPED if first.running else Loss.HELD)
            for one in both.operators.values():
                one.end()


def _always(name: str, _: int) -> str:
    return name


async def _stand_by(made: World, stack: Stack, door: FaultProxy, directory: Path) -> Operator:
    """Start one that asks the API server through a proxy of its own, and wait until it knows all objects."""
    made.directory = directory
    made.directory.mkdir()
    (made.directory / "operator.log").touch()
    made.kubeconfig = write_kubeconfig(directory / "kubeconfig", door.url, stack.kube.ca, stack.kube.token)
    started = made.start()
    await until(lambda: "first lists are complete" in started.tail(400), 60.0)
    return started
