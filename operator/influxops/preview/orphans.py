"""Tasks and buckets with our mark whose object does not exist any more, or has another bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from influxops.api.connection import InfluxConnectionSpec
from influxops.api.errors import SpecInvalid
from influxops.api.read import read
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner, read_description, read_script
from influxops.core.observed import Bucket, TaskRecord
from influxops.engine.connect import credentials
from influxops.influx.client import InfluxClient
from influxops.influx.errors import InfluxError, NotFound
from influxops.kube.client import KubeClient
from influxops.kube.errors import KubeError, MissingReference
from influxops.kube.secrets import SecretResolver
from influxops.preview.connections import open_link
from influxops.preview.item import Fault
from influxops.preview.planner import Source


@dataclass(frozen=True, slots=True)
class Orphan:
    """One task or bucket that nobody manages any more."""

    owner: Owner
    id: str
    name: str
    connection: Key
    changed: bool = False
    """True when somebody has changed the task since influxops wrote it; it may be a copy that is in use."""
    updated_at: datetime | None = None
    """When the task was last changed (UTC); InfluxDB does not tell it of buckets."""

    @property
    def what(self) -> str:
        """``task`` or ``bucket``."""
        return "task" if self.owner.kind == Kind.TASK.value else "bucket"


@dataclass(slots=True)
class Orphans:
    """All of them, and the connections that could not be asked."""

    found: list[Orphan]
    faults: list[Fault]


async def find_orphans(source: Source) -> Orphans:
    """Look through every connection of a cluster. ``source`` must hold the objects of all namespaces."""
    orphans: dict[str, Orphan] = {}
    faults: list[Fault] = []
    for record in source.cache.records(Kind.CONNECTION):
        try:
            spec = read(InfluxConnectionSpec, record.spec(), "spec")
            link = await open_link(record.key, spec, source.secrets)
        except (SpecInvalid, InfluxError, MissingReference, KubeError) as error:
            faults.append(Fault(str(record.key), str(error)))
            continue
        await link.close()
        for task in link.native.values():
            marker = read_script(task.flux)[0]
            if marker is not None and _lost(source, marker.owner, Kind.TASK):
                changed = not TaskRecord.of(task).intact
                orphans[task.id] = Orphan(marker.owner, task.id, task.name, record.key, changed, task.updated_at)
        for bucket in link.snapshot.buckets.values():
            if bucket.marker is None:
                continue
            owner = bucket.marker.owner
            if _lost(source, owner, Kind.POLICY) or _replaced(source, bucket, link.snapshot.buckets):
                orphans[bucket.id] = Orphan(owner, bucket.id, bucket.name, record.key)
    return Orphans(sorted(orphans.values(), key=lambda one: (one.what, one.name, one.id)), faults)


async def clear(client: KubeClient, source: Source, orphan: Orphan) -> str:
    """Delete a task that nobody has changed; take the mark off any other, and off a bucket. Looked at again just before. Returns what was done, in words.

    Raises ``InfluxError``, ``KubeError`` and ``MissingReference``.
    """
    kind = Kind(orphan.owner.kind)
    owner = await client.get(kind, orphan.owner.namespace, orphan.owner.name)
    own_name = _bucket_of((owner or {}).get("spec") or {}) if kind is Kind.POLICY else ""
    if owner is not None and own_name in {"", orphan.name}:
        return "left alone: its object exists again"
    record = source.cache.get(orphan.connection)
    if record is None:
        return "left alone: its connection is gone"
    spec = read(InfluxConnectionSpec, record.spec(), "spec")
    found = await credentials(SecretResolver(client), record.key.namespace, spec)
    port = InfluxClient(found.settings)
    try:
        if kind is Kind.TASK:
            try:
                task = await port.get_task(orphan.id)
            except NotFound:
                return "is gone already"
            marker, body = read_script(task.flux)
            if marker is None or marker.owner != orphan.owner:
                return "left alone: it carries another mark now"
            if not TaskRecord.of(task).intact:
                await port.update_task(orphan.id, status=task.status, flux=body)
                return "kept, for somebody has changed it; the mark is taken off"
            await port.delete_task(orphan.id)
            return "deleted"
        org_id = await port.org_id(spec.org)
        bucket = await port.find_bucket(org_id, orphan.name) if org_id else None
        if bucket is None or bucket.marker is None or bucket.marker.owner != orphan.owner:
            return "left alone: it carries another mark now"
        if own_name:
            own = await port.find_bucket(bucket.org_id, own_name)
            if own is None or not is_of(own, orphan.owner):
                return f"left alone: it is the one of its object, which has no bucket {own_name!r} now"
        text = read_description(bucket.description)[1]
        await port.update_bucket(bucket.id, text, bucket.retention, bucket.shard_group)
        return "kept with its points; the mark is taken off"
    finally:
        await port.close()


def is_replaced(bucket: Bucket, own_name: str, buckets: Mapping[str, Bucket]) -> bool:
    """Whether the owner, whose bucket is named ``own_name``, has that one besides this one.

    Without it, this one is the owner's, renamed: it holds the points, and is not given up.
    """
    own = buckets.get(own_name)
    if bucket.marker is None or own is None or own.id == bucket.id:
        return False
    return is_of(own, bucket.marker.owner)


def is_of(bucket: Bucket, owner: Owner) -> bool:
    """Whether a bucket bears the mark of this owner."""
    return bucket.marker is not None and bucket.marker.owner == owner


def _replaced(source: Source, bucket: Bucket, buckets: Mapping[str, Bucket]) -> bool:
    owner = bucket.marker.owner if bucket.marker is not None else None
    if owner is None or owner.instance != source.instance or owner.kind != Kind.POLICY.value:
        return False
    record = source.cache.get(Key(Kind.POLICY, owner.namespace, owner.name))
    return record is not None and is_replaced(bucket, _bucket_of(record.spec()), buckets)


def _bucket_of(spec: Mapping[str, Any]) -> str:
    return str(spec.get("bucket") or "")


def _lost(source: Source, owner: Owner, kind: Kind) -> bool:
    return (
        owner.instance == source.instance
        and owner.kind == kind.value
        and source.cache.get(Key(kind, owner.namespace, owner.name)) is None
    )
