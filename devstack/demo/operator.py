"""The demo's operator: a process of its own that outlives the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from devstack.errors import DevstackError
from devstack.paths import tail
from devstack.state import Place, State

STOP_SECONDS = 25.0


def log_of(place: Place) -> Path:
    """Where the operator's log lines go."""
    return place.directory / "logs" / "influxops.log"


def start(place: Place, state: State) -> None:
    """Start it, unless it runs. Raises DevstackError when it ends at once."""
    if _pid(place) is not None:
        return
    environment = {**os.environ, "KUBECONFIG": state.kubeconfig}
    command = [
        str(Path(sys.executable).parent / "influxops"),
        "operator",
        "--log-format",
        "json",
        "--probe-address",
        "127.0.0.1:0",
    ]
    log_of(place).parent.mkdir(parents=True, exist_ok=True)
    with log_of(place).open("ab") as log:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _pid_file(place).write_text(str(process.pid))
    time.sleep(0.5)
    if process.poll() is not None:
        raise DevstackError(f"influxops ended at once:\n{tail(log_of(place), 20)}")


def stop(place: Place) -> bool:
    """End it as Kubernetes would: SIGTERM, and SIGKILL when that is not enough. False when none ran."""
    pid = _pid(place)
    _pid_file(place).unlink(missing_ok=True)
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_operator(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += STOP_SECONDS
        time.sleep(0.1)
    return True


def _pid_file(place: Place) -> Path:
    return place.directory / "logs" / "influxops.pid"


def _pid(place: Place) -> int | None:
    try:
        pid = int(_pid_file(place).read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_operator(pid) else None


def _is_operator(pid: int) -> bool:
    """Whether this process is ours: pids are given again."""
    try:
        process = Path(f"/proc/{pid}")
        zombie = (process / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not zombie and b"influxops" in (process / "cmdline").read_bytes()
    except OSError:
        return False
