"""Free ports on loopback that stay ours.

A port found with bind(0) may be taken, as the source port of any connection, before the server binds it or while
the server restarts. So ports come from below the kernel's ephemeral range (32768 and up on Linux) and below the
NodePort range (30000), and a lock file for each keeps parallel stacks apart as long as this process lives.
"""

from __future__ import annotations

import random
import socket

from devstack.errors import DevstackError
from devstack.locks import FileLock
from devstack.paths import stacks_directory

LOOPBACK = "127.0.0.1"
FIRST, LAST = 20000, 29999


class Ports:
    """Ports for one stack, kept until :meth:`release`."""

    def __init__(self) -> None:
        self._locks: list[FileLock] = []

    def take(self) -> int:
        """A free port. Raises DevstackError when none is left."""
        folder = stacks_directory() / "ports"
        folder.mkdir(exist_ok=True)
        for port in random.SystemRandom().sample(range(FIRST, LAST + 1), k=500):
            lock = FileLock.take(folder / f"{port}.lock")
            if lock is None:
                continue
            if is_free(port):
                self._locks.append(lock)
                return port
            lock.release()
        raise DevstackError(f"No free port from {FIRST} to {LAST} on {LOOPBACK}: end the programs that hold them.")

    def release(self) -> None:
        """Give all ports back."""
        while self._locks:
            self._locks.pop().release()


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of loopback now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
