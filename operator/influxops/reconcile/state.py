"""What the operator keeps in memory of one InfluxTask between visits. All of it can be worked out anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from influxops.core.conditions import parse_rfc3339
from influxops.core.outcome import Outcome
from influxops.core.record import Record
from influxops.core.reruns import Policy
from influxops.core.runs import RunSummary, from_status
from influxops.core.slot_book import SlotBook


@dataclass(frozen=True, slots=True)
class ToldStatus:
    """The status that was told last of the RetentionPolicy of this uid; another one of its name begins without."""

    uid: str
    packed: bytes


@dataclass(slots=True)
class TaskState:
    """One task's memory. ``digest``, ``description`` and ``active`` are what the stored task must equal."""

    uid: str
    task_id: str = ""
    gone: bool = False
    """Whether the task of this id was not there at the last visit."""
    script_hash: str = ""
    """``sha256:…`` of the script that we last saw stored and right."""
    description: str = ""
    active: bool = True
    verified: tuple[int, int] | None = None
    """(generation of the task, of its connection) for which the stored task was found right."""
    checked: str = ""
    """Digest of the script that the server last found well typed."""
    schedule_text: str = ""
    late_after: int | None = None
    history_limit: int = 5
    runs: RunSummary = field(default_factory=RunSummary)
    next_run: str = ""
    late_slot: datetime | None = None
    """The slot that should have succeeded by now; worked out anew at each sweep."""
    outcome: Outcome | None = None
    generation: int = -1
    """Of the spec that ``outcome`` is of; the record may have a newer one that waits for its visit."""
    plan: dict[str, Any] | None = None
    """``status.plan``, while one waits."""
    held: Outcome | None = None
    """What was said of it; ``outcome`` may have become that of an outage since."""
    held_for: tuple[Any, ...] = ()
    """What it was made for, and the name in InfluxDB that is wanted."""
    held_name: str = ""
    packed_status: bytes = b""
    """The status as last written or seen."""
    unknown_since: float | None = None
    """Monotonic time of a write whose fate is unknown, until a look after it has told."""
    unknown_name: str = ""
    missing_bucket: str = ""
    waiting_since: float | None = None
    """Monotonic time since which something it refers to has been missing."""
    configmap: tuple[str, str, str] = ("", "", "")
    """(name, key, digest of the template text) that was rendered last."""
    recheck: bool = False
    """Something the script is made of has changed: the short way of finding it right is closed once."""
    handled_reconcile_at: str = ""
    drifted: bool = False
    retiring_since: float | None = None
    """Monotonic time since which a task that was replaced waits for the end of its last run."""
    rerun_policy: Policy | None = None
    """Of the spec at the last visit; None before the first one."""
    slots: SlotBook | None = None
    """While failed or missed slots are to be run again."""
    parked_step: bool = False
    """True between the two steps of a schedule change: inactive is our own doing then."""


def seed(record: Record) -> TaskState:
    """What the resource's own status tells, at the first sight of it."""
    status = record.status()
    return TaskState(
        uid=record.uid,
        task_id=str(status.get("taskID") or ""),
        script_hash=str(status.get("scriptHash") or ""),
        schedule_text=str(status.get("schedule") or ""),
        runs=from_status(status),
        next_run=str(status.get("nextRun") or ""),
        plan=status.get("plan") or None,
        packed_status=record.packed_status,
        handled_reconcile_at=str(status.get("lastHandledReconcileAt") or ""),
        slots=_book(status),
    )


def _book(status: dict[str, Any]) -> SlotBook | None:
    """Where the process before this one had got to. What is open since then is read from InfluxDB."""
    kept = status.get("slots") or {}
    try:
        settled = parse_rfc3339(kept["settledUntil"])
        given_up = parse_rfc3339(kept["givenUpUntil"]) if kept.get("givenUpUntil") else None
    except (KeyError, TypeError, ValueError):
        return None
    key = str(status.get("taskID") or ""), str(status.get("schedule") or "")
    return SlotBook(key, settled, int(kept.get("missed") or 0), given_up)
