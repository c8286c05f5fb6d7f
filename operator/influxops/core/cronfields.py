"""The fields of a cron expression as sets of bits, read exactly as github.com/influxdata/cron reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ALL64 = (1 << 64) - 1
_WEEKDAYS = {name: place for place, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))}
_MONTHS = {
    name: place
    for place, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_SPACES = " \t\n\v\f\r"
_FIELD = re.compile(r"[A-Za-z0-9/*,-]+")
_ITEM = re.compile(r"(?:(\*)|([0-9]+|[A-Za-z]{3})(?:-([0-9]+|[A-Za-z]{3}))?)(?:/([0-9]+))?")
_MISPRINTS: dict[int, dict[int, int | None]] = {
    12: {60: None},
    15: {60: None},
    20: {60: None},
    21: {63: None},
    30: {60: 59},
    31: {62: 61},
    32: {64: 63},
}
"""Steps whose multiples the library's table has wrong: the multiple and what stands in its place."""


class CronError(ValueError):
    """The expression is none that InfluxDB runs."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What fits, one bit a value. ``month`` and ``dom`` count from 0; ``low``, ``high`` and ``end`` are the years
    from 1970, 2034 and 2098.
    """

    second: int
    minute: int
    hour: int
    dom: int
    month: int
    dow: int
    low: int = _ALL64
    high: int = _ALL64
    end: int = 0

    def has_year(self, year: int) -> bool:
        """Whether the year fits."""
        place = (year - 1970) % (1 << 64)
        if place >= 128:
            return bool(self.end >> place - 128 & 1) if place < 136 else False
        return bool((self.high >> place - 64 if place >= 64 else self.low >> place) & 1)

    def next_year_offset(self, year: int) -> int:
        """How many years to add to ``year`` to reach one that fits, as the library counts."""
        place = year - 1970
        if place >= 128:
            return _zeros(self.end >> place - 128, 8)
        if place >= 64:
            add = _zeros(self.high >> place - 64, 64)
            return add - (place - 64) + _zeros(self.end, 8) if add == 64 else add
        add = _zeros(self.low >> place, 64)
        return add - place + _zeros(self.high, 64) if add == 64 else add


