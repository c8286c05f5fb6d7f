"""Works out a plan: the operator's own visit to each object, with approval asked for and every write refused."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from influxops.api.common import APPROVE_ANNOTATION
from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import SpecInvalid
from influxops.api.influxtask import InfluxTaskSpec
from influxops.api.read import read
from influxops.core.desired import SpecFault, is_rendering
from influxops.core.durations import format_retention
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, read_script
from influxops.core.observed import TaskStatus
from influxops.core.outcome import Done, Outcome, Reason, Stalled
from influxops.core.record import Record, pack
from influxops.core.snapshot import Snapshot
from influxops.core.template import TemplateFault
from influxops.engine.connect import Secrets
from influxops.engine.renderer import TemplateProcess
from influxops.influx.errors import InfluxError
from influxops.kube.cache import Cache
from influxops.kube.errors import KubeError, MissingReference
from influxops.kube.references import connection_of
from influxops.preview.connections import PreviewLink, open_link
from influxops.preview.item import Item, Preview
from influxops.preview.world import Silent
from influxops.reconcile.context import ACCEPT_TARGET, Context, Kube
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
        instance = source.instance or _instance_of(source, links, preview)
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
            whole_diffs=True,
        )
        for link in links.values():
            link.planned = frozenset(
                str(record.spec().get("bucket"))
                for record in source.cache.records(Kind.POLICY)
                if connection_of(record.key, record.spec()) == link.key and record.spec().get("create", True)
            )
        objects = source.cache if source.live else _as_managed(context, source.cache, links)
        context.objects = objects
        records = [*objects.records(Kind.POLICY), *objects.records(Kind.TASK)]
        slots = asyncio.Semaphore(AT_ONCE)
        preview.items += await asyncio.gather(*(_one(context, source, links, record, slots) for record in records))
    finally:
        await renderer.close()
        await asyncio.gather(*(link.port.close() for link in links.values() if link.port is not None))
    return preview


async def _connect(source: Source, preview: Preview) -> dict[Key, PreviewLink]:
    links: dict[Key, PreviewLink] = {}
    for record in source.cache.records(Kind.CONNECTION):
        place = source.places.get(record.key) or str(record.key)
        try:
            spec = read(InfluxConnectionSpec, record.spec(), "spec")
            link = await open_link(record.key, spec, source.secrets)
            moved = _moved(record, link.org_id)
            if moved:
                preview.faults.append((place, f"{record.key}: {moved}"))
                if link.port is not None:
                    await link.port.close()
            else:
                links[record.key] = link
        except (SpecInvalid, InfluxError, MissingReference, KubeError) as error:
            preview.faults.append((place, f"{record.key}: {error}"))
    return links


def _moved(record: Record, org_id: str) -> str:
    """Why the operator would write nothing: the connection leads elsewhere than its status says."""
    known = str(record.status().get("orgID") or "")
    if not known or known == org_id or record.annotations.get(ACCEPT_TARGET) == org_id:
        return ""
    return f"TargetChanged: it leads to organization {org_id} and not to {known}, as before; nothing is done until that is accepted"


def _instance_of(source: Source, links: Mapping[Key, PreviewLink], preview: Preview) -> str:
    """The installation whose marks the objects of these names carry; of none, or of several, none is guessed."""
    names = {(key.kind.value, key.namespace, key.name) for key in source.places}
    owners = {owner for link in links.values() for owner in _owners(link.snapshot)}
    found = {owner.instance for owner in owners if (owner.kind, owner.namespace, owner.name) in names}
    if len(found) == 1:
        return found.pop()
    if found:
        preview.notes.append(
            f"objects of these names are managed by several influxops instances ({', '.join(sorted(found))}): say "
            "which with --instance-id"
        )
    return "plan"


def _owners(snapshot: Snapshot) -> set[Owner]:
    marks = (bucket.marker for bucket in snapshot.buckets.values())
    return {*snapshot.by_owner, *(mark.owner for mark in marks if mark is not None)}


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
            record = _as_planned(record, None if source.live else _task_facts(context, link, key))
            own = key.namespace == link.key.namespace
            if own and not source.live and await _is_as_it_should_be(context, link, record):
                return _item(source, key, [], None, "")
            state = state_of(context, record)
            outcome = await reconcile_task(context, record, state)
            actions = state.plan["actions"] if state.plan else []
        else:
            record = _as_planned(record, None if source.live else _bucket_facts(context, link, record))
            outcome, facts = await reconcile_policy(context, record, record.status())
            actions = facts.plan["actions"] if facts.plan else []
    return _judge(source, key, outcome, actions)


def _as_managed(context: Context, cache: Cache, links: Mapping[Key, PreviewLink]) -> Cache:
    """The objects of manifests with what InfluxDB knows of them: whoever manages a bucket now was there first."""
    known = Cache()
    for kind in Kind:
        for record in cache.records(kind):
            where = connection_of(record.key, record.spec())
            link = links.get(where) if where is not None else None
            uid = _bucket_facts(context, link, record)[0] if link is not None and kind is Kind.POLICY else ""
            known.upsert(replace(record, uid=uid, created=record.created - timedelta(days=1)) if uid else record)
    return known


async def _is_as_it_should_be(context: Context, link: PreviewLink, record: Record) -> bool:
    """The short way for a manifest whose task is there, unchanged: without a request, so that thousands take a moment."""
    marked = link.snapshot.marked(Owner.of(context.instance, record.key))
    limits = link.spec.policy
    if (
        len(marked) != 1
        or not marked[0].intact
        or limits.denied_flux_packages
        or limits.min_every
        or limits.allowed_buckets
    ):
        return False
    try:
        spec = read(InfluxTaskSpec, record.spec(), "spec")
        source = spec.flux
        if spec.template is not None and spec.template.inline is not None:
            source = await context.renderer.render(spec.template.inline, spec.template.values)
        body = read_script(link.native[marked[0].id].flux)[1]
        same = source is not None and is_rendering(spec, source, Owner.of(context.instance, record.key), body)
    except (SpecInvalid, SpecFault, TemplateFault):
        return False  # the long way says what is wrong
    status = TaskStatus.INACTIVE if spec.suspend else TaskStatus.ACTIVE
    return same and marked[0].status is status and marked[0].description == spec.description


def _as_planned(record: Record, facts: tuple[str, dict[str, Any]] | None) -> Record:
    """The record with approval asked for and none given; of a manifest also with what InfluxDB knows of its owner."""
    spec = {**record.spec(), "approval": "Manual"}
    status = {name: value for name, value in record.status().items() if name != "plan"}
    annotations = {name: text for name, text in record.annotations.items() if name != APPROVE_ANNOTATION}
    uid = record.uid
    if facts is not None:
        uid, status = facts[0] or record.uid, facts[1]
    return replace(record, uid=uid, packed_spec=pack(spec), packed_status=pack(status), annotations=annotations)


def _task_facts(context: Context, link: PreviewLink, key: Key) -> tuple[str, dict[str, Any]]:
    for task in link.snapshot.marked(Owner.of(context.instance, key)):
        if task.marker is not None:
            return task.marker.uid, {}
    return "", {}


def _bucket_facts(context: Context, link: PreviewLink, record: Record) -> tuple[str, dict[str, Any]]:
    """A manifest has no status; the bucket's retention is then taken for what the policy itself has set."""
    bucket = link.snapshot.buckets.get(str(record.spec().get("bucket")))
    marker = bucket.marker if bucket is not None else None
    if bucket is None or marker is None or marker.owner != Owner.of(context.instance, record.key):
        return "", {}
    return marker.uid, {"appliedRetention": format_retention(bucket.retention)}


def _judge(source: Source, key: Key, outcome: Outcome, actions: list[dict[str, Any]]) -> Item:
    match outcome:
        case Done(reason=Reason.DRIFTED, message=message):
            return _item(source, key, actions, Reason.DRIFTED, message)
        case Done():
            return _item(source, key, [], None, "")
        case Stalled(reason=reason, message=message):
            return _item(source, key, [], reason, message, error=reason not in WAITING)
        case _ if getattr(outcome, "reason", None) is Reason.PLAN_PENDING:
            return _item(source, key, actions, None, "")
        case _:
            reason = getattr(outcome, "reason", Reason.ERROR)
            return _item(source, key, [], reason, getattr(outcome, "message", ""), error=reason not in WAITING)


def _item(
    source: Source, key: Key, actions: list[dict[str, Any]], reason: Reason | None, message: str, *, error: bool = False
) -> Item:
    place = source.places.get(key, "")
    held = reason.value if reason is not None else ""
    return Item(key.kind.value, key.namespace, key.name, place, tuple(actions), held, message, error)
