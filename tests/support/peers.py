"""Whose connection it is: from the port of a client on this machine to its process. Linux only."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path


def process_of(port: int, server: int, processes: Mapping[str, int]) -> str:
    """The name, among these of pid by name, of the process that has a TCP connection from this local port to a server's; empty for any
    other.
    """
    wanted = f"socket:[{_inode(port, server)}]"
    for name, pid in processes.items():
        with contextlib.suppress(OSError):  # it has ended
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):  # closed meanwhile
                    if str(descriptor.readlink()) == wanted:
                        return name
    return ""


def _inode(port: int, server: int) -> str:
    """The inode of the socket that leads from port to port."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[2].endswith(f":{server:04X}"):
            return fields[9]
    return ""
