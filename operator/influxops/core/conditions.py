"""Conditions in the form that kstatus, Argo CD and Flux CD read.

``Ready`` is always there; ``Reconciling``, ``Stalled``, ``Drifted``, ``Failing``, ``Late`` and ``OwnerMismatch`` exist only while
they are True, because tools take a negative condition with the value False for a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from influxops.core.outcome import Done, Gone, Outcome, Reason, Stalled, Wait

MAX_MESSAGE = 1024
"""Longest message in a condition, in characters; the CRD allows 32,768, readers of ``kubectl get`` do not."""

_UNKNOWN = frozenset({Reason.CONNECTION_NOT_READY})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition without its times."""

    type: str
    status: str
    reason: str
    message: str


def of_outcome(outcome: Outcome) -> list[Condition]:
    """Ready, and Reconciling or Stalled while they hold."""
    match outcome:
        case Done(reason=Reason.DRIFTED as reason, message=message):
            return [Condition("Ready", "True", reason, message), Condition("Drifted", "True", reason, message)]
        case Done(reason=reason, message=message):
            return [Condition("Ready", "True", reason, message)]
        case Stalled(reason=reason, message=message):
            return [Condition("Ready", "False", reason, message), Condition("Stalled", "True", reason, message)]
        case Wait(reason=reason, message=message):
            ready = "Unknown" if reason in _UNKNOWN else "False"
            return [Condition("Ready", ready, reason, message), Condition("Reconciling", "True", reason, message)]
        case Gone():
            return []


def stamp(
    conditions: Iterable[Condition], previous: Iterable[Mapping[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Give conditions their generation and times; ``lastTransitionTime`` moves only when the status flips."""
    before = {str(item.get("type")): item for item in previous}
    stamped = []
    for condition in conditions:
        old = before.get(condition.type)
        same = old is not None and old.get("status") == condition.status and old.get("lastTransitionTime")
        stamped.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": str(condition.reason),
                "message": clip(condition.message),
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same and old else rfc3339(now),
            }
        )
    return stamped


def settled_generation(status: Mapping[str, Any]) -> int | None:
    """The generation that a status calls Ready; None when it calls none so."""
    ready = any(item.get("type") == "Ready" and item.get("status") == "True" for item in status.get("conditions") or [])
    return status.get("observedGeneration") if ready else None


def clip(message: str, limit: int = MAX_MESSAGE) -> str:
    """Cut a message to a length that people read."""
    return message if len(message) <= limit else message[: limit - 1] + "…"


def rfc3339(moment: datetime) -> str:
    """UTC with whole seconds, as Kubernetes writes times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_ms(moment: datetime) -> str:
    """UTC with milliseconds (cut, not rounded), for the times of runs."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_rfc3339(text: str) -> datetime:
    """Read a time as Kubernetes or InfluxDB writes it; digits beyond microseconds are dropped.

    Raises ValueError for anything else.
    """
    head, dot, tail = text.partition(".")
    if dot:
        digits = len(tail) - len(tail.lstrip("0123456789"))
        text = f"{head}.{tail[: min(digits, 6)].ljust(6, '0')}{tail[digits:]}"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
