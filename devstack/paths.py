"""Where devstack keeps things. Nothing is ever written to the checkout.

Built servers are worth keeping (minutes to build): the user's cache folder. Running stacks are not: the
temporary folder, readable by this user only, because data and tokens lie there.
"""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from devstack.errors import DevstackError

SERVERS = Path(__file__).parent / "servers"
"""The Go modules that pin the servers, one folder a module."""


def cache_directory() -> Path:
    """The folder of built servers: ``INFLUXOPS_CACHE``, else ``influxops`` in the user's cache folder."""
    own = os.environ.get("INFLUXOPS_CACHE")
    if own:
        return Path(own).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache").absolute() / "influxops"


def stacks_directory() -> Path:
    """The folder of this user's stacks, made when needed.

    Raises DevstackError when the folder is somebody else's: the temporary folder is open to everybody.
    """
    base = Path(tempfile.gettempdir()) / f"influxops-devstack-{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise DevstackError(f"{base} is not a folder of yours: remove it, or set TMPDIR to another folder.")
    base.chmod(0o700)
    return base


def tail(path: Path, lines: int = 20) -> str:
    """The last lines of a text file, or an empty string when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
