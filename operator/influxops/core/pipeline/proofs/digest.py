"""One checksum for points, whether they are rows that a script wrote or rows read back from a bucket.

A line stands for one field value: the series as ``name=value`` of each tag, sorted by name and without empty tags, then
the time, then the value, joined by U+001F. Times and values are taken as InfluxDB prints them in CSV. The checksum is
SHA-256 over the distinct lines, sorted and joined by newlines; so neither the order of rows nor how tables were grouped
matters, and a point written twice counts once, as it does in a bucket.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from influxops.core.pipeline.proofs.result import Series

JOIN = "\x1f"
"""Stands between the parts of a line."""


def series_text(series: Series) -> str:
    """The beginning of the lines of a series."""
    return JOIN.join([f"{name}={value}" for name, value in series]) + JOIN


def line(series: str, time: str, value: str) -> str:
    """One field value; ``series`` from ``series_text``."""
    return f"{series}{time}{JOIN}{value}"


def checksum(lines: Iterable[str]) -> str:
    """``sha256:`` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(chr(10).join(sorted(set(lines))).encode(errors='replace')).hexdigest()}"
