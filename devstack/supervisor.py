"""The parent of a background stack: ``python -m devstack.supervisor NAME``, started by ``devstack up``.

Starts the servers, writes state.json, starts again a server that has ended, and ends all of them on SIGTERM. If it
is killed, the kernel ends them (devstack.lifeline).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from devstack.errors import DevstackError
from devstack.locks import FileLock
from devstack.stack import Stack
from devstack.state import Place, describe

WATCH_SECONDS = 1.0


def main(name: str) -> int:
    """Run until SIGTERM or SIGINT; 1 when the stack does not start."""
    place = Place.of(name)
    lock = FileLock.take(place.lock)
    if lock is None:
        _say(f"stack {name} has a supervisor already")
        return 1
    place.lock.write_text(str(os.getpid()))  # whom `down` signals
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    try:
        stack = Stack.start(place.directory)
    except DevstackError as error:
        _say(str(error))
        return 1
    with stack:
        describe(name, os.getpid(), stack).write(place.state)
        _say("all servers are ready")
        while not ended.wait(WATCH_SECONDS):
            if _revive(stack):
                describe(name, os.getpid(), stack).write(place.state)
        _say("ending")
    return 0


def _revive(stack: Stack) -> bool:
    """Start what has ended, with the same port and data; whether there was anything."""
    dead = [server for server in stack.servers if not server.alive]
    for server in dead:
        _say(f"{server.name} has ended: starting it again")
        try:
            server.start()
        except DevstackError as error:
            _say(str(error))
    return bool(dead)


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
