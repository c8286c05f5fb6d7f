"""The ledger in a bucket: records and watermarks as line protocol, and back from rows of text.

InfluxDB merges the fields of points of one series and time. So every field of a record is written every time, with a
neutral value for None, and a later record replaces the former one whole. The state is a field, never a tag: as a tag
each change would begin a new series. Times are nanoseconds since 1970, text is kept with its line ends as a bare line feed, for
CSV cannot tell them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from influxops.core.pipeline.record import Cause, Points, WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window

MEASUREMENT = "window_state"
"""Tags ``owner`` and ``stage``; the time is the start of the window."""

WATERMARK = "watermark"
"""Tags ``owner`` and, but for the first one, ``era``; fields ``stop`` and ``begin``; the time is when it was written."""

MAX_ERROR = 2_000
"""Characters of ``error`` that are kept."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NONE = -1


@dataclass(frozen=True, slots=True)
class Mark:
    """A watermark as it is written."""

    stop: datetime
    """Every window that ends here or earlier is settled."""
    begin: datetime | None = None
    """No window that starts earlier was to run; None in marks of earlier versions."""
    era: int = 0
    """Marks are dated by the writer's clock. One that was ahead leaves marks of a time to come, and when that has come they would be the
    newest and call settled what is not. So a start that finds such marks of the latest era begins another, and writes a mark of it at
    once: it counts before all of earlier eras, whatever their dates. After a start with a clock that was behind an old mark counts in this
    way; what has succeeded since has its records, and runs again only where its source is still whole.
    """


@dataclass(frozen=True, slots=True)
class Marks:
    """What a ledger tells of the watermark."""

    last: Mark | None = None
    """The mark that counts, of those that were written before the moment that was asked for; None when there is none."""
    era: int = 0
    """Of the marks to be written."""


def marks_before(found: Iterable[tuple[Mark, datetime]], before: datetime) -> Marks:
    """What marks, with the times at which they were written, come to."""
    all_ = list(found)
    last = max((one for one in all_ if one[1] < before), key=lambda one: (one[0].era, one[1]), default=None)
    era = max((mark.era for mark, _ in all_), default=0)
    return Marks(last and last[0], era + any(mark.era == era and when >= before for mark, when in all_))


def encode(owner: str, record: WindowRecord) -> str:
    """The point of a record. Raises ValueError for an owner or a stage that cannot be a tag."""
    integers = {
        "stop": nanoseconds(record.window.stop),
        "revision": record.revision,
        "attempt": record.attempt,
        "rows": _or_none(record.rows),
        "series": _or_none(record.series),
        "bytes": _or_none(record.bytes),
        "source_count": _or_none(record.source_count),
        "query_micros": _or_none(record.query_micros),
        "max_allocated": _or_none(record.max_allocated),
        "ready_at": _moment(record.ready_at),
        "finished_at": _moment(record.finished_at),
    }
    texts = {
        "state": record.state.value,
        "cause": record.cause.value,
        "checksum": record.checksum,
        "source": record.source,
        "script": record.script,
        "backfill": record.backfill,
        "run_id": record.run_id,
        "points": record.points.value,
        "error": clip(record.error),
    }
    fields = [f"{name}={value}i" for name, value in integers.items()]
    fields += [f'{name}="{_text(value)}"' for name, value in texts.items()]
    fields.append(f"duration={float(_NONE) if record.duration is None else record.duration!r}")
    tags = f"owner={_tag(owner)},stage={_tag(record.stage)}"
    return f"{MEASUREMENT},{tags} {','.join(fields)} {nanoseconds(record.window.start)}"


def decode(row: Mapping[str, str]) -> WindowRecord:
    """The record of a row that has ``stage``, ``_time`` and one column a field. A field that an older record lacks is None
    or empty. Raises KeyError or ValueError for a row that is no record.
    """
    duration = float(row.get("duration") or _NONE)
    return WindowRecord(
        stage=row["stage"],
        window=Window(datetime.fromisoformat(row["_time"]), from_nanoseconds(int(row["stop"]))),
        state=WindowState(row["state"]),
        revision=_count(row, "revision") or 1,
        attempt=_count(row, "attempt") or 0,
        cause=Cause(row.get("cause", "")),
        rows=_count(row, "rows"),
        series=_count(row, "series"),
        bytes=_count(row, "bytes"),
        checksum=row.get("checksum", ""),
        source_count=_count(row, "source_count"),
        source=row.get("source", ""),
        duration=None if duration < 0 else duration,
        query_micros=_count(row, "query_micros"),
        max_allocated=_count(row, "max_allocated"),
        script=row.get("script", ""),
        backfill=row.get("backfill", ""),
        run_id=row.get("run_id", ""),
        points=Points(row.get("points", "")),
        error=row.get("error", "").replace("\r\n", "\n"),
        ready_at=_instant(row, "ready_at"),
        finished_at=_instant(row, "finished_at"),
    )


def encode_watermark(owner: str, mark: Mark, now: datetime) -> str:
    """The point of a watermark, written at ``now``."""
    era = f",era={mark.era}" if mark.era else ""
    begin = f",begin={nanoseconds(mark.begin)}i" if mark.begin else ""
    return f"{WATERMARK},owner={_tag(owner)}{era} stop={nanoseconds(mark.stop)}i{begin} {nanoseconds(now)}"


def decode_watermark(row: Mapping[str, str]) -> tuple[Mark, datetime]:
    """The mark of a row that has ``_time`` and one column a field, and when it was written. Raises KeyError or ValueError."""
    begin = from_nanoseconds(int(row["begin"])) if row.get("begin") else None
    mark = Mark(from_nanoseconds(int(row["stop"])), begin, int(row.get("era") or 0))
    return mark, datetime.fromisoformat(row["_time"])


def clip(error: str) -> str:
    """An error text as the ledger keeps it: line feeds end lines, not longer than MAX_ERROR, valid Unicode."""
    text = _clean(error)
    return text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 1]}…"


def nanoseconds(moment: datetime) -> int:
    """Since 1970, exact to the microsecond."""
    return (moment - _EPOCH) // _MICROSECOND * 1_000


def from_nanoseconds(value: int) -> datetime:
    """The instant; digits below the microsecond are dropped."""
    return _EPOCH + timedelta(microseconds=value // 1_000)


def _or_none(value: int | None) -> int:
    return _NONE if value is None else value


def _count(row: Mapping[str, str], name: str) -> int | None:
    value = int(row.get(name) or _NONE)
    return None if value < 0 else value


def _moment(moment: datetime | None) -> int:
    return _NONE if moment is None else nanoseconds(moment)


def _instant(row: Mapping[str, str], name: str) -> datetime | None:
    value = _count(row, name)
    return None if value is None else from_nanoseconds(value)


def _clean(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "?").encode(errors="replace").decode()


def _text(value: str) -> str:
    """Inside double quotes only these two are escaped; line breaks may stand as they are (measured)."""
    return _clean(value).replace("\\", "\\\\").replace('"', '\\"')


def _tag(value: str) -> str:
    """A tag value. InfluxDB has none that is empty, ends with a backslash, or holds a line break."""
    if not value or not value.isprintable() or "\\" in value:
        raise ValueError(f"{value!r} cannot be a tag of the ledger")
    return value.replace(",", "\\,").replace(" ", "\\ ").replace("=", "\\=")
