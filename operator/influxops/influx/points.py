"""How many points lie in a range, without reading them."""

from __future__ import annotations

import asyncio
from datetime import datetime

from influxops.core.flux.quote import EARLIEST, LATEST, quote_string, quote_time
from influxops.core.observed import PointCount
from influxops.influx.decode import decoded, instant
from influxops.influx.errors import Unavailable
from influxops.influx.http import Http, TimedOut
from influxops.influx.query import query


async def count_points(
    http: Http, org_id: str, bucket: str, start: datetime | None, stop: datetime | None, timeout: float
) -> PointCount:
    """Count field values in [start, stop).

    Three queries at once, each answered inside the storage engine: ``count``, ``first`` and ``last`` on a bare range
    are pushed down. What is not done in time is None; closing the connection ends the query on the server.
    """
    source = (
        f"from(bucket: {quote_string(bucket)}) |> range("
        f"start: {quote_time(start) if start else EARLIEST}, stop: {quote_time(stop) if stop else LATEST})"
    )
    times = 'keep(columns: ["_time"]) |> group()'
    answers = await asyncio.gather(
        _one(http, org_id, f'{source} |> count() |> keep(columns: ["_value"]) |> group() |> sum()', timeout),
        _one(http, org_id, f'{source} |> first() |> {times} |> min(column: "_time")', timeout),
        _one(http, org_id, f'{source} |> last() |> {times} |> max(column: "_time")', timeout),
        return_exceptions=True,
    )
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, TimedOut):
            raise answer
    count, oldest, newest = (answer if isinstance(answer, dict) else None for answer in answers)
    return PointCount(
        points=None if count is None else decoded(lambda row: int(row.get("_value") or 0), count, http.speaker),
        oldest=_time(http, oldest),
        newest=_time(http, newest),
    )


async def _one(http: Http, org_id: str, flux: str, timeout: float) -> dict[str, str]:
    """The single row of an answer; an empty one when no series has a point in the range."""
    found = await query(http, org_id, flux, timeout=timeout, right="read:buckets")
    if len(found) > 1:
        raise Unavailable(http.speaker.say("a query for one row gave more"))
    return found[0] if found else {}


def _time(http: Http, row: dict[str, str] | None) -> datetime | None:
    text = (row or {}).get("_time")
    return decoded(instant, text, http.speaker) if text else None
