"""What a fault proxy can do to a request, and which request it does it to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.history import Exchange


class Stage(StrEnum):
    """Where on its way a request is struck."""

    BEFORE = "before"
    """It never reaches the server."""
    COMMITTED = "committed"
    """The server has carried it out and answered; the answer does not reach the client."""
    AFTER = "after"
    """The answer has been sent on to the client."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the proxy makes up."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request at ``stage``: first the pause, then the kill, then the end of the exchange.

    Without ``reply`` the connection is reset, except at ``AFTER``, where the server's own answer has been sent.
    ``cut`` lets only that share of the server's answer through, under the length of the whole.
    """

    name: str
    stage: Stage
    kill: bool = False
    """Call the proxies' ``strike``: the crash tests kill the operator in it."""
    reply: Reply | None = None
    delay: float = 0.0
    """Seconds to wait at the stage."""
    hold: asyncio.Event | None = None
    """Wait at the stage until it is set."""
    cut: float | None = None


KILL_BEFORE = Fault("before", Stage.BEFORE, kill=True)
KILL_COMMITTED = Fault("committed", Stage.COMMITTED, kill=True)
KILL_AFTER = Fault("after", Stage.AFTER, kill=True)
LOST = Fault("lost", Stage.COMMITTED)
"""The server did it, and nobody is told; the operator lives on."""
RESET = Fault("reset", Stage.BEFORE)
"""The connection breaks before the server has seen the request; the operator lives on."""
CUT = Fault("cut", Stage.COMMITTED, cut=0.5)
"""Half of the answer, then the connection breaks."""

CRASHES = (KILL_BEFORE, KILL_COMMITTED, KILL_AFTER)


def answers(status: int, message: str = "made up by the fault proxy", retry_after: int | None = None) -> Fault:
    """The server's place is taken by an error that both InfluxDB and Kubernetes could give."""
    words = {
        400: "invalid",
        401: "unauthorized",
        403: "forbidden",
        404: "not found",
        409: "conflict",
        422: "unprocessable entity",
    }
    code = words.get(status, "too many requests" if status == 429 else "internal error")
    body = f'{{"code": "{code}", "message": "{message}", "kind": "Status", "status": "Failure", "reason": ""}}'
    headers = (("Retry-After", str(retry_after)),) if retry_after is not None else ()
    return Fault(f"http-{status}", Stage.BEFORE, reply=Reply(status, body.encode(), headers=headers))


HTML = Fault(
    "html", Stage.BEFORE, reply=Reply(200, b"<html><body>Please log in</body></html>", content_type="text/html")
)
"""A captive portal or a gateway's page, with a status that says all is well."""


REDIRECT = Fault("redirect", Stage.BEFORE, reply=Reply(302, b"", headers=(("Location", "/login"),)))
"""A gateway that sends everybody to its login, with nothing to read."""


def slow(seconds: float, stage: Stage = Stage.COMMITTED) -> Fault:
    """The answer comes late."""
    return Fault(f"slow-{seconds:g}s", Stage.AFTER if stage is Stage.AFTER else stage, delay=seconds)


@dataclass(slots=True)
class Rule:
    """Strikes requests that ``matches`` accepts: after the first ``skip`` of them, ``times`` in a row (None: for ever)."""

    matches: Callable[[Exchange], bool]
    fault: Fault
    skip: int = 0
    times: int | None = 1
    struck: list[Exchange] = field(default_factory=list)

    def take(self, exchange: Exchange) -> bool:
        """Whether this request is to be struck; counts it."""
        if self.times is not None and len(self.struck) >= self.times:
            return False
        if not self.matches(exchange):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.struck.append(exchange)
        return True


def write_named(name: str) -> Callable[[Exchange], bool]:
    """Accepts the write of this id, such as ``influx-post-task-alpha-1``."""
    return lambda exchange: exchange.write_id == name


def request_to(server: str, method: str, path: str) -> Callable[[Exchange], bool]:
    """Accepts requests to a server by method (empty: any) and a part of the path."""
    return lambda exchange: (
        exchange.server == server and (not method or exchange.method == method) and path in exchange.path
    )
