"""Pipelines and backfills among the manifests: their stages as scripts, and the faults that no script shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.stage import Execution, Stage
from influxops.core.conditions import rfc3339
from influxops.core.desired import DesiredTask
from influxops.core.durations import Duration, parse_duration
from influxops.core.flux.facts import ScriptFacts
from influxops.core.lint.rule import Severity
from influxops.core.pipeline.faults import pipeline_faults, pipeline_warnings
from influxops.core.pipeline.native import native_fault
from influxops.core.pipeline.scripts import script_faults
from influxops.core.pipeline.windows.cadence import Cadence
from influxops.core.pipeline.windows.edges import SINCE
from influxops.preview.manifests import Manifest
from influxops.validate.problem import Problem, subject_of

RULE = "pipeline"
Specs = list[tuple[Manifest, object]]
Tasks = Mapping[tuple[str, str], tuple[ScriptFacts, DesiredTask | None]]
"""InfluxTasks among the manifests whose scripts could be read, by namespace and name."""


def as_task(pipeline: InfluxPipelineSpec, stage: Stage) -> InfluxTaskSpec:
    """A task that runs about as often as the stage does, over windows as long: what the lints judge a script by."""
    window = stage.window or pipeline.window
    every = window.every
    if every.months:
        schedule = {"cron": "0 0 1 1 *" if every.months % 12 == 0 else "0 0 1 * *"}
    else:
        schedule = {"every": f"{every.seconds}s"}
    period = str(window.period or every)
    return InfluxTaskSpec.model_validate(
        {
            "connectionRef": pipeline.connection_ref,
            "flux": "x = 1",
            **schedule,
            "window": {"period": period, "align": str(every)},
        }
    )


def problems(specs: Specs, tasks: Tasks, now: datetime | None = None) -> list[Problem]:
    """What is wrong with the pipelines and backfills of these manifests, beyond their scripts."""
    now = now or datetime.now(UTC)
    found: list[Problem] = []
    known: dict[tuple[str, str], dict[str, Cadence]] = {}
    for manifest, spec in specs:
        if isinstance(spec, InfluxPipelineSpec):
            graph, cadences, faults = pipeline_faults(spec, spec.begin or SINCE)
            known[manifest.namespace, manifest.name] = cadences
            found += [_problem(manifest, fault.path, fault.message) for fault in faults]
            if graph is not None:
                warned = pipeline_warnings(spec, graph)
                found += [_problem(manifest, one.path, one.message, Severity.WARNING) for one in warned]
            found += _of_tasks(manifest, spec, cadences, tasks)
    for manifest, spec in specs:
        if isinstance(spec, InfluxBackfillSpec):
            ref = spec.pipeline_ref
            cadences_of = known.get((manifest.namespace, ref.name)) if ref is not None else None
            found += _of_backfill(manifest, spec, cadences_of, now)
    return found


def _of_tasks(
    manifest: Manifest, spec: InfluxPipelineSpec, cadences: Mapping[str, Cadence], tasks: Tasks
) -> Iterator[Problem]:
    """Stages whose script is that of an InfluxTask among the manifests."""
    for at, stage in enumerate(spec.stages):
        given = tasks.get((manifest.namespace, stage.task_ref.name)) if stage.task_ref is not None else None
        if given is None:
            continue
        facts, task = given
        path = f"spec.stages[{at}].taskRef"
        native = stage.execution is Execution.NATIVE
        faults = [] if native else script_faults(stage, facts, of_task=True)
        if native and task is not None and stage.name in cadences:
            fault = native_fault(task.schedule, _period(task), cadences[stage.name], spec.begin or SINCE)
            faults += [fault] if fault else []
        yield from (_problem(manifest, path, f"stage {stage.name}: {fault}") for fault in faults)


def _period(task: DesiredTask) -> Duration | None:
    return parse_duration(task.prelude.period) if task.prelude is not None else None


def _of_backfill(
    manifest: Manifest, spec: InfluxBackfillSpec, cadences: Mapping[str, Cadence] | None, now: datetime
) -> Iterator[Problem]:
    if spec.start >= now:
        yield _problem(manifest, "spec.start", "lies in the future, where no window has ended: write an earlier start")
    elif spec.stop > now:
        message = f"lies in the future: windows that end after {rfc3339(now)} are left to the schedule"
        yield _problem(manifest, "spec.stop", message, Severity.WARNING)
    if cadences is None:  # a task, or a pipeline that is not among the files
        return
    for at, name in enumerate(spec.stages):
        if name not in cadences:
            stages = ", ".join(cadences)
            yield _problem(
                manifest, f"spec.stages[{at}]", f"the pipeline has no stage {name!r}: its stages are {stages}"
            )
    chosen = [cadences[name] for name in spec.stages or cadences if name in cadences]
    if chosen and not any(_holds_one(cadence, spec) for cadence in chosen):
        message = "no whole window of these stages lies between start and stop: write a longer range"
        yield _problem(manifest, "spec.stop", message)


def _holds_one(cadence: Cadence, spec: InfluxBackfillSpec) -> bool:
    return any(window.start >= spec.start for window in cadence.between(spec.start, spec.stop))


def _problem(manifest: Manifest, path: str, message: str, severity: Severity = Severity.ERROR) -> Problem:
    line, column = manifest.document.field(path)
    text = f"{path}: {message}"
    return Problem(manifest.document.file, line, column, RULE, text, severity, subject=subject_of(manifest))
