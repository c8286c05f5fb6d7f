"""Start and end stacks in the background: what ``devstack up`` and ``down`` do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from devstack.binaries import ensure
from devstack.errors import DevstackError, ServerFailed
from devstack.locks import waiting_for
from devstack.paths import tail
from devstack.process import START_SECONDS
from devstack.progress import Progress, elapsed
from devstack.stack import remove_data
from devstack.state import Place, State

END_SECONDS = 20.0


def up(name: str, progress: Progress) -> State:
    """Start the stack of this name and return when all is ready; a stack that is up is left as it is.

    Raises DevstackError: a program cannot be built, or a server does not start.
    """
    place = Place.of(name)
    ensure(progress)
    with waiting_for(place.command_lock, lambda: progress.tick(f"waiting for another command on stack {name}")):
        if place.running() and place.state.exists():
            return place.load()
        _end(place)
        shutil.rmtree(place.directory / "logs", ignore_errors=True)  # of the last stack of this name
        place.supervisor_log.parent.mkdir(parents=True)
        with place.supervisor_log.open("ab") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "devstack.supervisor", name],
                cwd=Path(__file__).parents[1],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait_ready(place, supervisor, progress)
        finally:
            progress.clear()
        return place.load()


def down(name: str, progress: Progress) -> bool:
    """End the stack of this name and remove its data; its logs stay until the next ``up``. False when none was up."""
    place = Place.of(name)
    with waiting_for(place.command_lock, lambda: progress.tick(f"waiting for another command on stack {name}")):
        return _end(place)


def _wait_ready(place: Place, supervisor: subprocess.Popen[bytes], progress: Progress) -> None:
    begin = time.monotonic()
    while not place.state.exists():
        if supervisor.poll() is not None:
            raise ServerFailed(
                f"Stack {place.name} did not start. {place.supervisor_log}:\n{tail(place.supervisor_log, 40)}"
            )
        waited = time.monotonic() - begin
        if waited > 3 * START_SECONDS:
            _end(place)
            raise ServerFailed(
                f"Stack {place.name} was not ready after {elapsed(waited)}: see the logs in "
                f"{place.supervisor_log.parent}."
            )
        progress.tick(f"starting the servers of stack {place.name}: {elapsed(waited)}")
        time.sleep(0.1)


def _end(place: Place) -> bool:
    """End the supervisor, if there is one, and remove the data."""
    running = place.running()
    deadline = time.monotonic() + END_SECONDS
    number = signal.SIGTERM
    while place.running():
        pid = _supervisor_pid(place)
        if pid is not None:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        if time.monotonic() > deadline + END_SECONDS:
            raise DevstackError(f"The supervisor of stack {place.name} (pid {pid}) does not end: end it with kill -9.")
        if time.monotonic() > deadline:
            number = signal.SIGKILL  # the servers go with it
        time.sleep(0.1)
    remove_data(place.directory)
    return running


def _supervisor_pid(place: Place) -> int | None:
    """The pid in the lock file; None when that process is no supervisor (not yet written, or of a killed one)."""
    try:
        pid = int(place.lock.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"devstack.supervisor" in command else None
