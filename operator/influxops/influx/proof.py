"""What stands in buckets, for proofs: counts of a source by time and by series, and a destination read back.

Counts are made inside the storage engine (``ReadWindowAggregate`` in the profiler's plan). The counts of the series are
added up here and not by Flux (measured, 1,000 series of 720 hours each: 0.7 s against 8 s for ``group() |> sum()``): the
equal lines of the answer are counted, and each distinct one is parsed once.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from influxops.core.flux.quote import quote_duration, quote_string, quote_time
from influxops.core.pipeline.proofs.result import Series, Source, Target, Written
from influxops.core.pipeline.windows.window import Window
from influxops.influx.answers import Speaker, raise_for
from influxops.influx.decode import decoded, instant
from influxops.influx.errors import Unavailable
from influxops.influx.http import Http
from influxops.influx.query import FAILED, FOREIGN, HEAD, query
from influxops.influx.tally import MAX_RECORD, Tally
from influxops.influx.windows import DIALECT, PATH, broken, script_error

RIGHT = "read:buckets"
MAX_LINES = 500_000
"""Distinct lines of an answer for counts by time: as many steps, of as many different counts."""

_NO_COUNT = ([""], [*HEAD, "_time", "_value"])
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = {"header": True, "annotations": list[str]()}
_PLUMBING = frozenset({"", "result", "table", "_start", "_stop", "_value"})


async def count_by_time(
    http: Http, org_id: str, source: Source, start: datetime, stop: datetime, step: int, timeout: float | None
) -> dict[datetime, int]:
    """Field values of each step, over all series."""
    if step < 1 or (start - _EPOCH).total_seconds() % step:
        raise ValueError(f"{start.isoformat()} is not on the grid of {step} s since 1970-01-01T00:00Z")
    if start >= stop:
        return {}
    steps = _Steps(http.speaker)
    body = {"query": by_time(source, start, stop, step), "type": "flux", "dialect": _PLAIN}
    reply = await http.stream(PATH, steps.feed, params={"orgID": org_id}, body=body, timeout=timeout, writes=False)
    raise_for(reply, http.speaker)
    return steps.counts()


async def count_by_series(
    http: Http, org_id: str, source: Source, window: Window, timeout: float | None
) -> dict[Series, int]:
    """Field values of each series."""
    found = await query(http, org_id, by_series(source, window), timeout=timeout, right=RIGHT)
    return {_series(row): decoded(int, row["_value"], http.speaker) for row in found}


async def read_written(
    http: Http, org_id: str, target: Target, window: Window, hash_rows: int, timeout: float | None
) -> Written:
    """All points of a window, streamed and counted as ``run_script`` counts what a script writes."""
    tally = Tally(hash_rows, lambda cause: script_error(http, cause), lambda: broken(http.speaker), details=True)
    flux = _read(target.bucket, window.start, window.stop, target.measurement, "")
    body = {"query": flux, "type": "flux", "dialect": DIALECT}
    reply = await http.stream(
        PATH, tally.feed, params={"orgID": org_id}, body=body, timeout=timeout, writes=False, end=tally.finish
    )
    raise_for(reply, http.speaker)
    return Written(rows=tally.rows, counts=tally.counts, sums=tally.sums, checksum=tally.checksum)


def by_time(source: Source, start: datetime, stop: datetime, step: int) -> str:
    """The query for counts by time: one row for each series and step."""
    return (
        f"{_read(source.bucket, start, stop, source.measurement, source.field)}"
        f' |> aggregateWindow(every: {quote_duration(step)}, fn: count, createEmpty: false, timeSrc: "_start")'
        ' |> group() |> keep(columns: ["_time", "_value"])'
    )


def by_series(source: Source, window: Window) -> str:
    """The query for counts by series: one row for each."""
    return f"{_read(source.bucket, window.start, window.stop, source.measurement, source.field)} |> count()"


class _Steps:
    """Adds up lines ``,_result,0,<time>,<count>``. Raises Unavailable for an answer that is not made of these."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._lines: Counter[bytes] = Counter()
        self._carry = b""

    def feed(self, block: bytes) -> None:
        lines = (self._carry + block).split(b"\r\n")
        self._carry = lines.pop()
        self._lines.update(lines)
        if len(self._carry) > MAX_RECORD or len(self._lines) > MAX_LINES:
            raise Unavailable(self._speaker.say(FOREIGN))

    def counts(self) -> dict[datetime, int]:
        if self._carry:
            raise broken(self._speaker)
        found: dict[datetime, int] = {}
        failed = False
        for line, times in self._lines.items():  # in the order in which each came first
            cells = line.decode(errors="replace").split(",", 4)
            if failed:
                raise Unavailable(self._speaker.say(f"the query failed: {line.decode(errors='replace').strip(',')}"))
            failed = cells[-2:] == FAILED
            if failed or cells in _NO_COUNT:
                continue
            if len(cells) != 5 or cells[0]:
                raise Unavailable(self._speaker.say(FOREIGN))
            moment = decoded(instant, cells[3], self._speaker)
            found[moment] = found.get(moment, 0) + decoded(int, cells[4], self._speaker) * times
        return dict(sorted(found.items()))


def _read(bucket: str, start: datetime, stop: datetime, measurement: str, field: str) -> str:
    wanted = [
        f"r.{column} == {quote_string(value)}"
        for column, value in (("_measurement", measurement), ("_field", field))
        if value
    ]
    only = f" |> filter(fn: (r) => {' and '.join(wanted)})" if wanted else ""
    return f"from(bucket: {quote_string(bucket)}) |> range(start: {quote_time(start)}, stop: {quote_time(stop)}){only}"


def _series(row: dict[str, str]) -> Series:
    return tuple(sorted((name, value) for name, value in row.items() if name not in _PLUMBING and value))
