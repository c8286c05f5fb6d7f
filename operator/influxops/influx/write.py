"""Writing and deleting points."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from influxops.core.flux.quote import quote_time
from influxops.core.pipeline.windows.window import Window
from influxops.influx.answers import require_done
from influxops.influx.errors import Invalid
from influxops.influx.http import Http

BATCH = 5_000
"""Lines in one request, as InfluxData advises."""

MAX_BATCH_BYTES = 4 << 20

RIGHT = "write:buckets"
_NANO = timedelta(microseconds=1)


async def write_points(http: Http, org_id: str, bucket: str, lines: Iterable[str]) -> None:
    """Write line protocol with times in nanoseconds.

    Measured on 2.7.12: 204; 400 ``unable to parse`` (nothing of the request is written); 422 ``partial write`` for points outside the retention and for a field of another type (the others are written); 404 for
    a bucket that does not exist.
    """
    params = {"orgID": org_id, "bucket": bucket, "precision": "ns"}
    for batch in _batches(lines, http):
        reply = await http.send("POST", "/api/v2/write", batch, params=params, right=RIGHT)
        require_done(reply, http.speaker)


async def delete_points(http: Http, org_id: str, bucket: str, window: Window, measurement: str) -> None:
    """Delete one measurement's points of a window. InfluxDB's delete includes its ``stop``, so it is sent 1 ns less."""
    if not measurement:
        raise Invalid(http.speaker.say("a measurement is needed to delete points; all of a bucket is never deleted"))
    body = {
        "start": quote_time(window.start),
        "stop": _last_nanosecond(window.stop),
        "predicate": f"_measurement={_quoted(http, measurement)}",
    }
    params = {"orgID": org_id, "bucket": bucket}
    await http.done("POST", "/api/v2/delete", params=params, body=body, right=RIGHT)


def _last_nanosecond(stop: datetime) -> str:
    """1 ns before; Python's datetime ends at the microsecond."""
    before = stop - _NANO
    return f"{before:%Y-%m-%dT%H:%M:%S}.{before.microsecond:06d}999Z"


def _quoted(http: Http, measurement: str) -> str:
    """A string of the delete predicate: its parser takes a backslash before ``"`` and before a backslash, and refuses a
    line break.
    """
    if not measurement.isprintable():
        raise Invalid(
            http.speaker.say(f"points of measurement {measurement!r} cannot be deleted: it cannot be written")
        )
    escaped = measurement.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _batches(lines: Iterable[str], http: Http) -> Iterator[bytes]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        data = _encoded(line, http)
        if batch and (len(batch) >= BATCH or size + len(data) > MAX_BATCH_BYTES):
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(data)
        size += len(data) + 1
    if batch:
        yield b"\n".join(batch)


def _encoded(line: str, http: Http) -> bytes:
    try:
        return line.encode()
    except UnicodeEncodeError as error:
        raise Invalid(http.speaker.say("a point holds text that is not valid Unicode (a lone surrogate)")) from error
