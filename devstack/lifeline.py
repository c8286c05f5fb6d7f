"""Run a program that dies with its parent: ``lifeline.py PARENT_PID program argument...``.

Sets the parent-death signal and becomes the program, which keeps it. As a program of its own it needs no code
between fork and exec, which is unsafe in a process with threads. The signal comes when the *thread* ends that
started this process, so start it from a thread that lives as long as its process (devstack.process does).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Never returns: becomes the program, or ends."""
    parent, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the parent has ended before its server began")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
