"""Runs a script over one window without its writes, and tells what it would read and write, how, and at what cost."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core import dryrun
from influxops.core.explain import Verdict, covered, verdicts
from influxops.core.flux.facts import facts_of
from influxops.core.keys import Key
from influxops.core.pipeline.proofs.result import QueryResult
from influxops.core.pipeline.windows.window import Window
from influxops.core.record import Record
from influxops.engine.connect import credentials
from influxops.engine.renderer import TemplateProcess
from influxops.influx.client import InfluxClient
from influxops.influx.errors import ScriptFailed
from influxops.influx.port import InfluxPort
from influxops.kube.references import connection_of
from influxops.preview.connections import PreviewLink, plain_link
from influxops.preview.planner import Source
from influxops.preview.world import Silent
from influxops.reconcile.context import Context
from influxops.reconcile.script import check, desired
from influxops.reconcile.state import TaskState
from influxops.reconcile.task_visit import TaskVisit


@dataclass(frozen=True, slots=True)
class Subject:
    """A script to explain, wherever it comes from."""

    name: str
    """Whose it is, for people."""
    script: str
    """Rendered, with ``option task`` and ``option v`` as they are stored; without the line that marks the owner."""
    slot: datetime
    """What ``now()`` is in the run."""
    window: Window | None
    """None for a script that sets its range by itself."""


@dataclass(slots=True)
class Explanation:
    """What is known of a script."""

    subject: Subject
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    yields: bool
    """Whether it has a yield() of its own, whose rows count as well."""
    refused: list[str] = field(default_factory=list)
    """Why it was not run; empty when it was."""
    error: str = ""
    """What it failed with."""
    result: QueryResult | None = None
    sources: list[Verdict] = field(default_factory=list)


async def explain(port: InfluxPort, org_id: str, subject: Subject, timeout: float) -> Explanation:
    """Explain a script: run it without its writes if that is possible. ``timeout`` in seconds. Raises the errors of the port
    but ``ScriptFailed``.
    """
    tree = await port.ast(subject.script)
    facts = facts_of(subject.script, tree)
    file = tree["files"][0]
    found = Explanation(
        subject, tuple(sorted(facts.reads)), tuple(sorted(facts.writes)), yields=dryrun.calls(file, "yield")
    )
    found.refused = dryrun.effects(file, facts)
    if found.refused:
        return found
    script = dryrun.harmless(subject.script, facts)
    try:
        found.result = await port.run_script(org_id, script, subject.slot, timeout, hash_rows=0)
    except ScriptFailed as error:
        found.error = str(error)
        return found
    if found.result.cost is not None:
        found.sources = verdicts(found.result.cost.graph)
    return found


async def explain_task(source: Source, key: Key, at: datetime | None, timeout: float) -> Explanation:
    """Explain an InfluxTask over its last closed slot, or the one at or before ``at``.

    Raises KeyError for an object that is not there, SpecInvalid and SpecFault for a task that is wrong, NotUsable for a
    ConfigMap that is not there, InfluxError, MissingReference and KubeError.
    """
    record = record_of(source, key)
    connection = connection_of(key, record.spec())
    spec = read(InfluxConnectionSpec, record_of(source, connection).spec(), "spec")
    link = await plain_link(record_of(source, connection).key, spec, source.secrets)
    try:
        subject = await _subject(source, record, link, at)
        settings = (await credentials(source.secrets, link.key.namespace, spec)).settings
        # What runs a script must be a client that may write; what it is sent here writes nothing.
        runner = InfluxClient(replace(settings, read_only=False))
        try:
            return await explain(runner, link.org_id, subject, timeout)
        finally:
            await runner.close()
    finally:
        await link.close()


def record_of(source: Source, key: Key | None) -> Record:
    """The record of an object that is there. Raises KeyError with what is not."""
    record = source.cache.get(key) if key is not None else None
    if record is None:
        raise KeyError(str(key or "its connection"))
    return record


@asynccontextmanager
async def preview_context(source: Source, link: PreviewLink) -> AsyncIterator[Context]:
    """What the operator's own code needs to work out a script, and no write."""
    silent = Silent()
    renderer = TemplateProcess()
    try:
        yield Context(
            instance=source.instance or "explain",
            kube=source.kube,
            objects=source.cache,
            statuses=silent,
            renderer=renderer,
            recorder=silent,
            link=lambda _: link,
            links_of_org=lambda _: [link.key],
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            preview=True,
        )
    finally:
        await renderer.close()


async def _subject(source: Source, record: Record, link: PreviewLink, at: datetime | None) -> Subject:
    spec = read(InfluxTaskSpec, record.spec(), "spec")
    async with preview_context(source, link) as context:
        task, script = await desired(TaskVisit(context, record, link, TaskState(record.uid)), spec)
    await check(link, task, script)
    moment = at or datetime.now(UTC) - timedelta(seconds=task.schedule.offset)
    slot = task.schedule.slot_at_or_before(moment) or moment.replace(microsecond=0)
    return Subject(str(record.key), task.rendered.text, slot, covered(task.prelude, slot))
