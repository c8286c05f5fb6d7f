"""The plan: what has to be done to InfluxDB, as data that can be printed before anything is touched."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from influxops.core.observed import TaskStatus


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs. For scripts ``old`` and ``new`` are digests, not texts."""

    field: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.field}: {self.old!r} -> {self.new!r}"


@dataclass(frozen=True, slots=True)
class CreateTask:
    """Create the task, active. A suspended one that does not exist yet is never created: the server would run it."""


@dataclass(frozen=True, slots=True)
class UpdateTask:
    """Change the task in place with one PATCH.

    ``park``: only make it inactive, because its schedule changes; a changed schedule on an active task makes the server
    fire every slot since the last one at once (measured on 2.7.12). The next step sends the rest. A task that is adopted
    gets all but its status at once: from the first request on it bears our mark.
    """

    task_id: str
    changes: tuple[Change, ...]
    status: TaskStatus
    send_flux: bool
    send_description: bool
    park: bool = False
    marker_lost: bool = False
    adopt: bool = False
    """True when the task was nobody's until now."""


@dataclass(frozen=True, slots=True)
class DeleteTask:
    """Delete a task: our own double, or ours when its resource is deleted."""

    task_id: str
    why: str
    replaced_by: str = ""
    """Id of the task that has taken its place, if one has."""
    leftover: bool = False
    """True for a task of ours that was to replace another one and does not run: no consent is needed to tidy up."""


class Step(StrEnum):
    """The steps of putting a new task in an old one's place, in order; deleting the old one follows."""

    CREATE = "create"
    """Create the new one, active, with a schedule that never comes: what is created inactive runs all the same."""
    FILL = "fill"
    """Give it the script, and make it inactive."""
    RETIRE = "retire"
    """Make the old one inactive: it has run for the last time."""
    ACTIVATE = "activate"
    """Let the new one run."""


@dataclass(frozen=True, slots=True)
class RecreateTask:
    """Put a new task of the token's user in the place of one that may belong to another."""

    task_id: str
    """Of the old one."""
    step: Step
    new_id: str = ""
    owner: str = ""
    """Id of the InfluxDB user whose rights the old one has."""
    user: str = ""
    """Id of the InfluxDB user whose rights the new one will have; empty when it is not known."""


@dataclass(frozen=True, slots=True)
class CreateBucket:
    """Create the bucket with the settings wanted."""


@dataclass(frozen=True, slots=True)
class UpdateBucket:
    """Set description, retention and shard group of the bucket in one request."""

    bucket_id: str
    changes: tuple[Change, ...]


Action = CreateTask | UpdateTask | DeleteTask | RecreateTask | CreateBucket | UpdateBucket


@dataclass(frozen=True, slots=True)
class Refusal:
    """The plan cannot be made: what stands in the way, as a reason and a sentence for the user."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Actions in order, of which one step does the first; and what a user should know besides."""

    actions: tuple[Action, ...] = ()
    refusal: Refusal | None = None
    warnings: tuple[Refusal, ...] = ()
    task_id: str = ""
    """The id of the object that is ours, when there is one."""
