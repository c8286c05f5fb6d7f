"""Plans of pipelines without scripts, for what is measured inside one process."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from influxops.core.flux.facts import NO_FACTS
from influxops.core.pipeline.graph import StageNode, graph
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan, StagePlan
from influxops.core.pipeline.proofs.result import Source
from influxops.core.pipeline.windows.cadence import cadence
from influxops.core.reruns import Pauses

LAYERS: Mapping[str, tuple[str, ...]] = {
    "extract": (),
    **{f"clean-{number}": ("extract",) for number in range(4)},
    **{f"roll-{number}": (f"clean-{number}",) for number in range(4)},
    "report": tuple(f"roll-{number}" for number in range(4)),
}
"""Ten stages: one, four behind it, four behind those, and one that waits for all."""


def plan_of(
    stages: Mapping[str, tuple[str, ...]], every: str, begin: datetime, source: Source | None = None
) -> PipelinePlan:
    """These stages over windows of one length; the source is that of each."""
    return PipelinePlan(
        owner="bench/bench/plan",
        bucket="influxops-ledger",
        stages={
            name: StagePlan(
                name=name,
                depends_on=after,
                cadence=cadence(every),
                script="",
                facts=NO_FACTS,
                digest="",
                source=source,
                target=None,
                replace=False,
                timeout=600.0,
            )
            for name, after in stages.items()
        },
        graph=graph([StageNode(name, after, source, None) for name, after in stages.items()]),
        begin=begin,
        delay=0,
        max_active=16,
        newest_first=False,
        retry=RetryPlan(3, Pauses(10, 2, 600, 0.2)),
        breaker_failures=5,
        breaker_open=1800,
        allowed=31 * 86_400 if source else None,
    )
