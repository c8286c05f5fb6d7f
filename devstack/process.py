"""One server process: started, waited for, paused, killed, started again. It never outlives this Python process."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path

from devstack.errors import ServerFailed
from devstack.paths import tail

START_SECONDS = 120.0
"""Far beyond what a server takes (0.3 to 5 s), for a machine that is busy with something else."""
STOP_SECONDS = 10.0
LIFELINE = Path(__file__).with_name("lifeline.py")


class Server:
    """A program with a log file, a port and a way to see that it is ready."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: Path,
        log: Path,
        port: int,
        health: str,
        ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``directory`` is the working folder, ``health`` a URL for people; ``ready`` is asked until it says yes.

        ``environment`` is added to what servers inherit.
        """
        self.name = name
        self.port = port
        self.health = health
        self.log = log
        self._command = tuple(command)
        self._directory = directory
        self._ready = ready
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def alive(self) -> bool:
        """Whether the process exists. A paused process is alive."""
        return self.pid is not None

    def start(self) -> None:
        """Start it and wait until it is ready; nothing happens when it runs already. Raises ServerFailed."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it without waiting."""
        if self.alive:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._process = _SPAWNER.call(self._spawn)

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Wait until it is ready. Raises ServerFailed, with the end of the log, when it ends or takes too long."""
        deadline = time.monotonic() + timeout
        while not self._ready():
            code = self._process.poll() if self._process is not None else None
            if self._process is None or code is not None:
                raise ServerFailed(f"{self.name} ended with exit code {code} before it was ready. {self._log_end()}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerFailed(f"{self.name} was not ready after {timeout:.0f} s. {self._log_end()}")
            time.sleep(0.03)

    def healthy(self) -> bool:
        """Whether it runs and answers now."""
        return self.alive and self._ready()

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """End it: SIGTERM, and SIGKILL when it has not ended in time. A paused process is woken first."""
        self.terminate()
        self.reap(timeout)

    def terminate(self) -> None:
        """Ask it to end, without waiting."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)

    def reap(self, timeout: float = STOP_SECONDS) -> None:
        """Wait until it has ended; SIGKILL after ``timeout`` seconds."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def restart(self) -> None:
        """Stop and start on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing, like a hanging machine. Returns when it has stopped."""
        self.signal(signal.SIGSTOP)
        if self.pid is not None:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT: the end of a pause."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", str(LIFELINE), str(os.getpid()), *self._command],
                cwd=self._directory,
                env=server_environment(os.environ) | self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we end the servers in order
            )

    def _log_end(self) -> str:
        return f"The end of {self.log}:\n{tail(self.log)}"


def server_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that servers inherit: none that would configure them behind our back."""
    foreign = ("ETCD_", "INFLUX_", "INFLUXD_", "KUBE", "PYTHON")
    return {name: value for name, value in environ.items() if not name.startswith(foreign)}


class _Spawner:
    """A thread that starts the processes and never ends: the parent-death signal is tied to the starting thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = 0
        self._work: queue.SimpleQueue[tuple[Callable[[], subprocess.Popen[bytes]], Future[subprocess.Popen[bytes]]]]

    def call(self, function: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        """Call the function in the thread, which is started when needed, also again after a fork."""
        with self._lock:
            if self._owner != os.getpid():
                self._owner = os.getpid()
                self._work = queue.SimpleQueue()
                threading.Thread(target=self._run, name="devstack-spawner", daemon=True).start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((function, future))
        return future.result()

    def _run(self) -> None:
        while True:
            function, future = self._work.get()
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 (handed to the caller)
                future.set_exception(error)


_SPAWNER = _Spawner()
