"""What can go wrong in devstack, as one tree.

::

    DevstackError          one sentence for the user: what, where, why and what to do; exit code 1, no traceback
    ├── MissingTool        a compiler is not installed or too old
    ├── BuildFailed        a compiler ended with an error; the message has the end of its output and the log's path
    └── ServerFailed       a server did not start, or ended too early; the message has the end of its log
"""

from __future__ import annotations


class DevstackError(Exception):
    """The root. ``str(error)`` is written for the user."""


class MissingTool(DevstackError):
    """A tool that building needs is not there, or too old."""


class BuildFailed(DevstackError):
    """A server could not be built."""


class ServerFailed(DevstackError):
    """A server did not become ready."""
