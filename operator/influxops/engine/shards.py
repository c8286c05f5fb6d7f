"""Which objects this process works: those of the connections that its shard holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from influxops.core.keys import Key, Kind
from influxops.core.record import Record
from influxops.core.shard import DEFAULT, holder_of, wanted_shard
from influxops.kube.cache import Cache
from influxops.reconcile.finalizer import is_marked

_VIA = (Kind.PIPELINE.value, Kind.TASK.value)
"""What a backfill may name, in this order: two that are named at once must not make two shards of one object."""


class Shards:
    """The memory of one process. It begins empty with every lease: who has held a connection before may have lost it since."""

    def __init__(self, name: str, cache: Cache) -> None:
        self.name = name
        self._cache = cache
        self._held: dict[Key, str] = {}
        """Connection -> the uid for which it was confirmed that this shard holds it."""
        self._leaving: set[Key] = set()
        self._visits: Counter[Key] = Counter()

    def begin(self) -> None:
        """A new lease: everything is asked for anew."""
        self._held.clear()
        self._leaving.clear()

    # Connections

    def hold(self, connection: Key, uid: str) -> None:
        """It is confirmed that this shard holds the connection."""
        self._held[connection] = uid
        self._leaving.discard(connection)

    def leave(self, connection: Key) -> bool:
        """Begin no more visits for the connection. True the first time."""
        first = connection not in self._leaving
        self._leaving.add(connection)
        return first

    def stay(self, connection: Key) -> bool:
        """It is wanted here again. True when it was about to leave."""
        leaving = connection in self._leaving
        self._leaving.discard(connection)
        return leaving

    def drop(self, connection: Key) -> None:
        """The connection is not held any more, or gone."""
        self._held.pop(connection, None)
        self._leaving.discard(connection)

    def held_as(self, connection: Key) -> str:
        """The uid for which the connection is held; empty when it is not."""
        return self._held.get(connection, "")

    def here(self, record: Record) -> bool:
        """Whether a connection is wanted here, and held by us as far as the record tells."""
        return self.wanted(record) and holder_of(record.status(), marked=is_marked(record)) == self.name

    def wanted(self, record: Record) -> bool:
        """Whether a connection is wanted here."""
        return wanted_shard(record.labels) == self.name

    def news(self, record: Record) -> bool:
        """Whether a connection's status tells that it has come to this shard, or has been taken from it."""
        return self.here(record) != (self.held_as(record.key) == record.uid)

    def elsewhere(self) -> Iterator[Record]:
        """The connections of other shards."""
        return (record for record in self._cache.records(Kind.CONNECTION) if record.key not in self._held)

    def counts(self) -> Mapping[str, int]:
        """How many connections each shard is to work, by their labels."""
        return Counter(wanted_shard(record.labels) for record in self._cache.records(Kind.CONNECTION))

    # Objects

    def connection_of(self, key: Key) -> Key | None:
        """The connection that an object uses, whether it exists or not; of a backfill, that of what it names."""
        if key.kind is Kind.CONNECTION:
            return key
        if key.kind is Kind.BACKFILL:
            via = self._named(key)
            return self.connection_of(via) if via is not None else None
        return self._cache.connection(key)

    def missing(self, key: Key) -> Key | None:
        """What stands between an object and its connection and is not known to exist; None when nothing is."""
        via = self._named(key) if key.kind is Kind.BACKFILL else None
        if via is not None and via not in self._cache:
            return via
        connection = self.connection_of(key)
        return connection if connection is not None and connection not in self._cache else None

    def _named(self, backfill: Key) -> Key | None:
        via = sorted(one for one in self._cache.references(backfill) if one.kind in _VIA)
        return Key(Kind(via[0].kind), via[0].namespace, via[0].name) if via else None

    def objects_of(self, connection: Key) -> list[Key]:
        """Every object of a connection."""
        cache = self._cache
        backfills = (key for key in cache.keys(Kind.BACKFILL) if self.connection_of(key) == connection)
        return [
            *cache.policies_by_connection(connection),
            *cache.tasks_by_connection(connection),
            *cache.pipelines_by_connection(connection),
            *backfills,
        ]

    def works(self, key: Key) -> bool:
        """Whether a visit to an object may begin."""
        return self.holds(key) and self.connection_of(key) not in self._leaving

    def holds(self, key: Key) -> bool:
        """Whether this process speaks for an object: may write its status. The default shard speaks for those without a connection."""
        connection = self.connection_of(key)
        record = self._cache.get(connection) if connection is not None else None
        if connection is None or record is None:
            return self.name == DEFAULT
        return self.held_as(connection) == record.uid

    @contextmanager
    def visiting(self, key: Key) -> Iterator[None]:
        """While a visit to an object is under way."""
        connection = self.connection_of(key) if key.kind is not Kind.CONNECTION else None
        if connection is None:
            yield
            return
        self._visits[connection] += 1
        try:
            yield
        finally:
            self._visits[connection] -= 1
            if not self._visits[connection]:
                del self._visits[connection]

    def visited(self, connection: Key) -> bool:
        """Whether a visit to an object of the connection is under way."""
        return self._visits[connection] > 0
