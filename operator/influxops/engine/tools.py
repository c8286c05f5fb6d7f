"""What the loops of all connections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from influxops.core.keys import Key
from influxops.core.shard import DEFAULT
from influxops.engine.connect import ClientFactory, Secrets
from influxops.engine.queue import Priority
from influxops.reconcile.context import Context
from influxops.telemetry.metrics import Metrics
from influxops.telemetry.redact import Redactor


@dataclass(slots=True)
class Tools:
    """Handed to every loop."""

    context: Context
    secrets: Secrets
    client: ClientFactory
    enqueue: Callable[[Key, Priority], None]
    retry: Callable[[Key], None]
    """Ask for a visit after the key's own backoff."""
    later: Callable[..., None]
    """The status writer's slow lane."""
    metrics: Metrics
    redactor: Redactor
    synced: Callable[[], bool]
    """Whether every object of the cluster has been seen, so that what is missing is missing."""
    shard: str = DEFAULT
    """Which this process works."""
