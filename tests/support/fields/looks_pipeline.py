"""What the operator makes of the spec of an InfluxPipeline: the plan by which its windows run, as the loop is given it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from influxops.core.keys import Kind
from influxops.core.pipeline.plan import PipelinePlan, RetryPlan
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.reconcile.state import TaskState
from tests.support.fields.bench import Bench, outcome_of
from tests.support.fields.examples import NATIVE, WINDOWED

Object = dict[str, Any]
SPAN = datetime(2026, 3, 27, 22, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
"""A few days in which clocks of Europe are put forward."""
TASKS = (NATIVE, "no-such-task", "nor-this", "other", "another")


async def planned(spec: Object) -> object:
    """Whose connection is used, and the plan that the loop is told to run by."""
    bench = Bench()
    tasks(bench)
    outcome = await bench.settle(bench.put(Kind.PIPELINE, "walked", spec))
    return outcome_of(outcome), [
        (connection, None if plan is None else shown(plan)) for _, connection, plan in bench.runner.plans
    ]


def tasks(bench: Bench) -> None:
    """InfluxTasks of the names that examples have, each with a script of its own and a task in InfluxDB."""
    for name in TASKS:
        spec = {"connectionRef": {"name": "main"}, "every": "1h", "flux": f"{WINDOWED}// {name}\n"}
        key = bench.put(Kind.TASK, name, spec)
        bench.context.tasks[key] = TaskState(f"uid-{name}", task_id=f"of {name}")


def shown(plan: PipelinePlan) -> object:
    """A plan without what only repeats the spec: cadences by their windows, pauses by their seconds, and no digest of a stage."""
    pauses = [plan.retry.pauses.after(failures, "seed") for failures in range(1, 12)]
    windows = {name: _windows(stage.cadence) for name, stage in plan.stages.items()}
    stages = {name: replace(stage, cadence=None, digest="") for name, stage in plan.stages.items()}
    return replace(plan, stages=stages, retry=RetryPlan(plan.retry.limit, None)), pauses, windows  # type: ignore[arg-type]


def _windows(cadence: Cadence) -> list[str]:
    return [str(window) for window in cadence.between(*SPAN)]