_EVERY_MONTH = (1 << 13) - 1
_EVERY_DAY = (1 << 32) - 1
_WORDS = {
    "yearly": Fields(1, 1, 1, 1, 1, 255, end=255),
    "annually": Fields(1, 1, 1, 1, 1, 255, end=255),
    "monthly": Fields(1, 1, 1, 1, _EVERY_MONTH, 255, end=255),
    "weekly": Fields(1, 1, 1, _EVERY_DAY, _EVERY_MONTH, 1, end=255),
    "daily": Fields(1, 1, 1, _EVERY_DAY, _EVERY_MONTH, 255, end=255),
    "midnight": Fields(1, 1, 1, _EVERY_DAY, _EVERY_MONTH, 255, end=255),
    "hourly": Fields(1, 1, _EVERY_DAY, _EVERY_DAY, _EVERY_MONTH, 255, end=255),
    "every_minute": Fields(1, (1 << 60) - 1, _EVERY_DAY, _EVERY_DAY, _EVERY_MONTH, 255, end=255),
    "every_second": Fields((1 << 60) - 1, (1 << 60) - 1, _EVERY_DAY, _EVERY_DAY, _EVERY_MONTH, 255, end=255),
}


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of a list: ``last`` is the number read last, ``step`` 0 stands for a single value."""

    start: int
    end: int
    step: int
    last: int


def read_fields(expression: str) -> Fields:
    """Read an expression. Raises CronError."""
    text = expression.strip(_SPACES)
    if text.startswith("@"):
        word = text[1:]
        if word.startswith("every") and word[5:6].strip(_SPACES) == "" and word != "every":
            raise CronError(f"cron {expression!r} is an interval; use every instead")
        if word not in _WORDS:
            raise CronError(f"cron {expression!r} is unknown; use @hourly, @daily, @weekly, @monthly or @yearly")
        return _WORDS[word]
    parts = re.split(r"[ \t\n\v\f\r]+", text)
    if not 5 <= len(parts) <= 7 or not all(_FIELD.fullmatch(part) for part in parts):
        raise CronError(
            f"cron {expression!r} has {len(parts)} fields; use five: minute, hour, day of month, month, day of week"
        )
    second = 1 if len(parts) == 5 else _clock(parts[0], "second", 60)
    minute, hour, dom, month, dow = parts[-5:] if len(parts) < 7 else parts[1:6]
    years = _years(parts[6]) if len(parts) == 7 else (_ALL64, _ALL64, 0)
    fields = Fields(
        second, _clock(minute, "minute", 60), _clock(hour, "hour", 24), _dom(dom), _month(month), _dow(dow), *years
    )
    if not (fields.minute and fields.hour and fields.dom and fields.month and fields.dow and any(years)):
        raise CronError(f"cron {expression!r} never comes; one of its fields is empty")
    return fields


def _items(text: str, name: str, star: _Item, open_end: int, base: int, names: dict[str, int]) -> list[_Item]:
    """The items of one field. ``base``: what the first value is counted from; ``open_end``: the end of ``N/step``
    (None stands for the value itself).
    """
    items = []
    for part in text.split(","):
        match = _ITEM.fullmatch(part)
        if match is None:
            raise CronError(f"cron field {name} cannot be read: {part!r}")
        any_value, first, last, step = match.groups()
        if any_value:
            start, end, distance, number = star.start, star.end, star.step, star.last
        else:
            number = _number(first, names, name)
            start, end, distance = (number - base) % (1 << 64), open_end, 0
            if name == "year":
                end = start
            if last is not None:
                number = _number(last, names, name)
                end, distance = (number - base) % (1 << 64), 1
        if step is not None:
            distance = number = int(step)
        items.append(_Item(start, end, distance, number))
    return items


def _number(text: str, names: dict[str, int], field: str) -> int:
    if text.isdigit():
        return int(text)
    if text.upper() not in names:
        raise CronError(f"cron field {field} cannot be read: {text!r}")
    return names[text.upper()]


def _require(holds: bool, name: str, what: str) -> None:
    if not holds:
        raise CronError(f"cron field {name} is out of range: {what}")


def _clock(text: str, name: str, size: int) -> int:
    """Seconds, minutes, hours."""
    bits = 0
    for item in _items(text, name, _Item(0, size - 1, 1, 1), 0, 0, {}):
        _require(item.step < size, name, f"step {item.step}")
        _require(item.start < size, name, f"start {item.start}")
        _require(item.end < size, name, f"end {item.end}")
        if item.step == 0:
            bits |= _shift(1, item.last)
        else:
            bits |= _shift(_multiples(item.step) & (1 << size) - 1, item.start) & _up_to(item.end)
    return bits & (_ALL64 if size == 60 else (1 << 32) - 1)


def _dom(text: str) -> int:
    """Days of the month, from 0. The library takes names of weekdays here, as numbers."""
    bits = 0
    for item in _items(text, "day of month", _Item(0, 30, 1, 0), 0, 1, _WEEKDAYS):
        _require(item.step < 31, "day of month", f"step {item.step}")
        _require(item.start <= 30, "day of month", f"start {item.start}")
        _require(item.end <= 31, "day of month", f"end {item.end}")
        if item.step == 0:
            bits |= _shift(1, (item.last - 1) % (1 << 64))
        else:
            bits |= _shift(_multiples(item.step) & (1 << 31) - 1, item.start) & _up_to(item.end)
    return bits & (1 << 32) - 1


def _month(text: str) -> int:
    bits = 0
    for item in _items(text, "month", _Item(1, 12, 1, 0), 0, 0, _MONTHS):
        _require(item.step <= 12, "month", f"step {item.step}")
        _require(item.start <= 12, "month", f"start {item.start}")
        _require(item.end <= 12, "month", f"end {item.end}")
        if item.start == 0:
            continue
        if item.step == 0:
            bits |= 1 << item.start - 1
        else:
            last = (1 << item.end) - 1 if item.end else (1 << 16) - 1
            bits |= (_multiples(item.step) & (1 << 12) - 1) << item.start - 1 & last
    return bits & (1 << 16) - 1


def _dow(text: str) -> int:
    bits = 0
    for item in _items(text, "day of week", _Item(0, 6, 1, 0), 6, 0, _WEEKDAYS):
        _require(item.step <= 7, "day of week", f"step {item.step}")
        _require(item.start <= 7, "day of week", f"start {item.start}")
        end = 6 if item.end == 7 else item.end
        _require(end <= 6, "day of week", f"end {item.end}")
        _require(item.start <= end, "day of week", f"{item.start} is after {end}")
        if item.step == 0:
            bits |= 1 << item.start
        else:
            span = (1 << end + 1) - (1 << item.start)
            bits |= span & _multiples(item.step) & 127
    return bits & 255


def _years(text: str) -> tuple[int, int, int]:
    low = high = end_bits = 0
    for item in _items(text, "year", _Item(1970, 2099, 1, 0), 0, 0, {}):
        _require(item.step <= 128, "year", f"step {item.step}")
        _require(1970 <= item.start <= 2099, "year", f"start {item.start}")
        _require(1970 <= item.end <= 2099, "year", f"end {item.end}")
        if item.step == 1 and item.start == item.end:
            low, high, end_bits = _ALL64, _ALL64, 255
            continue
        start, end, step = item.start - 1970, item.end - 1970, item.step
        if step == 0 or step >= 64 or end <= start:
            for place in [start] if step < 64 else range(start, end + 1, step):
                if place > 128:
                    end_bits |= 1 << place - 128
                elif place > 64:
                    high |= 1 << place - 64
                else:
                    low |= _shift(1, place)
            continue
        low, high, end_bits = _year_range(start, end, step, (low, high, end_bits))
    return low, high & _ALL64, end_bits & 255


def _year_range(start: int, end: int, step: int, so_far: tuple[int, int, int]) -> tuple[int, int, int]:
    low, high, end_bits = so_far
    table = _multiples(step)
    if start < 64:
        part = _shift(table, start)
        low |= part & _up_to(end) if end < 64 else part
        if end >= 64:
            carried = _shift(table, (step - 1 - _leading(low)) % (1 << 64))
            high |= carried & (_up_to(end - 64) if end < 128 else _ALL64)
    elif start < 128:
        part = _shift(table, start - 64)
        high |= part & _up_to(end - 64) if end < 128 else part
    else:
        end_bits |= _shift(table, start - 128) & _up_to(end - 128) & 255
    if end >= 128 and start < 128:
        carried = _shift(table, (step - 1 - _leading(high)) % (1 << 64))
        end_bits |= carried & _up_to(end - 128) & 255
    return low, high, end_bits


def _multiples(step: int) -> int:
    """The library's table of the multiples of a step under 64, misprints included."""
    wrong = _MISPRINTS.get(step, {})
    bits = 0
    for place in range(0, 65, step):
        right = wrong.get(place, place)
        if right is not None and right < 64:
            bits |= 1 << right
    return bits


def _shift(bits: int, places: int) -> int:
    return bits << places & _ALL64 if places < 64 else 0


def _up_to(place: int) -> int:
    """All bits up to a place; the library takes 0 for no limit."""
    return (1 << place + 1) - 1 if place else _ALL64


def _zeros(bits: int, width: int) -> int:
    """How many zeros stand below the lowest bit."""
    return (bits & -bits).bit_length() - 1 if bits else width


def _leading(bits: int) -> int:
    """How many zeros stand above the highest of 64 bits."""
    return 64 - bits.bit_length()
