"""Where the servers of a run are, in a form that can be handed to another process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

NAMESPACE = "bench"
CONNECTION = "main"
SYNC_INTERVAL = 30
"""Seconds; the default of ``spec.syncInterval``."""
INFLUX_CONCURRENCY = 16
"""The default of ``spec.limits.maxConcurrent``, for the bare loop as well."""
WORKERS = 32
"""The default of ``--workers``, for the bare loop as well."""
STATUS_RATE = 50.0
"""The default of ``--status-writes-per-second``, for the bare loop as well."""


@dataclass(frozen=True, slots=True)
class Site:
    """Addresses and credentials of one stack."""

    kube_host: str
    kube_ca: str
    kube_token: str
    influx_url: str
    influx_token: str
    org: str
    org_id: str
    bucket: str

    def to_json(self) -> dict[str, Any]:
        """For the standard input of another process: no secret appears in a list of processes."""
        return asdict(self)
