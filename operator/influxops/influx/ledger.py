"""Reading the ledger of windows.

One pivot makes a row of each record (measured: 100,000 records of 19 fields in 3.3 s on the server). Without a range of
its own, so that each call asks only for what it needs: 10,000 records take 0.4 s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from influxops.core.flux.quote import EARLIEST, LATEST, quote_string, quote_time
from influxops.core.pipeline import ledger
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.influx.answers import Speaker, raise_for
from influxops.influx.decode import decoded
from influxops.influx.errors import Unavailable
from influxops.influx.http import Http
from influxops.influx.query import query, rows
from influxops.influx.windows import PATH

TIMEOUT = 120.0
"""Seconds that reading records may take; they are read when a pipeline starts."""

MAX_ANSWER = 256 << 20
"""Bytes of records that are read at once: some 600,000 of them."""


async def ledger_records(
    http: Http, org_id: str, bucket: str, owner: str, start: datetime, stop: datetime
) -> list[WindowRecord]:
    """The owner's records whose window begins in [start, stop), oldest first."""
    if start >= stop:
        return []  # a pipeline may begin in the future; the server takes an empty range for an error
    flux = (
        f"{_of(bucket, ledger.MEASUREMENT, owner, start, stop)}"
        ' |> drop(columns: ["_start", "_stop", "_measurement", "owner"])'
        ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
    )
    blocks = _Blocks(http.speaker)
    body = {"query": flux, "type": "flux", "dialect": {"header": True, "annotations": []}}
    timeout = max(TIMEOUT, http.timeout)
    reply = await http.stream(PATH, blocks.take, params={"orgID": org_id}, body=body, timeout=timeout, writes=False)
    raise_for(reply, http.speaker)
    return await asyncio.to_thread(_records, http, b"".join(blocks.taken))


async def ledger_left(http: Http, org_id: str, bucket: str, owner: str, before: datetime) -> list[datetime]:
    """Where windows begin whose record is no SUCCESS, and that begin before; oldest first. The storage engine filters."""
    flux = (
        f"{_of(bucket, ledger.MEASUREMENT, owner, None, before)}"
        f' |> filter(fn: (r) => r._field == "state" and r._value != {quote_string(WindowState.SUCCESS)})'
        ' |> keep(columns: ["_time"])'
    )
    found = await query(http, org_id, flux, timeout=max(TIMEOUT, http.timeout), right="read:buckets")
    return sorted({decoded(_time, row, http.speaker) for row in found})


def _time(row: Mapping[str, str]) -> datetime:
    return datetime.fromisoformat(row["_time"])


async def ledger_watermark(http: Http, org_id: str, bucket: str, owner: str, before: datetime) -> ledger.Marks:
    """What the owner's marks come to that were written before a moment. Each era is a series of its own; those that have marks of a time
    to come are asked for their earlier ones, too.
    """
    newest = await _marks(http, org_id, bucket, owner, None)
    if any(when >= before for _, when in newest):
        newest += await _marks(http, org_id, bucket, owner, before)
    return ledger.marks_before(newest, before)


async def _marks(
    http: Http, org_id: str, bucket: str, owner: str, before: datetime | None
) -> list[tuple[ledger.Mark, datetime]]:
    """Of each era the mark that was written last."""
    found = await query(
        http, org_id, f"{_of(bucket, ledger.WATERMARK, owner, None, before)} |> last()", right="read:buckets"
    )
    marks: dict[tuple[str, str], dict[str, str]] = {}
    for row in found:
        era, when, name, value = decoded(_field, row, http.speaker)
        marks.setdefault((era, when), {"era": era, "_time": when})[name] = value
    # A begin without a stop is that of a mark before one of an earlier version.
    whole = [row for row in marks.values() if "stop" in row]
    return [decoded(ledger.decode_watermark, row, http.speaker) for row in whole]


def _field(row: Mapping[str, str]) -> tuple[str, str, str, str]:
    return row.get("era", ""), row["_time"], row["_field"], row["_value"]


class _Blocks:
    """Keeps an answer, up to MAX_ANSWER."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._size = 0
        self.taken: list[bytes] = []

    def take(self, block: bytes) -> None:
        self.taken.append(block)
        self._size += len(block)
        if self._size > MAX_ANSWER:
            raise Unavailable(self._speaker.say(f"the records of the ledger are longer than {MAX_ANSWER >> 20} MiB"))


def _of(bucket: str, measurement: str, owner: str, start: datetime | None, stop: datetime | None) -> str:
    begin = quote_time(start) if start else EARLIEST
    end = quote_time(stop) if stop else LATEST
    return (
        f"from(bucket: {quote_string(bucket)}) |> range(start: {begin}, stop: {end})"
        f" |> filter(fn: (r) => r._measurement == {quote_string(measurement)} and r.owner == {quote_string(owner)})"
    )


def _records(http: Http, answer: bytes) -> list[WindowRecord]:
    found = []
    for row in rows(answer.decode(errors="replace"), http.speaker):
        try:
            found.append(ledger.decode(row))
        except (KeyError, ValueError):  # written by something else; one bad row never hides the others
            continue
    return sorted(found, key=lambda record: (record.window, record.stage))
