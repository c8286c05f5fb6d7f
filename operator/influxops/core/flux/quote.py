"""The one place that turns values into Flux text.

Nothing else in influxops may put a value between quotes of a Flux program: a name with ``"`` or ``${`` in it would
otherwise become a different program.
"""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST = "1677-09-21T00:12:43.145224194Z"
"""The first instant that InfluxDB can store, as a Flux literal (int64 nanoseconds, two reserved)."""

LATEST = "2262-04-11T23:47:16.854775806Z"
"""The last instant that InfluxDB can store, as a Flux literal; as the ``stop`` of a range it is itself left out."""

_FIRST = datetime(1677, 9, 21, 0, 12, 44, tzinfo=UTC)
_LAST = datetime(2262, 4, 11, 23, 47, 16, tzinfo=UTC)

_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)} | {
    ord("\\"): "\\\\",
    ord('"'): '\\"',
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
    # Any dollar, not only that of an interpolation: before a backslash it breaks the lexer of flux 0.196 ("$\\\\" does
    # not parse), and so does "\\$" where no brace follows.
    ord("$"): "\\x24",
}


def quote_string(text: str) -> str:
    """A Flux string literal that means exactly ``text``, quotes included.

    Raises ValueError for text that is not valid Unicode (a lone surrogate): no Flux literal means it.
    """
    text.encode()  # raises UnicodeEncodeError, which is a ValueError
    return f'"{text.translate(_ESCAPES)}"'


def quote_time(instant: datetime) -> str:
    """A Flux time literal in UTC, exact to the microsecond.

    Raises ValueError without a time zone and outside the years that InfluxDB can store (1677 to 2262).
    """
    if instant.tzinfo is None:
        raise ValueError("a time for Flux needs a time zone")
    if not _FIRST <= instant <= _LAST:
        raise ValueError(f"{instant.isoformat()} is outside what InfluxDB can store: 1677-09-21 to 2262-04-11")
    moment = instant.astimezone(UTC)
    fraction = f".{moment.microsecond:06d}" if moment.microsecond else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def quote_duration(seconds: int) -> str:
    """A Flux duration literal of whole seconds; negative values point into the past."""
    return f"{seconds}s"
