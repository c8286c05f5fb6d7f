"""Locks on files that the kernel releases when their holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self


class FileLock:
    """An exclusive lock on one file, held until :meth:`release` or the end of this process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """The lock, or None while another holds it. The file is made when needed and never removed here."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def release(self) -> None:
        """Let go; twice is fine."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock on this file."""
    if not path.exists():
        return False
    lock = FileLock.take(path)
    if lock is None:
        return True
    lock.release()
    return False


@contextmanager
def waiting_for(path: Path, while_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock for the block; call ``while_waiting`` about twice a second until it is free."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while (lock := FileLock.take(path)) is None:
        while_waiting()
        time.sleep(0.5)
    try:
        yield
    finally:
        lock.release()
