"""Explains the stages of an InfluxPipeline, each over one of its windows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.influxpipeline import InfluxPipelineSpec
from influxops.api.read import read
from influxops.core.desired import SpecFault
from influxops.core.keys import Key
from influxops.core.pipeline.faults import pipeline_faults
from influxops.core.pipeline.script import window_script
from influxops.engine.connect import credentials
from influxops.influx.client import InfluxClient
from influxops.kube.references import connection_of
from influxops.preview.connections import plain_link
from influxops.preview.explaining import Explanation, Subject, explain, preview_context, record_of
from influxops.preview.planner import Source
from influxops.reconcile.pipeline_state import PipelineState
from influxops.reconcile.script import script_facts
from influxops.reconcile.stage_script import stage_script


async def explain_stages(
    source: Source, key: Key, stage: str, at: datetime | None, timeout: float
) -> list[Explanation]:
    """Explain all stages of a pipeline, or the one of this name, in topological order.

    The window is the last that is held for complete, or the last that ends at or before ``at``. Raises as
    ``explain_task``, and KeyError for a stage that is not there.
    """
    record = record_of(source, key)
    connection = connection_of(key, record.spec())
    where = record_of(source, connection)
    spec = read(InfluxPipelineSpec, record.spec(), "spec")
    graph, cadences, faults = pipeline_faults(spec, spec.begin or record.created)
    if graph is None or faults:
        raise SpecFault("; ".join(str(fault) for fault in faults))
    if stage and stage not in cadences:
        raise KeyError(f"stage {stage}")
    given = read(InfluxConnectionSpec, where.spec(), "spec")
    link = await plain_link(where.key, given, source.secrets)
    try:
        settings = (await credentials(source.secrets, link.key.namespace, given)).settings
        runner = InfluxClient(replace(settings, read_only=False))  # as for tasks: what it is sent here writes nothing
        try:
            found = []
            moment = at or datetime.now(UTC) - timedelta(seconds=spec.watermark.delay.seconds)
            places = {one.name: f"spec.stages[{number}]" for number, one in enumerate(spec.stages)}
            stages = {one.name: one for one in spec.stages}
            async with preview_context(source, link) as context:
                for name in (stage,) if stage else graph.order:
                    script, _ = await stage_script(
                        context, record, stages[name], link, PipelineState(record.uid), places[name]
                    )
                    facts = await script_facts(link, script)
                    window = cadences[name].latest(moment)
                    text = window_script(script, facts, window, cadences[name].period, profile=False).text
                    subject = Subject(f"{key} stage {name}", text, window.stop, window)
                    found.append(await explain(runner, link.org_id, subject, timeout))
            return found
        finally:
            await runner.close()
    finally:
        await link.close()
