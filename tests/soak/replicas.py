"""The operators of a soak as processes: started, ended, paused, and looked at from outside."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import aiohttp
import psutil

from bench.prometheus import Scrape
from tests.soak.site import INSTANCE, NAMESPACE, REPLICAS, Site
from tests.support.operator import OperatorProcess

SAMPLE_EVERY = 5.0
"""Seconds."""
FIGURES = ("memory", "descriptors", "sockets", "threads", "tasks")
"""What is sampled: MiB of the process and its children, and counts of the process; tasks are those of asyncio."""
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process. ``at``: monotonic seconds."""

    at: float
    leads: bool
    values: tuple[float, ...]
    """As in ``FIGURES``."""


@dataclass
class Life:
    """One process of a replica, from its start to its end."""

    replica: str
    number: int
    process: OperatorProcess
    began: float
    ended: float | None = None
    wanted_end: bool = False
    """Whether a fault has ended it, or the soak itself."""
    status: int | None = None
    paused: bool = False
    samples: list[Sample] = field(default_factory=list)
    last: Scrape | None = None
    """Its metrics as they were seen last."""
    _address: str = ""

    @property
    def name(self) -> str:
        """Such as ``a2``."""
        return f"{self.replica}{self.number}"

    @property
    def alive(self) -> bool:
        """Whether it runs; also when it is paused."""
        return self.process.process.poll() is None

    def leads(self) -> bool:
        """Whether it did when it was seen last."""
        return self.last is not None and self.last.total("influxops_leader") == 1

    def address(self) -> str:
        """Where its probes are; empty until its log tells."""
        if not self._address:
            found = re.search(r'"probes": ?"([^"]+)"', _head(self.process.log))
            self._address = found[1] if found else ""
        return self._address


class Replicas:
    """Both of them, and all their lives."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.lives: list[Life] = []
        self.current: dict[str, Life] = {}
        self.problems: list[str] = []
        self._ended = False

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3.0))
        for name in REPLICAS:
            self.start(name)
        self._watching = [asyncio.create_task(self._sample(name)) for name in REPLICAS]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ended = True
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        for life in self.current.values():
            life.wanted_end = True
            life.process.kill()
        await self._session.close()

    def start(self, name: str) -> Life:
        """A new life of a replica."""
        number = 1 + sum(life.replica == name for life in self.lives)
        log = self._site.directory / f"operator-{name}{number}.log"
        options = ["--namespaces", NAMESPACE, "--instance-id", INSTANCE, "--lease-namespace", NAMESPACE]
        life = Life(name, number, OperatorProcess(self._site.kubeconfigs[name], log, *options), time.monotonic())
        self.current[name] = life
        self.lives.append(life)
        return life

    async def end(self, life: Life, number: signal.Signals) -> None:
        """Send a signal that ends it, wait for the end."""
        life.wanted_end = True
        if life.alive:
            os.kill(life.process.process.pid, signal.SIGCONT)
            os.kill(life.process.process.pid, number)
        await asyncio.to_thread(life.process.process.wait)
        self._note_end(life)

    def pause(self, life: Life, *, paused: bool) -> None:
        """SIGSTOP or SIGCONT."""
        life.paused = paused
        if life.alive:
            os.kill(life.process.process.pid, signal.SIGSTOP if paused else signal.SIGCONT)

    async def leader(self) -> str:
        """The replica that leads, as far as can be told; one of those that run when none does."""
        for name, life in self.current.items():
            if life.alive and not life.paused and (await self._scrape(life)) and life.leads():
                return name
        running = [name for name, life in self.current.items() if life.alive]
        return running[0] if running else REPLICAS[0]

    def other(self, name: str) -> str:
        """The replica beside one."""
        return next(one for one in REPLICAS if one != name)

    def total(self, metric: str, **labels: str) -> float:
        """A counter over all lives, as it was seen last in each."""
        return sum(life.last.total(metric, **labels) for life in self.lives if life.last is not None)

    async def _sample(self, name: str) -> None:
        while True:
            life = self.current[name]
            if not life.alive and not life.wanted_end:
                self._note_end(life)
                self.problems.append(
                    f"ENDED: replica {life.name} ended by itself with {life.status}\n{life.process.tail(15)}"
                )
                self.start(name)
            elif life.alive and not life.paused and await self._scrape(life):
                self._look(life)
            await asyncio.sleep(SAMPLE_EVERY)

    def _look(self, life: Life) -> None:
        try:
            process = psutil.Process(life.process.process.pid)
            family = [process, *process.children(recursive=True)]
            memory = sum(one.memory_info().rss for one in family) / MIB
            descriptors = _descriptors(process.pid)
            threads = process.num_threads()
        except (psutil.NoSuchProcess, FileNotFoundError):
            return
        assert life.last is not None
        tasks = life.last.total("influxops_asyncio_tasks")
        sockets = sum(one.startswith("socket:") for one in descriptors)
        values = (memory, float(len(descriptors)), float(sockets), float(threads), tasks)
        life.samples.append(Sample(time.monotonic(), life.leads(), values))

    async def _scrape(self, life: Life) -> bool:
        address = life.address()
        if not address:
            return False
        try:
            async with self._session.get(f"http://{address}/metrics") as answer:
                life.last = Scrape(await answer.text())
                return True
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _note_end(self, life: Life) -> None:
        life.status = life.process.process.poll()
        life.ended = time.monotonic()


def _descriptors(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(path.readlink()))
        except FileNotFoundError:
            continue  # closed meanwhile
    return found


def _head(log: Path, count: int = 20_000) -> str:
    try:
        with log.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(count)
    except FileNotFoundError:
        return ""
