"""Plans of pipelines for tests of pure decisions: stages with cadences and places, and no scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from influxops.core.flux.facts import NO_FACTS
from influxops.core.pipeline.graph import StageNode, graph
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan, StagePlan
from influxops.core.pipeline.proofs.result import Source, Target
from influxops.core.pipeline.windows.cadence import Cadence, cadence
from influxops.core.reruns import Pauses

HOURLY = cadence("1h")


@dataclass(frozen=True)
class StageOf:
    """What a test says of a stage."""

    cadence: Cadence = HOURLY
    after: tuple[str, ...] = ()
    source: Source | None = None
    target: Target | None = None


def plan_of(stages: Mapping[str, StageOf], begin: datetime = datetime(2000, 1, 1, tzinfo=UTC)) -> PipelinePlan:
    """A plan of these stages in this order."""
    return PipelinePlan(
        owner="influxops/default/test",
        bucket="ledger",
        stages={
            name: StagePlan(
                name=name,
                depends_on=stage.after,
                cadence=stage.cadence,
                script="",
                facts=NO_FACTS,
                digest="",
                source=stage.source,
                target=stage.target,
                replace=False,
                timeout=60,
            )
            for name, stage in stages.items()
        },
        graph=graph([StageNode(name, stage.after, stage.source, stage.target) for name, stage in stages.items()]),
        begin=begin,
        delay=0,
        max_active=1,
        newest_first=False,
        retry=RetryPlan(1, Pauses(1, 1, 1, 0)),
        breaker_failures=1,
        breaker_open=1,
    )
