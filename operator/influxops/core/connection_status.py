"""The status of an InfluxConnection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.core.conditions import Condition, of_outcome, stamp
from influxops.core.outcome import Outcome, Reason


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """What is known of a connection. Empty strings leave their fields out."""

    version: str = ""
    url: str = ""
    org_id: str = ""
    found_org_id: str = ""
    """Another organization than ``org_id``, which waits to be accepted."""
    user: str = ""
    user_id: str = ""
    managed: int = 0
    drifted: int = 0
    failing: int = 0
    late: int = 0
    breaker: str = "Closed"
    foreign_owned: int = 0
    """Managed tasks that belong to another InfluxDB user than the token's."""
    foreign_example: str = ""
    """One of their InfluxTasks, as namespace/name."""
    handled_reconcile_at: str = ""
    shard: str = ""
    """Who holds the connection."""


def connection_status(
    previous: Mapping[str, Any], outcome: Outcome, facts: ConnectionFacts, generation: int, now: datetime
) -> dict[str, Any]:
    """The whole status. Nothing in it changes at every sweep."""
    conditions = of_outcome(outcome)
    if facts.foreign_owned:
        conditions.append(
            Condition(
                "OwnerMismatch",
                "True",
                Reason.OWNER_MISMATCH,
                f"{facts.foreign_owned} managed tasks belong to another InfluxDB user than the token's ({facts.user}), and run "
                f"with that user's rights ({facts.foreign_example} is one): no request can change a task's owner. Have them "
                "made anew with influxops recreate, or use a token of their owner",
            )
        )
    status: dict[str, Any] = {
        "observedGeneration": generation,
        "conditions": stamp(conditions, previous.get("conditions") or [], generation, now),
        "tasks": {
            "managed": facts.managed,
            "drifted": facts.drifted,
            "failing": facts.failing,
            "late": facts.late,
        },
        "breaker": facts.breaker,
    }
    optional = {
        "version": facts.version,
        "url": facts.url,
        "orgID": facts.org_id,
        "foundOrgID": facts.found_org_id,
        "user": facts.user,
        "userID": facts.user_id,
        "lastHandledReconcileAt": facts.handled_reconcile_at,
        "shard": facts.shard,
    }
    status.update({key: value for key, value in optional.items() if value})
    return status
