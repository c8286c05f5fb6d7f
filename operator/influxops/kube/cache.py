"""What the watches know: one record an object, and who refers to whom.

Plain dicts, touched only from the event loop. Each look-up is one dict access; nothing is ever searched.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Flag, auto
from typing import Any

from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.kube.references import ObjectRef, Reference, references

TOMBSTONES = 10_000
"""Uids of removed objects that are remembered, so that a late answer does not bring one back."""

_NOTHING: frozenset[Key] = frozenset()
_CONNECTION = Kind.CONNECTION.value


class Change(Flag):
    """What an upsert changed."""

    NONE = 0
    STALE = auto()
    """Older than what is known, or of an object that is gone: ignored."""
    CREATED = auto()
    RECREATED = auto()
    """Another object under the same name: the uid differs."""
    SPEC = auto()
    """The spec, and with it the generation."""
    STATUS = auto()
    ANNOTATIONS = auto()
    LABELS = auto()
    FINALIZERS = auto()
    STRIPPED = auto()
    """A finalizer that was there is gone, and nobody asked for a deletion."""
    DELETING = auto()
    """Its deletion was asked for."""

    @property
    def echo(self) -> bool:
        """Whether nothing changed but what the operator writes itself: status and finalizers."""
        return not self & ~(Change.STATUS | Change.FINALIZERS | Change.STALE)


class Cache:
    """Records by key, with reverse indexes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed: dict[Key, float] = {}
        self._records: dict[Key, Record] = {}
        self._by_kind: dict[Kind, dict[Key, None]] = {kind: {} for kind in Kind}
        self._referrers: dict[Reference, set[Key]] = {}
        self._refers_to: dict[Key, frozenset[Reference]] = {}
        self._connections: dict[Key, Key] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, key: Key) -> bool:
        return key in self._records

    def get(self, key: Key) -> Record | None:
        """The record of a key."""
        return self._records.get(key)

    def changed(self, key: Key) -> float:
        """Monotonic time at which what people want of an object came in last: its spec, an annotation, or the object itself."""
        return self._changed.get(key, float("-inf"))

    def keys(self, kind: Kind) -> Iterable[Key]:
        """Every key of a kind, oldest in the cache first."""
        return tuple(self._by_kind[kind])

    def records(self, kind: Kind) -> Iterator[Record]:
        """Every record of a kind; a snapshot, so the cache may change meanwhile."""
        for key in self.keys(kind):
            record = self._records.get(key)
            if record is not None:
                yield record

    def count(self, kind: Kind) -> int:
        """How many objects of a kind there are."""
        return len(self._by_kind[kind])

    def upsert(self, record: Record) -> Change:
        """Keep a record unless a newer one is known; tells what changed."""
        return self._keep(record, self._records.get(record.key)) if self.takes(record) else Change.STALE

    def takes(self, record: Record) -> bool:
        """Whether a record is news: not older than what is known, and not of an object that is gone."""
        old = self._records.get(record.key)
        return record.uid not in self._gone and (old is None or not _older(record, old))

    def replace(self, record: Record) -> Change:
        """Keep a record that is surely the present one, however old it looks: after a cluster was set back in time."""
        self._gone.pop(record.uid, None)
        return self._keep(record, self._records.get(record.key))

    def _keep(self, record: Record, old: Record | None) -> Change:
        change = self._put(record, old)
        if not change.echo:
            self._changed[record.key] = self._clock()
        return change

    def _put(self, record: Record, old: Record | None) -> Change:
        self._records[record.key] = record
        self._by_kind[record.key.kind][record.key] = None
        if old is None or old.packed_spec != record.packed_spec:
            self._index(record.key, references(record.key, record.spec()))
        if old is None:
            return Change.CREATED
        if old.uid != record.uid:
            self._bury(old.uid)
            return Change.RECREATED
        return _difference(old, record)

    def remove(self, key: Key, uid: str) -> Record | None:
        """Forget an object; the record that was kept, or None when another uid (or none) is under this key."""
        self._bury(uid)
        record = self._records.get(key)
        if record is None or record.uid != uid:
            return None
        del self._records[key]
        self._changed.pop(key, None)
        del self._by_kind[key.kind][key]
        self._index(key, frozenset())
        return record

    # Who refers to it

    def tasks_by_connection(self, connection: Key) -> frozenset[Key]:
        """InfluxTasks whose ``connectionRef`` names this connection."""
        return self._of(Kind.TASK, Reference.to(connection))

    def policies_by_connection(self, connection: Key) -> frozenset[Key]:
        """RetentionPolicies whose ``connectionRef`` names this connection."""
        return self._of(Kind.POLICY, Reference.to(connection))

    def pipelines_by_connection(self, connection: Key) -> frozenset[Key]:
        """InfluxPipelines whose ``connectionRef`` names this connection."""
        return self._of(Kind.PIPELINE, Reference.to(connection))

    def referrers(self, key: Key, kind: Kind) -> frozenset[Key]:
        """Objects of a kind that name this one, such as the InfluxBackfills of an InfluxPipeline."""
        return self._of(kind, Reference.to(key))

    def by_secret(self, secret: ObjectRef) -> frozenset[Key]:
        """InfluxConnections that use this Secret, as (namespace, name): token, CA or client certificate."""
        return self._of(Kind.CONNECTION, Reference("Secret", *secret))

    def by_configmap(self, configmap: ObjectRef) -> frozenset[Key]:
        """InfluxTasks whose template is in this ConfigMap, as (namespace, name)."""
        return self._of(Kind.TASK, Reference("ConfigMap", *configmap))

    def policies_by_bucket(self, bucket: str) -> frozenset[Key]:
        """RetentionPolicies for a bucket of this name, through whatever connection."""
        return self._of(Kind.POLICY, Reference.to_bucket(bucket))

    def references(self, key: Key) -> frozenset[Reference]:
        """What an object refers to."""
        return self._refers_to.get(key, frozenset())

    def connection(self, key: Key) -> Key | None:
        """The InfluxConnection that an object names itself, whether it exists or not."""
        return self._connections.get(key)

    def _of(self, kind: Kind, reference: Reference) -> frozenset[Key]:
        keys = self._referrers.get(reference)
        return frozenset(key for key in keys if key.kind is kind) if keys else _NOTHING

    def _index(self, key: Key, new: frozenset[Reference]) -> None:
        old = self._refers_to.get(key, frozenset())
        for reference in old - new:
            keys = self._referrers[reference]
            keys.discard(key)
            if not keys:
                del self._referrers[reference]
        for reference in new - old:
            self._referrers.setdefault(reference, set()).add(key)
        self._connections.pop(key, None)
        for reference in new:
            if reference.kind == _CONNECTION:
                self._connections[key] = Key(Kind.CONNECTION, reference.namespace, reference.name)
        if new:
            self._refers_to[key] = new
        else:
            self._refers_to.pop(key, None)

    def _bury(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)


