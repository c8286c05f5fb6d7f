"""The part of the fake that holds points and runs programs over windows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from influxops.core.observed import Bucket, PointCount
from influxops.core.pipeline import ledger
from influxops.core.pipeline.proofs import digest
from influxops.core.pipeline.proofs.result import HASH_ROWS, QueryCost, QueryResult, Series, Source, Target, Written
from influxops.core.pipeline.record import WindowRecord, WindowState
from influxops.core.pipeline.windows.window import Window
from influxops.influx.errors import Invalid, NotFound, ScriptFailed
from tests.support.fake_core import FakeCore
from tests.support.fake_points import EPOCH, BadLine, Point, Program, parse_line, time_text, value_text

T = TypeVar("T")

_LITERAL = r"(\d{4}-\d\d-\d\dT[\d:.]+Z)"
_WINDOW = re.compile(rf"timeRangeStart: {_LITERAL}, timeRangeStop: {_LITERAL}")


class FakeWindows(FakeCore):
    """Mixed into FakeInflux, whose state it uses."""

    field_types: dict[tuple[str, str, str], type]
    programs: dict[str, Program]
    now: Callable[[], datetime]

    def teach_program(self, text: str, program: Program) -> None:
        """Say what ``run_script`` does with a script that holds this text (a prelude may come before it)."""
        self.programs[text] = program

    async def run_script(
        self,
        org_id: str,
        flux: str,
        now: datetime,
        timeout: float,
        *,
        hash_rows: int = HASH_ROWS,
        answered: Callable[[], None] | None = None,
    ) -> QueryResult:
        async def act() -> QueryResult:
            program = next((program for text, program in self.programs.items() if text in flux), None)
            assert program is not None, f"the fake does not know this script; teach_program() it:\n{flux}"
            window = _window(flux, now)
            try:
                source = self._found(org_id, program.source)
                target = self._found(org_id, program.target)
            except NotFound as error:
                raise ScriptFailed(f"InfluxDB: the script failed: {error}") from error
            read = [point for point in self.points.get(source.id, {}).values() if point.within(window)]
            written = list(program.run(window, read))
            refused = self._put(target, written)
            if refused:
                raise ScriptFailed(f"InfluxDB: the script failed: {refused}")
            if answered is not None:
                answered()
            return QueryResult(
                rows=len(written),
                series=len({point.series for point in written}),
                bytes=sum(len(point.line) for point in written),
                checksum=_checksum(written, hash_rows),
                cost=QueryCost(0.002, 0.0, 0.001, len(read), 8 * len(read), 640) if "profiler" in flux else None,
            )

        return await self._do("run_script", (org_id, flux, now), act)

    async def write_points(self, org_id: str, bucket: str, lines: Iterable[str]) -> None:
        sent = list(lines)

        async def act() -> None:
            found = self._found(org_id, bucket)
            try:
                points = [point for line in sent for point in parse_line(line)]
            except BadLine as error:
                raise Invalid(f"InfluxDB: {error}") from error
            refused = self._put(found, points)
            if refused:
                raise Invalid(f"InfluxDB: failure writing points to database: {refused}")

        await self._do("write_points", (org_id, bucket, sent), act)

    async def delete_points(self, org_id: str, bucket: str, window: Window, measurement: str) -> None:
        async def act() -> None:
            if not measurement or not measurement.isprintable():
                raise Invalid(f"InfluxDB: points of measurement {measurement!r} cannot be deleted")
            found = self._found(org_id, bucket)
            self.points[found.id] = {
                key: point
                for key, point in self.points.get(found.id, {}).items()
                if not (point.within(window) and point.measurement == measurement)
            }

        await self._do("delete_points", (org_id, bucket, window, measurement), act)

    async def ledger_records(
        self, org_id: str, bucket: str, owner: str, start: datetime, stop: datetime
    ) -> list[WindowRecord]:
        async def act() -> list[WindowRecord]:
            rows: dict[tuple[str, int], dict[str, str]] = {}
            for point in self._points(org_id, bucket, Source(bucket, ledger.MEASUREMENT), Window(start, stop)):
                tags = dict(point.tags)
                if tags.get("owner") == owner:
                    row = {"stage": tags["stage"], "_time": time_text(point.time)}
                    rows.setdefault((tags["stage"], point.time), row)[point.field] = value_text(point.value)
            found = []
            for row in rows.values():
                try:
                    found.append(ledger.decode(row))
                except (KeyError, ValueError):
                    continue
            return sorted(found, key=lambda record: (record.window, record.stage))

        return await self._do("ledger_records", (org_id, bucket, owner, start, stop), act)

    async def ledger_left(self, org_id: str, bucket: str, owner: str, before: datetime) -> list[datetime]:
        async def act() -> list[datetime]:
            source = Source(bucket, ledger.MEASUREMENT, "state")
            return sorted(
                {
                    point.moment
                    for point in self._points(org_id, bucket, source, Window(EPOCH, before))
                    if dict(point.tags).get("owner") == owner and value_text(point.value) != WindowState.SUCCESS
                }
            )

        return await self._do("ledger_left", (org_id, bucket, owner, before), act)

    async def ledger_watermark(self, org_id: str, bucket: str, owner: str, before: datetime) -> ledger.Marks:
        async def act() -> ledger.Marks:
            mine = [
                point
                for point in self._points(org_id, bucket, Source(bucket, ledger.WATERMARK), None)
                if dict(point.tags).get("owner") == owner
            ]
            rows: dict[tuple[str, int], dict[str, str]] = {}
            for one in mine:
                tags = dict(one.tags)
                row = rows.setdefault((tags.get("era", ""), one.time), {**tags, "_time": time_text(one.time)})
                row[one.field] = value_text(one.value)
            return ledger.marks_before([ledger.decode_watermark(row) for row in rows.values()], before)

        return await self._do("ledger_watermark", (org_id, bucket, owner, before), act)

    async def count_by_time(
        self, org_id: str, source: Source, start: datetime, stop: datetime, step: int, *, timeout: float | None = None
    ) -> dict[datetime, int]:
        if step < 1 or (start - EPOCH).total_seconds() % step:
            raise ValueError(f"{start.isoformat()} is not on the grid")

        async def act() -> dict[datetime, int]:
            width = timedelta(seconds=step)
            counts = Counter(
                EPOCH + (point.moment - EPOCH) // width * width
                for point in self._points(org_id, source.bucket, source, Window(start, stop))
            )
            return dict(sorted(counts.items()))

        return await self._do("count_by_time", (org_id, source, start, stop, step), act)

    async def count_by_series(
        self, org_id: str, source: Source, window: Window, *, timeout: float | None = None
    ) -> dict[Series, int]:
        async def act() -> dict[Series, int]:
            return dict(Counter(point.series for point in self._points(org_id, source.bucket, source, window)))

        return await self._do("count_by_series", (org_id, source, window), act)

    async def read_written(
        self, org_id: str, target: Target, window: Window, *, hash_rows: int = HASH_ROWS, timeout: float | None = None
    ) -> Written:
        async def act() -> Written:
            found = self._points(org_id, target.bucket, Source(target.bucket, target.measurement), window)
            sums: dict[str, float] = {}
            for point in found:
                if not isinstance(point.value, str | bool):
                    sums[point.field] = sums.get(point.field, 0.0) + point.value
            counts = dict(Counter(point.series for point in found))
            return Written(rows=len(found), counts=counts, sums=sums, checksum=_checksum(found, hash_rows))

        return await self._do("read_written", (org_id, target, window), act)

    async def count_points(
        self, org_id: str, bucket: str, start: datetime | None, stop: datetime | None, timeout: float
    ) -> PointCount:
        async def act() -> PointCount:
            times = [
                point.moment
                for point in self._points(org_id, bucket, Source(bucket), None)
                if (start is None or point.moment >= start) and (stop is None or point.moment < stop)
            ]
            return PointCount(len(times), min(times, default=None), max(times, default=None))

        return await self._do("count_points", (org_id, bucket, start, stop, timeout), act)

    def _found(self, org_id: str, name: str) -> Bucket:
        found = next((b for b in self.buckets.values() if (b.org_id, b.name) == (org_id, name)), None)
        if found is None:
            raise NotFound(f"InfluxDB: could not find bucket {name!r}")
        return found

    def _points(self, org_id: str, bucket: str, source: Source, window: Window | None) -> list[Point]:
        points = self.points.get(self._found(org_id, bucket).id, {}).values()
        return [point for point in points if point.of(source) and (window is None or point.within(window))]

    def _put(self, bucket: Bucket, points: Iterable[Point]) -> str:
        """Write points, the later over the earlier; what is refused is named and the rest is written all the same."""
        stored = self.points.setdefault(bucket.id, {})
        oldest = self.now() - timedelta(seconds=bucket.retention) if bucket.retention else None
        refused = ""
        for point in points:
            if oldest is not None and point.moment < oldest:
                refused = "partial write: dropped points outside retention policy"
            elif self.field_types.setdefault(
                (bucket.id, point.measurement, point.field), type(point.value)
            ) is not type(point.value):
                refused = f'partial write: field type conflict: input field "{point.field}"'
            else:
                stored[point.key] = point
        return refused


def _window(flux: str, now: datetime) -> Window:
    match = _WINDOW.search(flux)
    assert match is not None, "the fake finds no window (timeRangeStart, timeRangeStop) in the script"
    return Window(datetime.fromisoformat(match[1]), datetime.fromisoformat(match[2]))


def _checksum(points: list[Point], hash_rows: int) -> str:
    return digest.checksum(point.line for point in points) if 0 < hash_rows >= len(points) else ""
