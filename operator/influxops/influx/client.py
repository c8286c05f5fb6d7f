"""InfluxClient: the port's implementation for a real InfluxDB 2.x."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from influxops.core.observed import Bucket, LogLine, PointCount, Run, Task, TaskStatus, User
from influxops.core.pipeline.ledger import Marks
from influxops.core.pipeline.proofs.result import HASH_ROWS, QueryResult, Series, Source, Target, Written
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.window import Window
from influxops.influx import buckets, health, ledger, points, proof, rights, runs, scripts, tasks, windows, write
from influxops.influx.http import Http
from influxops.influx.settings import ConnectionSettings, Pace, unpaced


class InfluxClient:
    """One InfluxDB, seen with one token; ``influx.port.InfluxPort`` says what each method does.

    Create it inside a running event loop, and close it. The constructor sends nothing; it raises Invalid for a url or
    PEM text, and Unauthorized for a token, that can never work.
    """

    def __init__(self, settings: ConnectionSettings, pace: Pace = unpaced) -> None:
        self._http = Http(settings, pace)

    def __repr__(self) -> str:
        return f"InfluxClient({self._http.speaker.origin})"

    async def version(self) -> str:
        return await health.version(self._http)

    async def org_id(self, org: str) -> str | None:
        return await buckets.org_id(self._http, org)

    async def me(self) -> User | None:
        return await buckets.me(self._http)

    def list_tasks(self, org_id: str) -> AsyncIterator[list[Task | str]]:
        return tasks.list_tasks(self._http, org_id)

    async def get_task(self, task_id: str) -> Task:
        return await tasks.get_task(self._http, task_id)

    async def find_tasks(self, org_id: str, name: str) -> list[Task]:
        return await tasks.find_tasks(self._http, org_id, name)

    async def create_task(self, org_id: str, flux: str, description: str) -> Task:
        return await tasks.create_task(self._http, org_id, flux, description)

    async def update_task(
        self, task_id: str, *, status: TaskStatus, flux: str | None = None, description: str | None = None
    ) -> Task:
        return await tasks.update_task(self._http, task_id, status, flux, description)

    async def delete_task(self, task_id: str) -> None:
        await tasks.delete_task(self._http, task_id)

    async def ast(self, flux: str) -> Mapping[str, Any]:
        return await scripts.ast(self._http, flux)

    async def check_script(self, org_id: str, flux: str) -> None:
        await scripts.check_script(self._http, org_id, flux)

    async def list_buckets(self, org_id: str) -> list[Bucket]:
        return await buckets.list_buckets(self._http, org_id)

    async def find_bucket(self, org_id: str, name: str) -> Bucket | None:
        return await buckets.find_bucket(self._http, org_id, name)

    async def get_bucket(self, org_id: str, bucket_id: str) -> Bucket | None:
        return await buckets.get_bucket(self._http, org_id, bucket_id)

    async def create_bucket(self, org_id: str, name: str, description: str, retention: int, shard_group: int) -> Bucket:
        return await buckets.create_bucket(self._http, org_id, name, description, retention, shard_group)

    async def update_bucket(self, bucket_id: str, description: str, retention: int, shard_group: int) -> Bucket:
        return await buckets.update_bucket(self._http, bucket_id, description, retention, shard_group)

    async def delete_bucket(self, bucket_id: str) -> None:
        await buckets.delete_bucket(self._http, bucket_id)

    async def recent_runs(
        self, org_id: str, since: datetime, task_ids: Collection[str] | None = None, *, requested: bool = False
    ) -> list[Run]:
        return await runs.recent_runs(self._http, org_id, since, task_ids, requested=requested)

    async def run_errors(self, org_id: str, since: datetime, run_ids: Collection[str]) -> dict[str, str]:
        return await runs.run_errors(self._http, org_id, since, run_ids)

    async def list_runs(self, task_id: str, limit: int, slot: datetime | None = None) -> list[Run]:
        return await tasks.list_runs(self._http, task_id, limit, slot)

    async def get_run(self, task_id: str, run_id: str) -> Run:
        return await tasks.get_run(self._http, task_id, run_id)

    async def run_log(self, task_id: str, run_id: str) -> list[LogLine]:
        return await tasks.run_log(self._http, task_id, run_id)

    async def start_run(self, task_id: str, slot: datetime) -> Run:
        return await tasks.start_run(self._http, task_id, slot)

    async def count_points(
        self, org_id: str, bucket: str, start: datetime | None, stop: datetime | None, timeout: float
    ) -> PointCount:
        return await points.count_points(self._http, org_id, bucket, start, stop, timeout)

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
        return await windows.run_script(self._http, org_id, flux, now, timeout, hash_rows, answered)

    async def write_points(self, org_id: str, bucket: str, lines: Iterable[str]) -> None:
        await write.write_points(self._http, org_id, bucket, lines)

    async def delete_points(self, org_id: str, bucket: str, window: Window, measurement: str) -> None:
        await write.delete_points(self._http, org_id, bucket, window, measurement)

    async def ledger_records(
        self, org_id: str, bucket: str, owner: str, start: datetime, stop: datetime
    ) -> list[WindowRecord]:
        return await ledger.ledger_records(self._http, org_id, bucket, owner, start, stop)

    async def ledger_left(self, org_id: str, bucket: str, owner: str, before: datetime) -> list[datetime]:
        return await ledger.ledger_left(self._http, org_id, bucket, owner, before)

    async def ledger_watermark(self, org_id: str, bucket: str, owner: str, before: datetime) -> Marks:
        return await ledger.ledger_watermark(self._http, org_id, bucket, owner, before)

    async def count_by_time(
        self, org_id: str, source: Source, start: datetime, stop: datetime, step: int, *, timeout: float | None = None
    ) -> dict[datetime, int]:
        return await proof.count_by_time(self._http, org_id, source, start, stop, step, timeout)

    async def count_by_series(
        self, org_id: str, source: Source, window: Window, *, timeout: float | None = None
    ) -> dict[Series, int]:
        return await proof.count_by_series(self._http, org_id, source, window, timeout)

    async def read_written(
        self, org_id: str, target: Target, window: Window, *, hash_rows: int = HASH_ROWS, timeout: float | None = None
    ) -> Written:
        return await proof.read_written(self._http, org_id, target, window, hash_rows, timeout)

    async def probe(self, org_id: str) -> frozenset[str]:
        return await rights.probe(self._http, org_id)

    async def close(self) -> None:
        await self._http.close()
