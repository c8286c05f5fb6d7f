"""Counts the rows of a streamed CSV answer and makes their checksum; nothing but the lines to hash is kept.

The answer must come with the one annotation ``datatype``, which begins each table of another shape. ``to()`` passes its
input through, so an answer tells what was written (measured on 2.7.12): ``_measurement``, ``_field``, ``_time``,
``_value``, and every other **string** column as a tag, unless it is empty. Columns of other types are not written, and
rows without a time or a value neither; so none of these count here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from itertools import chain
from operator import itemgetter

from influxops.core.pipeline.proofs import digest
from influxops.core.pipeline.proofs.result import QueryCost, Series
from influxops.influx.cost import CostReader
from influxops.influx.errors import InfluxError
from influxops.influx.query import FAILED, HEAD

MAX_RECORD = 16 << 20
"""Bytes of one record; a field of InfluxDB holds 64 KiB."""

_PLUMBING = frozenset({"", "result", "table", "_start", "_stop"})
_POINT = frozenset({"_measurement", "_field", "_time", "_value"})
_NUMERIC = frozenset({"double", "long", "unsignedLong"})
_PROFILER = "_profiler"


class _Shape:
    """Where things stand in the rows of one kind of table."""

    def __init__(self, types: list[str], header: list[str]) -> None:
        self.is_error = header[1:3] == ["error", "reference"]
        self.is_point = set(header) >= _POINT
        self.width = len(header)
        kinds = dict(zip(header, types, strict=False))
        self.numeric = kinds.get("_value") in _NUMERIC
        self.is_text = kinds.get("_value") == "string"
        columns = sorted(name for name in set(header) - _PLUMBING if not self.is_point or self._is_tag(name, kinds))
        self.names = columns
        self.time = header.index("_time") if self.is_point else 0
        self.value = header.index("_value") if self.is_point else 0
        indexes = [header.index(name) for name in columns]
        self.tags: Callable[[list[str]], tuple[str, ...]] = (
            itemgetter(*indexes) if len(indexes) > 1 else lambda record: tuple(record[index] for index in indexes)
        )

    @staticmethod
    def _is_tag(name: str, kinds: dict[str, str]) -> bool:
        return name not in {"_time", "_value"} and kinds.get(name) == "string"

    def series(self, tags: tuple[str, ...]) -> Series:
        return tuple((name, value) for name, value in zip(self.names, tags, strict=True) if value)


class Tally:
    """Feed it blocks of an answer, in order, then ``finish`` it. Raises what ``failed`` makes of the error that an answer
    may end with, and ``broken`` when the answer is no such CSV.
    """

    def __init__(
        self,
        hash_rows: int,
        failed: Callable[[str], InfluxError],
        broken: Callable[[], InfluxError],
        *,
        details: bool = False,
    ) -> None:
        self.rows = 0
        self.bytes = 0
        self.counts: dict[Series, int] = {}
        """Rows of each series, with ``details`` only: of a million series they take hundreds of megabytes."""
        self.sums: dict[str, float] = {}
        """Sum of each field of numbers, with ``details`` only."""
        self.checksum = ""
        """Of the rows, once it is finished; empty beyond the limit."""
        self.comparable = True
        """Whether every row was one field value, which reading back shows in the same form."""
        self._cost = CostReader()
        self._hash_rows = hash_rows
        self._failed, self._broken = failed, broken
        self._details = details
        self._seen: set[int] = set()
        """Hashes of the series, of 64 bits: two of a million are the same once in 37 million answers."""
        self._lines: list[str] = []
        self._carry = b""
        self._types: list[str] = []
        self._header: list[str] = []
        self._shape: _Shape | None = None
        self._profiler: bool | None = None
        self._tags: tuple[str, ...] | None = None
        self._series: Series = ()
        self._series_text = ""

    @property
    def series(self) -> int:
        """How many there were."""
        return len(self._seen)

    @property
    def cost(self) -> QueryCost | None:
        """What the profiler said, None when the script did not switch it on."""
        return self._cost.cost

    def feed(self, block: bytes) -> None:
        """The next bytes of the answer, however they are cut."""
        self.bytes += len(block)
        whole = self._carry + block if self._carry else block
        cut = _last_record_end(whole)
        self._carry = whole[cut:]
        if len(self._carry) > MAX_RECORD:
            raise self._broken()
        self._read(whole[:cut])

    def finish(self) -> None:
        """The answer is over."""
        if self._carry:  # each record ends its line
            raise self._broken()
        self.checksum = digest.checksum(self._lines) if self._hash_rows > 0 and self.rows <= self._hash_rows else ""

    def _read(self, data: bytes) -> None:
        records = _records(data)
        try:
            for first in records:
                record = first
                while len(record) > 1:  # an empty line ends a table
                    record = self._take(record, records)
                if record and record[0]:
                    raise self._broken()
        except (csv.Error, LookupError, ValueError) as error:
            raise self._broken() from error

    def _take(self, record: list[str], records: Iterator[list[str]]) -> list[str]:
        """Take in one record, or a run of points; gives the record that ended the run."""
        shape = self._shape
        if record[0] == "#datatype":
            self._types, self._shape = record, None
        elif shape is None:
            if record[:3] != HEAD and record[1:3] != FAILED:
                raise self._broken()
            self._shape, self._header = _Shape(self._types, record), record
            self._profiler, self._tags, self._types = None, None, []
        elif shape.is_error:
            raise self._failed(record[1])
        elif len(record) != shape.width:
            raise self._broken()
        else:
            if self._profiler is None:
                self._profiler = record[1] == _PROFILER
            if not self._profiler:
                return self._rows(shape, chain((record,), records))
            self._cost.add(dict(zip(self._header, record, strict=True)))
        return []

    def _rows(self, shape: _Shape, records: Iterator[list[str]]) -> list[str]:
        """Rows of one shape, in one loop since all time goes here; gives the first record that is none, if any."""
        width, is_point, is_text, time, value = shape.width, shape.is_point, shape.is_text, shape.time, shape.value
        details = self._details
        numeric = details and shape.numeric
        self.comparable = self.comparable and is_point
        for record in records:
            if len(record) != width or record[0]:
                return record
            if is_point and not (record[time] and (record[value] or is_text)):
                continue
            self.rows += 1
            tags = shape.tags(record)
            if tags != self._tags:  # rows of a series mostly follow each other
                self._begin(shape, tags)
            if details:
                self.counts[self._series] += 1
            if self.rows <= self._hash_rows:
                end = f"{record[time]}{digest.JOIN}{record[value]}" if is_point else ""
                self._lines.append(self._series_text + end)
            elif self._lines:
                self._lines = []
            if numeric:
                self._add(dict(self._series)["_field"], float(record[value]))
        return []

    def _begin(self, shape: _Shape, tags: tuple[str, ...]) -> None:
        self._tags, self._series = tags, shape.series(tags)
        self._series_text = digest.series_text(self._series)
        self._seen.add(hash(self._series))
        if self._details:
            self.counts.setdefault(self._series, 0)

    def _add(self, field: str, value: float) -> None:
        self.sums[field] = self.sums.get(field, 0.0) + value


def _records(data: bytes) -> Iterator[list[str]]:
    text = data.decode(errors="replace")
    if '"' in text or data.count(b"\n") != data.count(b"\r\n"):
        return csv.reader(io.StringIO(text, newline=""))
    return (line.split(",") for line in text.split("\r\n"))  # twice as fast


def _last_record_end(data: bytes) -> int:
    """The end of the last whole record: a line end that no quoted text holds, so an even number of quotes before it."""
    end = data.rfind(b"\n") + 1
    quotes = data.count(b'"', 0, end)
    while end and quotes % 2:
        before = data.rfind(b"\n", 0, end - 1) + 1
        quotes -= data.count(b'"', before, end)
        end = before
    return end
