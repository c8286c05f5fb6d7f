"""What one visit to an object came to: the only three answers a reconcile gives.

Only ``engine/`` turns an outcome into a requeue, and only ``core.conditions`` turns it into conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why an object is in its state; the same word stands in conditions, events, logs and metrics."""

    SYNCED = "Synced"
    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"
    DRIFTED = "Drifted"
    PLAN_PENDING = "PlanPending"
    ADOPTED = "Adopted"
    MARKER_LOST = "MarkerLost"
    COPIED_MARKER = "CopiedMarker"
    DATA_LOSS_GUARD = "DataLossGuard"
    ALREADY_EXISTS = "AlreadyExists"
    CONFLICT = "Conflict"
    TARGET_CHANGED = "TargetChanged"
    OWNER_MISMATCH = "OwnerMismatch"
    CONNECTION_NOT_READY = "ConnectionNotReady"
    NOT_ALLOWED = "NotAllowed"
    UNAUTHORIZED = "Unauthorized"
    RATE_LIMITED = "RateLimited"
    INVALID_SCRIPT = "InvalidScript"
    INVALID_SPEC = "InvalidSpec"
    SUSPENDED = "Suspended"
    DEPENDENCY_NOT_READY = "DependencyNotReady"
    RUN_FAILING = "RunFailing"
    LATE = "Late"
    LATE_DATA = "LateData"
    TOO_LATE = "TooLate"
    CIRCUIT_OPEN = "CircuitOpen"
    CIRCUIT_CLOSED = "CircuitClosed"
    GIVEN_UP = "GivenUp"
    SOURCE_EXPIRED = "SourceExpired"
    CHECK_FAILED = "CheckFailed"
    SUCCEEDED = "Succeeded"
    RUNNING = "Running"
    REFUSED = "Refused"
    FAILED = "Failed"
    RETRYING = "Retrying"
    CATCHING_UP = "CatchingUp"
    SLOTS_MISSED = "SlotsMissed"
    ORPHANED_TASK = "OrphanedTask"
    CONFIRM_DELETE = "ConfirmDelete"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class Done:
    """The world is as the spec wants it. ``after``: seconds until a visit is due again; None: only when it changes."""

    reason: Reason = Reason.SYNCED
    message: str = ""
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Something outside has to happen first.

    ``after``: seconds until the next look; None leaves it to the queue's own backoff. ``again`` asks for the next step
    of a change at once. ``parked`` asks for no visit at all before the connection is back. ``quiet`` leaves the status
    alone: nothing is known yet that a reader should be told.
    """

    reason: Reason
    message: str
    after: float | None = None
    again: bool = False
    parked: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Stalled:
    """A human has to change something first; no retry by time helps. ``after``: a slow re-check all the same."""

    reason: Reason
    message: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """The object is being deleted and nothing of it is left to do: the finalizer is off."""


Outcome = Done | Wait | Stalled | Gone
