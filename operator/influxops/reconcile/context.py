"""What a reconcile may use, as Protocols: it knows no kopf, no queue and no client library."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from weakref import WeakValueDictionary

from influxops.api.connection import InfluxConnectionSpec
from influxops.core.flux.memo import ScriptMemo
from influxops.core.keys import Key, Kind
from influxops.core.observed import User
from influxops.core.outcome import Reason
from influxops.core.record import Record
from influxops.core.scouts import Scouts
from influxops.core.snapshot import Snapshot
from influxops.influx.port import InfluxPort
from influxops.reconcile.configmaps import ConfigMaps
from influxops.reconcile.pipeline_state import NoRunner, PipelineRunner, PipelineState
from influxops.reconcile.since import Since
from influxops.reconcile.state import TaskState, ToldStatus

T = TypeVar("T")

POLL = 5.0
"""Seconds between looks for something missing, during the first ``POLL_FOR`` seconds."""
POLL_FOR = 300.0
LET_GO_AFTER = 300.0
"""Seconds after which an object that is being deleted and can never be cleaned up is let go."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a connection is not to be used now; ``stalled`` when only a human can mend it."""

    reason: Reason
    message: str
    stalled: bool = False
    found_org_id: str = ""
    """The organization that the connection leads to now, when it led to another before."""


class Link(Protocol):
    """One InfluxConnection at work."""

    key: Key
    spec: InfluxConnectionSpec
    generation: int
    org_id: str
    user: User | None
    snapshot: Snapshot
    """Empty before the first sweep; ``trust_snapshot`` tells."""
    problem: Problem | None
    parked: set[Key]
    refused: Scouts
    """Objects that lack a right."""
    recreating: Key | None
    """The task of this connection that is being replaced by a new one now."""
    awaiting_turn: set[Key]
    """Those that come after it."""
    scripts: ScriptMemo
    """The facts of users' scripts."""

    async def call(self, operation: str, request: Callable[[InfluxPort], Awaitable[T]], *, write: bool = False) -> T:
        """Send a request within the connection's limits; errors of ``influx.errors`` pass through."""

    def trust_snapshot(self) -> bool:
        """True when the snapshot was begun by this leader, and not before a suspension."""

    def look(self) -> None:
        """Have the organization read now, also while the connection is suspended."""

    def visited_by(self, key: Key) -> AbstractContextManager[None]:
        """While an object is worked that may write: a suspension waits for its end."""

    async def bucket_exists(self, name: str) -> bool:
        """Whether the bucket is there now; each distinct name is asked for once in a few seconds."""


class Kube(Protocol):
    """The writes and reads of Kubernetes that a reconcile needs."""

    async def set_finalizers(
        self, key: Key, uid: str, resource_version: str, finalizers: tuple[str, ...]
    ) -> Mapping[str, Any]: ...

    async def delete_object(self, key: Key, uid: str) -> None: ...

    async def exists(self, key: Key, uid: str, *, deleting: bool = False) -> bool: ...

    async def get_configmap(self, namespace: str, name: str) -> Mapping[str, Any] | None: ...

    async def namespace_labels(self, name: str) -> Mapping[str, str] | None: ...


class Objects(Protocol):
    """The cache of watched objects."""

    def get(self, key: Key) -> Record | None: ...

    def changed(self, key: Key) -> float: ...

    def upsert(self, record: Record) -> Any: ...

    def tasks_by_connection(self, connection: Key) -> frozenset[Key]: ...

    def policies_by_connection(self, connection: Key) -> frozenset[Key]: ...

    def pipelines_by_connection(self, connection: Key) -> frozenset[Key]: ...

    def referrers(self, key: Key, kind: Kind) -> frozenset[Key]: ...

    def policies_by_bucket(self, bucket: str) -> frozenset[Key]: ...


class Statuses(Protocol):
    """The status writer."""

    async def now(self, key: Key, uid: str, status: Mapping[str, Any]) -> bool: ...


class Renderer(Protocol):
    """Renders a template in a bounded process of its own."""

    async def render(self, source: str, values: Mapping[str, Any]) -> str: ...


class Recorder(Protocol):
    """Kubernetes events and log lines, one call an action."""

    def event(self, record: Record, reason: str, message: str, *, warning: bool = False) -> None: ...

    def action(self, key: Key, action: str, reason: str, **fields: Any) -> None: ...

    def drift(self, key: Key, *, corrected: bool) -> None: ...


@dataclass(slots=True)
class Context:
    """Everything a visit needs."""

    instance: str
    kube: Kube
    objects: Objects
    statuses: Statuses
    renderer: Renderer
    recorder: Recorder
    link: Callable[[Key], Link | None]
    links_of_org: Callable[[str], list[Key]]
    """Every connection that leads to the organization of this id."""
    now: Callable[[], datetime]
    clock: Callable[[], float]
    runner: PipelineRunner = field(default_factory=NoRunner)
    tasks: dict[Key, TaskState] = field(default_factory=dict)
    pipelines: dict[Key, PipelineState] = field(default_factory=dict)
    policies: dict[Key, ToldStatus] = field(default_factory=dict)
    losses: dict[tuple[str, int, str], str] = field(default_factory=dict)
    """What a shorter retention would delete, per bucket id, retention and day."""
    missing_since: Since = field(default_factory=Since)
    """Since when something that an object needs has been missing."""
    deleting_since: Since = field(default_factory=Since)
    configmaps: ConfigMaps = field(init=False)
    preview: bool = False
    """True for a visit that only shows a plan: nothing is written, also no next step of what is half done, and differences of
    scripts are whole, not cut to what fits into a status."""
    _taking: WeakValueDictionary[tuple[str, str], asyncio.Lock] = field(default_factory=WeakValueDictionary)

    def __post_init__(self) -> None:
        """Make what is made of the rest."""
        self.configmaps = ConfigMaps(self.kube.get_configmap, self.clock)

    def taking(self, org_id: str, task_id: str) -> asyncio.Lock:
        """To be held while a task that is nobody's is looked at and taken over, through whichever connection; gone with its last user."""
        return self._taking.setdefault((org_id, task_id), asyncio.Lock())
