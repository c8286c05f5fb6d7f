"""What InfluxDB has, as frozen values: the only form in which the rest of influxops sees the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from sys import intern

from influxops.core.marker import Marker, read_description, read_script, sha256


class TaskStatus(StrEnum):
    """The two states the server knows. An inactive task neither runs by schedule nor by hand."""

    ACTIVE = "active"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class Task:
    """One native task as the API shows it, with its script byte for byte."""

    id: str
    org_id: str
    owner_id: str
    name: str
    status: TaskStatus
    description: str
    flux: str
    every: str
    cron: str
    offset: str
    created_at: datetime
    updated_at: datetime
    """When it was last changed (or created); slots up to here are never called late."""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task in a snapshot: the script is kept as its sha256, so that 10,000 of them stay small."""

    id: str
    owner_id: str
    name: str
    status: TaskStatus
    description: str
    digest: str
    marker: Marker | None
    intact: bool
    """True when the marker's sha256 fits the rest of the script, so nobody edited it since it was written."""
    updated_at: datetime
    every: str
    cron: str
    offset: str

    fingerprint: int = field(default=0, compare=False, repr=False)
    """Of the task that it was made of, in this process: a cheap way to know the same task again."""

    @classmethod
    def of(cls, task: Task, known: TaskRecord | None = None) -> TaskRecord:
        """Reduce a task to what a comparison needs; ``known`` itself when it was made of an equal task.

        Of 10,000 tasks nearly all are as they were at the last sweep, and 64 bits of a keyed hash (SipHash) tell that
        in a tenth of the time that parsing the marker and hashing the script twice takes.
        """
        fingerprint = hash(
            (
                task.flux,
                task.name,
                task.status,
                task.description,
                task.updated_at,
                task.every,
                task.cron,
                task.offset,
                task.owner_id,
            )
        )
        if known is not None and known.fingerprint == fingerprint and known.id == task.id:
            return known
        marker, body = read_script(task.flux)
        intact = marker is not None and marker.body_sha256 == sha256(body)
        return cls(
            task.id,
            intern(task.owner_id),
            task.name,
            task.status,
            task.description,
            sha256(task.flux),
            marker,
            intact,
            task.updated_at,
            intern(task.every),
            intern(task.cron),
            intern(task.offset),
            fingerprint,
        )


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket. ``retention`` and ``shard_group`` are seconds; retention 0 keeps data for ever."""

    id: str
    org_id: str
    name: str
    type: str
    """``user`` or ``system``; system buckets (``_tasks``, ``_monitoring``) belong to the server."""
    description: str
    retention: int
    shard_group: int

    @property
    def marker(self) -> Marker | None:
        """The owner's mark at the end of the description, if there is one."""
        return read_description(self.description)[0]


class RunState(StrEnum):
    """States of a run as InfluxDB names them."""

    SCHEDULED = "scheduled"
    STARTED = "started"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


UNFINISHED = frozenset({RunState.SCHEDULED, RunState.STARTED})
"""States of a run that is not over."""
FINISHED = frozenset(RunState) - UNFINISHED
RUNS_KEPT = timedelta(days=3)
"""What InfluxDB remembers of runs: the retention of its ``_tasks`` bucket (influxdb 2.7)."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task. All times are UTC; ``error`` is the cause from the run's log, never the script."""

    id: str
    task_id: str
    state: RunState
    scheduled_for: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str = ""
    requested_at: datetime | None = None
    """When somebody asked for it; None for a run of the schedule, and where that was not asked for."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a run's log; never the script."""

    time: str
    """As the server wrote it, to the nanosecond."""
    message: str


@dataclass(frozen=True, slots=True)
class User:
    """The InfluxDB user behind a token. Tasks run with all the rights of this user, whatever the token may do."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class PointCount:
    """How many points lie in a range of a bucket. ``points`` is None when the count was not done in time."""

    points: int | None
    oldest: datetime | None
    newest: datetime | None
