"""What running a script over one window gave, and what stands in buckets: values that the proofs compare."""

from __future__ import annotations

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
    scanned_bytes: int
    max_allocated: int
    """Bytes."""
    plan: str = ""
    """Names of the plan's nodes, as the profiler writes them."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The rows that a script's ``to()`` wrote, counted and hashed."""

    rows: int
    series: int
    bytes: int
    """Of the answer."""
    checksum: str
    """``sha256:…`` over the sorted rows; empty beyond ``HASH_ROWS``."""
    cost: QueryCost | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stage reads. An empty ``measurement`` or ``field`` takes all."""

    bucket: str
    measurement: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a stage writes. An empty ``measurement`` takes all of the bucket."""

    bucket: str
    measurement: str = ""


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
