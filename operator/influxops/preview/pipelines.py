"""Pipelines and backfills in a plan: they hold nothing in InfluxDB to compare, so the plan says what will run instead."""

from __future__ import annotations

from collections.abc import Mapping

from influxops.api.errors import SpecInvalid
from influxops.api.influxbackfill import InfluxBackfillSpec
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.api.read import read
from influxops.core.conditions import rfc3339
from influxops.core.keys import Key, Kind
from influxops.core.pipeline.faults import pipeline_faults
from influxops.core.pipeline.windows.edges import SINCE
from influxops.core.record import Record
from influxops.kube.cache import Cache
from influxops.preview.item import Fault, Preview


def tell(cache: Cache, places: Mapping[Key, str], preview: Preview) -> None:
    """A note on each pipeline and backfill that can run, and the faults of those that cannot."""
    for record in cache.records(Kind.PIPELINE):
        _try(places, preview, record)
    for record in cache.records(Kind.BACKFILL):
        _try(places, preview, record)


def _try(places: Mapping[Key, str], preview: Preview, record: Record) -> None:
    place = places.get(record.key) or str(record.key)
    try:
        if record.key.kind is Kind.BACKFILL:
            preview.notes.append(_of_backfill(record, read(InfluxBackfillSpec, record.spec(), "spec")))
            return
        spec = read(InfluxPipelineSpec, record.spec(), "spec")
    except SpecInvalid as error:
        preview.faults.append(Fault(place, f"{record.key}: {error}"))
        return
    _, _, faults = pipeline_faults(spec, spec.begin or SINCE)
    preview.faults += [Fault(place, f"{record.key}: {fault}") for fault in faults]
    if not faults:
        preview.notes.append(_of_pipeline(record, spec))


def _of_pipeline(record: Record, spec: InfluxPipelineSpec) -> str:
    stages = ", ".join(stage.name for stage in spec.stages)
    text = (
        f"{record.key} will run {_many(len(spec.stages), 'stage')} ({stages}) over windows every {spec.window.every} "
        f"({spec.window.timezone}) and keep their state in bucket {spec.ledger.bucket!r}"
    )
    return f"{text}, once it is resumed" if spec.suspend else text


def _of_backfill(record: Record, spec: InfluxBackfillSpec) -> str:
    whose = f"InfluxPipeline {spec.pipeline_ref.name}" if spec.pipeline_ref else ""
    whose = whose or (f"InfluxTask {spec.task_ref.name}" if spec.task_ref else "")
    stages = f", of stages {', '.join(spec.stages)}" if spec.stages else ""
    verb = "will list" if spec.dry_run else "will run"
    return f"{record.key} {verb} the windows of {whose} from {rfc3339(spec.start)} to {rfc3339(spec.stop)}{stages}"


def _many(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
