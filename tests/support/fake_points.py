"""Points of the fake: line protocol in, values by series and time, and the texts that InfluxDB prints for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from influxops.core.pipeline.proofs import digest
from influxops.core.pipeline.proofs.result import Series, Source
from influxops.core.pipeline.windows.window import Window

Value = str | float | int | bool

Key = tuple[Series, int]
"""What makes a point the same point: series and time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Point:
    """One field value."""

    measurement: str
    tags: Series
    """Sorted by name, without ``_measurement`` and ``_field``."""
    field: str
    value: Value
    time: int
    """Nanoseconds since 1970."""

    @property
    def series(self) -> Series:
        """All that tells its series from others."""
        return tuple(sorted((*self.tags, ("_measurement", self.measurement), ("_field", self.field))))

    @property
    def key(self) -> Key:
        """A later point of the same key takes the place of an earlier one."""
        return self.series, self.time

    @property
    def moment(self) -> datetime:
        """Its time, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.time // 1000)

    @property
    def line(self) -> str:
        """Its line of the checksum."""
        return digest.line(digest.series_text(self.series), time_text(self.time), value_text(self.value))

    def of(self, source: Source) -> bool:
        """Whether the source takes it in."""
        return source.measurement in ("", self.measurement) and source.field in ("", self.field)

    def within(self, window: Window) -> bool:
        """Whether it belongs to the window."""
        return window.contains(self.moment)


@dataclass(frozen=True, slots=True)
class Program:
    """What a script does, for a fake that runs no Flux: from the points of one bucket to those of another."""

    source: str
    target: str
    run: Callable[[Window, list[Point]], Iterable[Point]]
    """Gets the points of the source inside the window; gives those to write; raises ScriptFailed to fail."""


class BadLine(ValueError):
    """A line that InfluxDB cannot parse."""


def parse_line(line: str) -> list[Point]:
    """The points of one line of line protocol with a time in nanoseconds. Raises BadLine."""
    head, fields, time = _split_line(line)
    names = [_unescape(part) for part in re.split(r"(?<!\\),", head)]
    tags = [re.split(r"(?<!\\)=", part, maxsplit=1) for part in re.split(r"(?<!\\),", head)[1:]]
    if any(len(tag) != 2 or not all(tag) for tag in tags):
        raise BadLine(f"unable to parse '{line}': missing tag value")
    found = tuple(sorted((_unescape(name), _unescape(value)) for name, value in tags))
    return [Point(names[0], found, name, value, int(time)) for name, value in _fields(line, fields)]


def time_text(time: int) -> str:
    """RFC 3339 without zeros at the end of the fraction."""
    seconds, fraction = divmod(time, 10**9)
    digits = f".{fraction:09d}".rstrip("0").rstrip(".")
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}{digits}Z"


def value_text(value: Value) -> str:
    """As in CSV: floats without an exponent, the shortest that means the same."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        text = f"{Decimal(repr(value)):f}"
        return text.removesuffix(".0")
    return str(value).replace("\r\n", "\n").replace("\n", "\r\n")


def _split_line(line: str) -> tuple[str, str, str]:
    match = re.fullmatch(r"((?:\\.|[^\\ ])+) ((?:\"(?:\\.|[^\\\"])*\"|[^\" ])+) (-?\d+)", line, re.DOTALL)
    if match is None:
        raise BadLine(f"unable to parse '{line}': invalid field format")
    return match[1], match[2], match[3]


def _fields(line: str, text: str) -> Iterator[tuple[str, Value]]:
    for match in re.finditer(r"([^,=]+)=(\"(?:\\.|[^\\\"])*\"|[^,\"]*)(?:,|$)", text, re.DOTALL):
        yield _unescape(match[1]), _value(line, match[2])


def _value(line: str, text: str) -> Value:
    if text.startswith('"'):
        return re.sub(r"\\([\\\"])", r"\1", text[1:-1])
    if text in ("true", "false"):
        return text == "true"
    try:
        return int(text[:-1]) if text.endswith("i") else float(text)
    except ValueError:
        raise BadLine(f"unable to parse '{line}': missing field value") from None


def _unescape(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)
