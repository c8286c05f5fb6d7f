"""Works out a plan: the operator's own visit to each object, with approval asked for and every write refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from influxops.api.common import APPROVE, RECREATE
from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.desired import SpecFault, is_rendering
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, read_script
from influxops.core.observed import TaskStatus
from influxops.core.outcome import Done, Gone, Outcome, Reason, Stalled, Wait
from influxops.core.record import Record, pack
from influxops.core.template import TemplateFault
from influxops.engine.connect import Secrets
from influxops.engine.renderer import TemplateProcess
from influxops.engine.target import moved
from influxops.influx.errors import InfluxError
from influxops.kube.cache import Cache
from influxops.kube.errors import KubeError, MissingReference
from influxops.kube.references import connection_of
from influxops.library.catalogue import at_hand
from influxops.preview.connections import PreviewLink, open_link
from influxops.preview.item import Fault, Item, Preview
from influxops.preview.managed import as_managed, instance_of
from influxops.preview.pipelines import tell
from influxops.preview.world import Silent
from influxops.reconcile.context import Context, Kube
from influxops.reconcile.policy import reconcile_policy
from influxops.reconcile.task import reconcile_task
from influxops.reconcile.visit import state_of

AT_ONCE = 16
"""Objects that are worked out at a time."""
WAITING = frozenset({Reason.PLAN_PENDING, Reason.DRIFTED, Reason.DATA_LOSS_GUARD, Reason.SUSPENDED})
"""Reasons that are a user's own wish; with any other an object is wrong or cannot be judged."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is planned: the objects, where each comes from, and what stands for the cluster."""

    cache: Cache
    places: Mapping[Key, str]
    kube: Kube
    secrets: Secrets
    instance: str
    """Empty: found out from the marks in InfluxDB."""
    live: bool
    """Whether the objects are those of a cluster, with uid and status."""


async def plan(source: Source) -> Preview:
    """Plan every InfluxTask and RetentionPolicy of a source."""
    preview = Preview()
    links = await _connect(source, preview)
    renderer = TemplateProcess()
    try:
        instance = source.instance or instance_of(source.places, links.values(), preview.notes)
        silent = Silent()
        context = Context(
            instance=instance,
            kube=source.kube,
            objects=source.cache,
            statuses=silent,
            renderer=renderer,
            recorder=silent,
            link=links.get,
            links_of_org=lambda org_id: [key for key, link in links.items() if link.org_id == org_id],
            now=lambda: datetime.now(UTC),
            clock=time.monotonic,
            preview=True,
        )
        for link in links.values():
            link.planned = frozenset(
                str(record.spec().get("bucket"))
                for record in source.cache.records(Kind.POLICY)
                if connection_of(record.key, record.spec()) == link.key and record.spec().get("create", True)
            )
        objects = source.cache if source.live else as_managed(source.cache, links, instance)
        context.objects = objects
        records = [*objects.records(Kind.POLICY), *objects.records(Kind.TASK)]
        slots = asyncio.Semaphore(AT_ONCE)
        tell(objects, source.places, preview)
        preview.items += await asyncio.gather(*(_one(context, source, links, record, slots) for record in records))
    finally:
        await renderer.close()
        await asyncio.gather(*(link.close() for link in links.values()))
    return preview


async def _connect(source: Source, preview: Preview) -> dict[Key, PreviewLink]:
    links: dict[Key, PreviewLink] = {}
    for record in source.cache.records(Kind.CONNECTION):
        place = source.places.get(record.key) or str(record.key)
        try:
            spec = read(InfluxConnectionSpec, record.spec(), "spec")
            # A plan reads only, and what it tells of a suspended connection is what resuming it will do.
            link = await open_link(record.key, spec.model_copy(update={"suspend": False}), source.secrets)
        except (SpecInvalid, InfluxError, MissingReference, KubeError) as error:
            preview.faults.append(Fault(place, f"{record.key}: {error}"))
            continue
        message = moved(record.status(), record.annotations, link.org_id)
        if message:
            preview.faults.append(Fault(place, f"{record.key}: {message}"))
            await link.close()
        else:
            links[record.key] = link
            if spec.suspend:
                preview.notes.append(f"{record.key} is suspended: its objects are not touched before it is resumed")
    return links


