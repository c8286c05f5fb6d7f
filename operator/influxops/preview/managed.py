"""What InfluxDB knows of the objects of manifests: whose they are, and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from influxops.core.durations import format_retention
from influxops.core.keys import Key, Kind
from influxops.core.marker import Owner
from influxops.core.record import Record, pack
from influxops.kube.cache import Cache
from influxops.kube.references import connection_of
from influxops.preview.connections import PreviewLink


def instance_of(keys: Iterable[Key], links: Iterable[PreviewLink], notes: list[str]) -> str:
    """The installation whose marks the objects of these names carry; of none, or of several, none is guessed."""
    names = {(key.kind.value, key.namespace, key.name) for key in keys}
    owners = {owner for link in links for owner in _owners(link)}
    found = {owner.instance for owner in owners if (owner.kind, owner.namespace, owner.name) in names}
    if len(found) == 1:
        return found.pop()
    if found:
        notes.append(
            f"objects of these names are managed by several influxops instances ({', '.join(sorted(found))}): say "
            "which with --instance-id"
        )
    return "plan"


def _owners(link: PreviewLink) -> set[Owner]:
    marks = (bucket.marker for bucket in link.snapshot.buckets.values())
    return {*link.snapshot.by_owner, *(mark.owner for mark in marks if mark is not None)}


def as_managed(cache: Cache, links: Mapping[Key, PreviewLink], instance: str) -> Cache:
    """The objects with the uid by which InfluxDB knows them; whoever manages a bucket now was there first."""
    known = Cache()
    for kind in Kind:
        for record in cache.records(kind):
            where = connection_of(record.key, record.spec())
            link = links.get(where) if where is not None else None
            uid, status = _known(link, record, Owner.of(instance, record.key)) if link is not None else ("", {})
            earlier = record.created - timedelta(days=1)
            managed = replace(record, uid=uid, created=earlier, packed_status=pack(status))
            known.upsert(managed if uid else record)
    return known


def _known(link: PreviewLink, record: Record, owner: Owner) -> tuple[str, dict[str, Any]]:
    """The uid in an object's mark, and what its status would say; an empty uid when it has no mark.

    A manifest has no status; a bucket's retention is taken for what the policy itself has set.
    """
    if record.key.kind is Kind.TASK:
        return next((task.marker.uid for task in link.snapshot.marked(owner) if task.marker is not None), ""), {}
    bucket = link.snapshot.buckets.get(str(record.spec().get("bucket")))
    marker = bucket.marker if bucket is not None else None
    if bucket is None or marker is None or marker.owner != owner:
        return "", {}
    return marker.uid, {"appliedRetention": format_retention(bucket.retention)}
