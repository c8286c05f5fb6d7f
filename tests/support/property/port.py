"""What the property machine asks of a world: the same steps run in one process on fakes and on real servers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

Object = dict[str, Any]
INSTANCE = "property"
"""The instance id of every operator of the machine."""
ORG = "acme"


class Server(StrEnum):
    """The two servers that the operator stands between."""

    INFLUX = "influx"
    KUBE = "kube"


class Moment(StrEnum):
    """Where a write is when something happens to it."""

    BEFORE = "before"
    """The server never sees it."""
    COMMITTED = "committed"
    """The server has carried it out, and nobody is told."""
    AFTER = "after"
    """The answer has arrived."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write that the operator has made and a server has carried out."""

    server: Server
    verb: str
    """``create``, ``update`` or ``delete``."""
    what: str
    """``task``, ``bucket``, or the path of an object in Kubernetes."""
    id: str
    """Of the task or bucket; the last part of the path in Kubernetes."""

    def __str__(self) -> str:
        return f"{self.server} {self.verb} {self.what} {self.id}"


class World(Protocol):
    """Both servers, seen from outside, and the operator between them. Nothing of a user passes the faults."""

    namespace: str
    org_id: str
    connection: Object
    """The spec of an InfluxConnection that leads to this world's organization."""
    tokens: tuple[str, str]
    """Two valid tokens."""
    look_every: str
    """How often a pipeline looks for late points."""

    # people

    def kubectl(self, method: str, path: str, body: Any = None, content: str = "application/json") -> tuple[int, Any]:
        """One request to the API server."""

    def tasks(self) -> list[Object]:
        """Every task in InfluxDB, as its API shows it."""

    def buckets(self) -> list[Object]:
        """Every bucket of users."""

    def new_task(self, flux: str, description: str = "") -> Object:
        """A task made by hand."""

    def edit_task(self, task_id: str, **fields: str) -> None:
        """Change ``flux``, ``description`` or ``status`` by hand; nothing happens when it is gone."""

    def delete_task(self, task_id: str) -> None:
        """Delete a task by hand; nothing happens when it is gone."""

    def new_bucket(self, name: str, seconds: int) -> Object:
        """A bucket made by hand, with one point in it when it is called kept."""

    def edit_bucket(self, bucket_id: str, seconds: int) -> None:
        """Change the retention by hand; nothing happens when it is gone."""

    def delete_bucket(self, bucket_id: str) -> None:
        """Delete a bucket by hand; nothing happens when it is gone."""

    def write_point(self, bucket: str, line: str) -> None:
        """Write line protocol, times in nanoseconds."""

    def points(self, bucket: str) -> list[tuple[datetime, float]]:
        """Times and values of the points of measurement ``env``."""

    # faults

    def start(self) -> None:
        """Start the operator for the first time."""

    def crash(self) -> None:
        """Kill -9 at once; a new process starts by itself."""

    def crash_at(self, skip: int, moment: Moment) -> None:
        """Kill -9 at a later write, after ``skip`` others."""

    def lose_answer(self, server: Server, skip: int) -> None:
        """The answer to a later write to this server gets lost, after ``skip`` others."""

    def outage(self, server: Server, *, down: bool) -> None:
        """Take a server away from the operator, or give it back."""

    def step_clock(self, seconds: float) -> None:
        """Change the operator's time of day."""

    def calm(self) -> None:
        """No fault waits any more, and both servers are there. The clock stays as it is."""

    # time

    def now(self) -> datetime:
        """What the servers' clocks show."""

    def operators_now(self) -> datetime:
        """What the operator's clock shows."""

    def breathe(self) -> None:
        """Give the operator a moment."""

    def wait(self, done: Callable[[], bool]) -> bool:
        """Give it time until something holds; False when it never came to that."""

    def sweeps(self) -> None:
        """Let several sweeps pass, and all that they bring."""

    # what was seen

    def writes(self) -> list[Write]:
        """Everything that the operator has written so far; leases and events apart."""

    def changed(self) -> int:
        """How many requests have changed something: those of ``writes``, and all that touched points, the ledger's too."""

    def bugs(self) -> list[str]:
        """What the operator has said of its own bugs."""

    def close(self) -> None:
        """Leave nothing behind."""
