"""The operator as users run it: the process ``influxops operator``, its log, its probes and its metrics."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from devstack.process import LIFELINE
from tests.support.expect import PATIENCE, eventually

PROGRAM = Path(sys.executable).with_name("influxops")
STARTED = "influxops starts"
UNEXPECTED = ("Traceback (most recent call last)", "please report this")
"""What a log never holds unless the operator has a bug."""
_TOKEN = re.compile(r"[\w-]{86}==")
"""Every token that InfluxDB makes, whichever it is."""


def faults_in(lines: Iterable[str]) -> list[str]:
    """Of a log the lines that tell of a bug, and how many there are that hold a token; those are not repeated."""
    told, leaks = [], 0
    for line in lines:
        if _TOKEN.search(line):
            leaks += 1
        elif any(word in line for word in UNEXPECTED):
            told.append(line[:3000])
    return [*told, *([f"SECRET: {leaks} lines hold a token"] if leaks else [])]


SOON = ("--status-interval", "1")
"""A test waits for what a status says, be it routine."""


class OperatorProcess:
    """A running operator that dies with the test run. Use it with ``with``, or ``stop`` it."""

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str) -> None:
        """Start it; ``arguments`` follow ``influxops operator``. The log is JSON."""
        self.log = log
        self._address: tuple[str, int] | None = None
        fixed = ("--log-format", "json", "--probe-address", "127.0.0.1:0", "--kubeconfig", str(kubeconfig), *SOON)
        launch = (sys.executable, "-I", "-S", str(LIFELINE), str(os.getpid()), str(PROGRAM), "operator")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXOPS_")}
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [*launch, *fixed, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=clean,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self, seconds: float = 30.0) -> int:
        """SIGTERM, and wait for its end; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def text(self) -> str:
        """The whole log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def lines(self, **fields: Any) -> list[dict[str, Any]]:
        """The lines of the log in which these fields have these values. A line that is no JSON is an error."""
        text = self.text()
        whole = text[: text.rfind("\n") + 1].splitlines()
        return [line for line in map(json.loads, whole) if fields.items() <= line.items()]

    def tail(self, count: int = 25, word: str = "") -> str:
        """The end of the log, or of those lines that have a word in them."""
        return "\n".join([line[:1500] for line in self.text().splitlines() if word in line][-count:])

    def leads(self, seconds: float = 60.0) -> None:
        """Wait until it leads."""
        what = "the operator leads"
        eventually(
            what, lambda: self._metric_or_zero("influxops_leader"), lambda n: n == 1.0, seconds=seconds, story=self.tail
        )

    def get(self, path: str) -> tuple[int, str]:
        """The status and the body of ``/healthz``, ``/readyz`` or ``/metrics``."""
        connection = http.client.HTTPConnection(*self.address(), timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def address(self) -> tuple[str, int]:
        """Where the probes are; waits until the log has told."""
        if self._address is None:
            lines = eventually("the probes listen", self._starts, seconds=120, story=self.tail)
            host, _, port = lines[0]["probes"].rpartition(":")
            self._address = host, int(port)
        return self._address

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of a metric that have these labels; 0 when there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            head, _, value = line.rpartition(" ")
            if head.partition("{")[0] == name and all(f'{key}="{text}"' in head for key, text in labels.items()):
                total += float(value)
        return total

    def _starts(self) -> list[dict[str, Any]]:
        assert self.process.poll() is None, f"the operator has ended with {self.process.returncode}\n{self.tail()}"
        return self.lines(msg=STARTED)

    def _metric_or_zero(self, name: str) -> float:
        try:
            return self.metric(name)
        except OSError:
            return 0.0
