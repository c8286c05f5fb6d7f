"""What running a script over one window gave, and what stands in buckets: values that the proofs compare."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

HASH_ROWS = 100_000
"""Rows up to which a checksum is made of them; beyond, counts and sums stand for it."""

Series = tuple[tuple[str, str], ...]
"""The tags of a series as (name, value), sorted by name; ``_measurement`` and ``_field`` are among them."""


@dataclass(frozen=True, slots=True)
class QueryCost:
    """What a query cost, as InfluxDB's profiler tells it. Times in seconds."""

    total: float
    queued: float
    executed: float
    scanned_values: int
    """Values that left the storage engine; 0 for what was aggregated inside it."""
    scanned_bytes: int
    max_allocated: int
    """Bytes."""
    plan: str = ""
    """Names of the plan's nodes, such as ``ReadWindowAggregateByTime11, to7``."""
    graph: str = ""
    """The plan as the profiler draws it, with the nodes' notes and edges: ``digraph {…}``, one behind the other."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows that a script's ``to()`` wrote, counted and hashed."""

    rows: int
    """Without those that ``to()`` leaves out: rows whose value or time is null."""
    series: int
    """Distinct sets of tags, ``_measurement`` and ``_field``."""
    bytes: int
    """Of the answer."""
    checksum: str
    """``sha256:…`` as ``core.pipeline.proofs.digest`` makes it; empty beyond ``HASH_ROWS``."""
    cost: QueryCost | None = None
    comparable: bool = True
    """Whether every row was one field value (``_measurement``, ``_field``, ``_time``, ``_value``). Rows in another form, as
    for ``to(fieldFn: …)`` or ``wideTo()``, are counted and hashed too, but what is read back never has their checksum.
    """


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stage reads. An empty ``measurement`` or ``field`` takes all."""

    bucket: str
    measurement: str = ""
    field: str = ""

    @property
    def digest(self) -> str:
        """Short; another one for another source."""
        return hashlib.sha256(json.dumps([self.bucket, self.measurement, self.field]).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stage writes. An empty ``measurement`` takes all of the bucket."""

    bucket: str
    measurement: str = ""


def overlap(one: Source | Target | None, other: Source | Target) -> bool:
    """Whether both have points in common; no measurement means all of the bucket's."""
    if one is None or one.bucket != other.bucket:
        return False
    return one.measurement == other.measurement or not (one.measurement and other.measurement)


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in a destination for one window."""

    rows: int
    """Field values."""
    counts: Mapping[Series, int]
    """Field values of each series."""
    sums: Mapping[str, float] = field(default_factory=dict)
    """Sum of each numeric field, over all series."""
    checksum: str = ""
    """As ``QueryResult.checksum``; empty beyond ``HASH_ROWS``."""
