"""Which faults of the watches strike which workload at which event, and which of these plans `make test` runs."""

from __future__ import annotations

from tests.fault.stale_pipelines import ALL as PIPELINES
from tests.fault.stale_workloads import ALL as OBJECTS
from tests.support.stale import StalePlan, StaleWorkload
from tests.support.stale_windows import StalePipeline
from tests.support.watch_faults import How, WatchFault

EVERYWHERE = (How.HIDDEN, How.SKIPPED, How.REPLAYED, How.GONE)
"""At each of the events that a workload surely has, up to the fifth."""
ONCE = (How.DELAYED, How.TRUNCATED, How.BROKEN, How.EXPIRED, How.REBORN)
"""At the first one only."""
SILENT = frozenset(
    {
        "delete",
        "remake",
        "flip-slowly",
        "policy-delete",
        "policy-remake",
        "connection-flip",
        "pipeline-flip",
        "pipeline-remake",
    }
)
"""Workloads in which a watch falls silent, too: each takes more than a minute."""

SUBSET = frozenset(
    {
        "remake-replayed-3",
        "force-hidden-2",
        "flip-skipped-1",
        "delete-orphan-gone-2",
        "policy-force-hidden-2",
    }
)
"""The plans of `make test`."""


def plans_of(workload: StaleWorkload | StalePipeline) -> list[StalePlan]:
    """The plans of one workload."""
    places = [(how, at) for how in EVERYWHERE for at in range(1, min(workload.events, 5) + 1)]
    places += [(how, 1) for how in ONCE]
    places += [(How.SILENT, 1)] if workload.name in SILENT else []
    return [StalePlan(workload, seen=WatchFault(how, workload.kind, workload.target, at)) for how, at in places]


def all_plans() -> list[StalePlan]:
    """All of them."""
    workloads: list[StaleWorkload | StalePipeline] = [*OBJECTS.values(), *PIPELINES.values()]
    return [plan for workload in workloads for plan in plans_of(workload)]
