"""What can go wrong between influxops and InfluxDB, as one tree.

::

    InfluxError
    ├── Unavailable          no connection, timeout, 5xx without meaning, HTML, cut JSON: try again later
    │   └── RateLimited      429; ``retry_after`` seconds when the server said so
    ├── Unauthorized         401: the token is wrong, expired or revoked
    ├── Forbidden            403 (and 401 that names a right): the token lacks ``right``
    ├── NotFound             404
    ├── ScriptFailed         a script that was run ended with an error of its own, refused or half done
    ├── Conflict             409, and 422 "already exists"
    └── Invalid              400 and 422: the request can never work as it is
        └── ScriptInvalid    the Flux text is wrong; ``line`` and ``column`` count from 1 in the text as sent

Messages are one line, at most 400 characters, and never hold a token or a whole response body.
"""

from __future__ import annotations


class InfluxError(Exception):
    """The root. ``str(error)`` is one sentence for a user."""


class Unavailable(InfluxError):
    """The server did not answer, or not sensibly. The request may have been carried out all the same."""


class RateLimited(Unavailable):
    """The server asks to slow down."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unauthorized(InfluxError):
    """The token is not (or no longer) valid."""


class Forbidden(InfluxError):
    """The token is valid and lacks a right, such as ``write:tasks``; ``right`` is empty when nobody says which."""

    def __init__(self, message: str, right: str = "") -> None:
        super().__init__(message)
        self.right = right


class NotFound(InfluxError):
    """The object does not exist."""


class ScriptFailed(InfluxError):
    """The server is there and works; the script that it was to run is refused or ended with an error. It may have
    written a part. The message holds the cause and never the script.
    """


class Conflict(InfluxError):
    """Another object has the name already."""


class Invalid(InfluxError):
    """The server refuses the request; trying again does not help."""


class ScriptInvalid(Invalid):
    """The Flux text is wrong at a place."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