def _older(record: Record, known: Record) -> bool:
    # Resource versions of one resource are ordered numbers (guaranteed since Kubernetes 1.35, true of etcd before), also of
    # two objects that bore a name one after the other; times of creation are whole seconds, in which both may have been made.
    new, old = record.resource_version, known.resource_version
    if new.isdigit() and old.isdigit():
        return int(new) < int(old)
    return record.uid != known.uid and record.created < known.created


def _difference(old: Record, new: Record) -> Change:
    change = Change.NONE
    if old.generation != new.generation or old.packed_spec != new.packed_spec:
        change |= Change.SPEC
    if old.packed_status != new.packed_status:
        change |= Change.STATUS
    if _differs(old.annotations, new.annotations):
        change |= Change.ANNOTATIONS
    if _differs(old.labels, new.labels):
        change |= Change.LABELS
    if old.finalizers != new.finalizers:
        change |= Change.FINALIZERS
        if not new.deleting and set(old.finalizers) - set(new.finalizers):
            change |= Change.STRIPPED
    if new.deleting and not old.deleting:
        # Asking for the deletion raises the generation as well, without a change of spec.
        change |= Change.DELETING
        if old.packed_spec == new.packed_spec:
            change &= ~Change.SPEC
    return change


def _differs(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return dict(one) != dict(other)
