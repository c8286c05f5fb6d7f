"""Tell the user what takes long: one line that is refreshed on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

QUIET_SECONDS = 15.0
"""Between two lines where lines cannot be refreshed, as in the log of a CI job."""


def elapsed(seconds: float) -> str:
    """A duration as people read it: ``8 s``, ``1 min 05 s``."""
    whole = int(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


class Progress:
    """Writes progress to a text stream, standard error by default."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._refreshed = False
        self._last = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()
        self._last = time.monotonic()

    def tick(self, text: str) -> None:
        """The present state of something that goes on. Call it as often as you like."""
        now = time.monotonic()
        if self._stream.isatty():
            width = max(20, shutil.get_terminal_size().columns - 1)
            self.clear()
            self._stream.write(text[:width])
            self._stream.flush()
            self._refreshed = True
        elif now - self._last >= QUIET_SECONDS:
            self.say(text)

    def clear(self) -> None:
        """Take the refreshed line away."""
        if self._refreshed:
            self._stream.write("\r\x1b[K")
            self._refreshed = False