async def _one(
    context: Context, source: Source, links: Mapping[Key, PreviewLink], record: Record, slots: asyncio.Semaphore
) -> Item:
    key = record.key
    where = connection_of(key, record.spec())
    link = links.get(where) if where is not None else None
    if record.deleting:
        return _item(source, key, [], Reason.DELETING, "is being deleted")
    if link is None:
        known = where is not None and context.objects.get(where) is not None
        message = f"{where} cannot be used" if known else f"{where or 'its connection'} is not among the manifests"
        return _item(source, key, [], Reason.CONNECTION_NOT_READY, message, error=not known)
    async with slots:
        if key.kind is Kind.TASK:
            own = key.namespace == link.key.namespace
            if own and not source.live and await _is_as_it_should_be(context, link, record):
                return _item(source, key, [], None, "")
            record = _as_planned(record)
            state = state_of(context, record)
            outcome = await reconcile_task(context, record, state)
            actions = state.plan["actions"] if state.plan else []
        else:
            record = _as_planned(record)
            outcome, facts = await reconcile_policy(context, record, record.status())
            actions = facts.plan["actions"] if facts.plan else []
    return _judge(source, key, outcome, actions)


async def _is_as_it_should_be(context: Context, link: PreviewLink, record: Record) -> bool:
    """The short way for a manifest whose task is there, unchanged: without a request, so that thousands take a moment."""
    marked = link.snapshot.marked(Owner.of(context.instance, record.key))
    limits = link.spec.policy
    if (
        len(marked) != 1
        or not marked[0].intact
        or marked[0].id == record.annotations.get(RECREATE)
        or limits.denied_flux_packages
        or limits.min_every
        or limits.allowed_buckets
    ):
        return False
    try:
        spec = read(InfluxTaskSpec, record.spec(), "spec")
        source = spec.flux
        known = at_hand(spec.template) if spec.template is not None else None
        if known is not None:
            source = await context.renderer.render(*known)
        body = read_script(link.native[marked[0].id].flux)[1]
        same = source is not None and is_rendering(spec, source, Owner.of(context.instance, record.key), body)
    except (SpecInvalid, SpecFault, TemplateFault):
        return False  # the long way says what is wrong
    status = TaskStatus.INACTIVE if spec.suspend else TaskStatus.ACTIVE
    return same and marked[0].status is status and marked[0].description == spec.description


def _as_planned(record: Record) -> Record:
    """The record with approval asked for and none given."""
    spec = {**record.spec(), "approval": "Manual"}
    status = {name: value for name, value in record.status().items() if name != "plan"}
    annotations = {name: text for name, text in record.annotations.items() if name != APPROVE}
    return replace(record, packed_spec=pack(spec), packed_status=pack(status), annotations=annotations)


def _judge(source: Source, key: Key, outcome: Outcome, actions: list[dict[str, Any]]) -> Item:
    match outcome:
        case Done(reason=Reason.DRIFTED, message=message):
            return _item(source, key, actions, Reason.DRIFTED, message)
        case Wait(reason=Reason.PLAN_PENDING):
            return _item(source, key, actions, None, "")
        case Stalled(reason=reason, message=message) | Wait(reason=reason, message=message):
            return _item(source, key, [], reason, message, error=reason not in WAITING)
        case Done() | Gone():
            return _item(source, key, [], None, "")


def _item(
    source: Source, key: Key, actions: list[dict[str, Any]], reason: Reason | None, message: str, *, error: bool = False
) -> Item:
    place = source.places.get(key, "")
    held = reason.value if reason is not None else ""
    return Item(key.kind.value, key.namespace, key.name, place, tuple(actions), held, message, error)
