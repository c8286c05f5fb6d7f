"""The processes that are measured: the operator as users start it, and the bare loop."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import ProxyHandler, build_opener

import psutil

from bench.prometheus import Scrape
from bench.site import Site
from devstack.endpoint import Endpoint
from devstack.process import Server
from devstack.stack import Stack

SAMPLE_EVERY = 0.2
"""Seconds between two looks at the memory of the operator."""
MIB = 1 << 20


class Operator:
    """``influxops operator`` with its defaults, and what the kernel and its ``/metrics`` say of it."""

    def __init__(self, stack: Stack, log: Path) -> None:
        port = stack.ports.take()
        url = f"http://127.0.0.1:{port}"
        program = shlex.split(os.environ.get("BENCH_OPERATOR", "")) or [
            str(Path(sys.executable).with_name("influxops"))
        ]
        options = [f"--kubeconfig={stack.kubeconfig}", "--log-format=json", f"--probe-address=127.0.0.1:{port}"]
        endpoint = Endpoint(url)
        self._url = url
        self._server = Server(
            "influxops",
            [*program, "operator", *options],
            directory=Path.cwd(),
            log=log,
            port=port,
            health=f"{url}/healthz",
            ready=lambda: endpoint.status("/healthz") == 200,
        )
        self.log = log
        self.peak = 0
        self.memory: list[tuple[float, float]] = []
        """Monotonic seconds and MiB, as looked at."""
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self.started = time.monotonic()
        self._server.launch()
        self._process = psutil.Process(self._server.pid)
        self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.stop()

    def scrape(self) -> Scrape:
        """Its metrics; empty while it does not answer yet."""
        if not self._server.alive:
            raise RuntimeError(f"the operator has ended; see {self.log}")
        return Scrape(text(f"{self._url}/metrics"))

    def wait(self, condition: Callable[[Scrape], bool], timeout: float, every: float = 0.2) -> float:
        """Wait until its metrics meet the condition; the monotonic time at which they did."""
        return self.reach(lambda scrape: float(condition(scrape)), 1.0, timeout, every)

    def reach(self, measure: Callable[[Scrape], float], wanted: float, timeout: float, every: float = 0.2) -> float:
        """Wait until something counted has grown to a number; the monotonic time of it.

        A scrape costs the operator some milliseconds. So while the end is far off it is asked seldom: not before a
        third of the time that is left at the speed so far, but each second.
        """
        began = time.monotonic()
        while (count := measure(self.scrape())) < wanted:
            now = time.monotonic()
            if now - began > timeout:
                raise TimeoutError(f"{count:g} of {wanted:g} reached in {timeout:.0f} s; see {self.log}")
            left = (now - began) * (wanted - count) / count if count else 0.0
            time.sleep(min(1.0, max(every, left / 3)))
        return time.monotonic()

    def cpu(self) -> float:
        """Seconds of processor time so far, its children included."""
        return sum(_seconds(process) for process in self._family())

    def rss(self) -> int:
        """Bytes of memory now, its children included."""
        return sum(_rss(process) for process in self._family())

    def _family(self) -> list[psutil.Process]:
        try:
            return [self._process, *self._process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_EVERY):
            now = self.rss()
            self.peak = max(self.peak, now)
            self.memory.append((time.monotonic(), now / MIB))


@dataclass(frozen=True, slots=True)
class Bare:
    """What the bare loop came to; ``seconds`` from the start of its process."""

    seconds: float
    result: dict[str, Any]


def bare(site: Site, work: str, **job: Any) -> Bare:
    """Run one job of the bare loop to its end."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "bench.bare"],
        input=json.dumps({"site": site.to_json(), "work": work, **job}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Bare(time.monotonic() - started, json.loads(done.stdout))


def text(url: str) -> str:
    """The body of a GET on loopback; empty when there is no answer."""
    try:
        with _DIRECT.open(url, timeout=10.0) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


_DIRECT = build_opener(ProxyHandler({}))


def _seconds(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
