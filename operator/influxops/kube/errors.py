"""What can go wrong between the operator and the API of Kubernetes.

::

    KubeError                 anything the API answered with an error
    ├── NotFound              404: no such object, or no such kind (CRD not installed)
    ├── Conflict              409, or a failed test of a JSON patch: somebody changed the object meanwhile
    │   ├── AlreadyExists     409 on a create
    │   └── Replaced          another object, with another uid, has the name now
    ├── Unauthorized          401: the credentials are not valid (any more)
    ├── Forbidden             403: RBAC does not allow it; the message names verb and resource
    ├── Unprocessable         422: the object breaks its schema
    ├── Gone                  410: the resource version or the page token is too old
    └── Unavailable           429, 5xx, no connection, no answer in time; a write may have happened
    NotLeader                 no request was sent: the lease is not surely ours
    MissingReference          a Secret, a ConfigMap or a key in it that a spec names is not there
"""

from __future__ import annotations

from typing import Any


class KubeError(Exception):
    """An answer of the API that is not the wanted one.

    Args:
        message: what the API said, with the request it said it to.
        status: the HTTP status; 0 when no answer came.
        reason: the ``reason`` of the API's Status object, for example ``AlreadyExists``.

    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFound(KubeError):
    """404."""


class Conflict(KubeError):
    """409, or a stale ``resourceVersion``: read again and decide again."""


class AlreadyExists(Conflict):
    """409 on a create."""


class Replaced(Conflict):
    """The object was deleted and made anew: what is known of the old one must not be written to the new one."""


class Unauthorized(KubeError):
    """401."""


class Forbidden(KubeError):
    """403."""


class Unprocessable(KubeError):
    """422."""


class Gone(KubeError):
    """410."""


class Unavailable(KubeError):
    """The API did not answer, or asked to come again later. ``retry_after``: seconds it asked for, if any."""

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class NotLeader(Exception):
    """Nothing may be written by us: the lease is lost, or was not renewed in time."""


class MissingReference(Exception):
    """What a spec refers to is not there, or not usable. The message never holds a value, only names.

    Args:
        kind: ``Secret`` or ``ConfigMap``.
        key: the key within it; empty when the object itself is meant.
        message: a sentence for the user.

    """

    def __init__(self, kind: str, namespace: str, name: str, key: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.key = key
        self.message = message


_BY_STATUS: dict[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Unprocessable,
}

_BAD_PATCH = ("failed to create typed ", "failed to create manager for existing fields", "failed to convert ")
"""How the API answers a server-side apply when what is sent, or what is stored, breaks the schema: with 500, though no retry
will help.
"""


def from_answer(request: str, status: int, body: Any, retry_after: str | None = None) -> KubeError:
    """The error that an answer stands for.

    Args:
        request: method and path, for the message.
        status: the HTTP status, 400 or more.
        body: the decoded Status object, or anything else.
        retry_after: the header ``Retry-After``, in seconds.

    """
    details: dict[str, Any] = {}
    said, reason = "", ""
    if isinstance(body, dict):
        said, reason = str(body.get("message") or ""), str(body.get("reason") or "")
        details = body.get("details") if isinstance(body.get("details"), dict) else {}  # type: ignore[assignment]
    message = f"{request}: {status} {said}".rstrip()
    if status == 500 and said.startswith(_BAD_PATCH):
        return Unprocessable(message, status=status, reason=reason)
    if status == 429 or status >= 500:
        wanted = retry_after or details.get("retryAfterSeconds")
        return Unavailable(message, status=status, reason=reason, retry_after=_seconds(wanted))
    kind = AlreadyExists if reason == "AlreadyExists" else _BY_STATUS.get(status, KubeError)
    return kind(message, status=status, reason=reason)


def _seconds(value: object) -> float | None:
    try:
        return max(0.0, float(str(value))) if value is not None else None
    except ValueError:
        return None
