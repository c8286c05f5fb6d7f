"""Operators as real processes that start in a tenth of a second.

Crash tests start the operator hundreds of times, and most of a start is importing Python modules. So one process
imports them once, and forks for each start: the child runs ``influxops operator`` with its own environment and log file,
is killed with -9 like any other, and dies with the test run.

Run as a program, this file is that process. It reads one JSON command a line: ``{"run": {...}}`` answers the pid,
``{"wait": pid}`` answers the exit status.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Operator:
    """A running operator."""

    nursery: Nursery
    pid: int
    log: Path
    status: int | None = None
    """Exit status once it has ended; negative for a signal."""

    def kill(self) -> None:
        """Kill -9, at once."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """What the kubelet sends first."""
        os.kill(self.pid, signal.SIGTERM)

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.status is None and not _ended(self.pid)

    async def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end; the exit status. Raises TimeoutError."""
        if self.status is None:
            limit = time.monotonic() + seconds
            while not _ended(self.pid):
                if time.monotonic() > limit:
                    raise TimeoutError(f"the operator has not ended within {seconds:g} s")
                await asyncio.sleep(0.01)
            self.status = int(self.nursery.ask({"wait": self.pid}))
        return self.status

    def end(self) -> None:
        """Kill it and take its exit status, without an event loop."""
        if self.status is None:
            self.kill()
            self.status = int(self.nursery.ask({"wait": self.pid}))

    def tail(self, lines: int = 40) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Nursery:
    """The client's end: starts operators. Close it at the end of the session."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.nursery"],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'operator'}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask({"ready": True})

    def run(
        self, arguments: Sequence[str], env: Mapping[str, str], log: Path, *, sabotage: Sequence[str] = ()
    ) -> Operator:
        """Start ``influxops operator`` with these arguments. ``sabotage`` names functions to call in it first, ``module:name``."""
        command = {"arguments": list(arguments), "env": dict(env), "log": str(log), "sabotage": list(sabotage)}
        return Operator(self, int(self.ask({"run": command})), log)

    def ask(self, command: Mapping[str, Any]) -> Any:
        """Send a command and wait for its answer."""
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(command) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it; its operators die with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def _ended(pid: int) -> bool:
    """True for a zombie too: the nursery takes its status when it is asked to."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return True
    return stat.rpartition(")")[2].split()[0] in {"Z", "X"}


def _serve() -> None:
    die_with_parent()
    importlib.import_module("influxops.app")
    cli = importlib.import_module("influxops.cli.main")
    gc.collect()
    gc.freeze()
    commands, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in commands:
        command = json.loads(line)
        answer: Any = True
        if "run" in command:
            pid = os.fork()
            if pid == 0:
                _live(cli.main, command["run"])
            answer = pid
        elif "wait" in command:
            answer = os.waitstatus_to_exitcode(os.waitpid(command["wait"], 0)[1])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _live(main: Any, command: dict[str, Any]) -> None:
    die_with_parent()
    status = 1
    try:
        os.setpgid(0, 0)
        random.seed()
        log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.closerange(3, 256)
        os.environ.update(command["env"])
        sys.argv = ["influxops", "operator", *command["arguments"]]
        for name in command["sabotage"]:
            module, _, function = name.partition(":")
            getattr(importlib.import_module(module), function)()
        main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:  # noqa: BLE001 - the child must never return into the loop of the nursery
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    _serve()
