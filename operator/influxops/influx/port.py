"""The port: all that influxops asks of an InfluxDB, as one Protocol.

``influx.client.InfluxClient`` speaks to a real server; ``tests.support.fake_influx.FakeInflux`` keeps everything in
memory. One contract suite (tests/contract) runs on both.

Every method raises the errors of ``influx.errors`` and nothing else; a method never retries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from influxops.core.observed import Bucket, LogLine, PointCount, Run, Task, TaskStatus, User
from influxops.core.pipeline.ledger import Marks
from influxops.core.pipeline.proofs.result import HASH_ROWS, QueryResult, Series, Source, Target, Written
from influxops.core.pipeline.record import WindowRecord
from influxops.core.pipeline.windows.window import Window


class InfluxPort(Protocol):
    """One InfluxDB, seen with one token."""

    async def version(self) -> str:
        """The server's version such as ``v2.7.12`` (GET /health; needs no token)."""

    async def org_id(self, org: str) -> str | None:
        """The id of the organization, or None when it does not exist or the token may not see it."""

    async def me(self) -> User | None:
        """The token's user; None when the token has no right to read it (measured: 401 for narrow tokens)."""

    def list_tasks(self, org_id: str) -> AsyncIterator[list[Task | str]]:
        """Every task of the organization, a page (500) at a time. An entry that cannot be decoded comes as a string
        ``<id>: <why>`` in its place, so that one bad object never hides the others.
        """

    async def get_task(self, task_id: str) -> Task:
        """One task. Raises NotFound."""

    async def find_tasks(self, org_id: str, name: str) -> list[Task]:
        """Every task of that exact name; names are not unique."""

    async def create_task(self, org_id: str, flux: str, description: str) -> Task:
        """Create an ACTIVE task (the server runs a task that is created inactive all the same)."""

    async def update_task(
        self, task_id: str, *, status: TaskStatus, flux: str | None = None, description: str | None = None
    ) -> Task:
        """Change a task. Name and schedule are never sent: the server would rewrite the script. Status always is: the
        server refuses a change of the description alone. Raises NotFound.
        """

    async def delete_task(self, task_id: str) -> None:
        """Delete a task. Raises NotFound."""

    async def ast(self, flux: str) -> Mapping[str, Any]:
        """The server's parse of a script (POST /query/ast -> ``ast``). Raises ScriptInvalid for bad syntax."""

    async def check_script(self, org_id: str, flux: str) -> None:
        """Type-check a whole script with no effect: the server is sent a file of its own besides, whose one statement
        stops the evaluation before the script begins. Returns when the script is well typed; raises ScriptInvalid with
        line and column in the script as given otherwise.
        """

    async def list_buckets(self, org_id: str) -> list[Bucket]:
        """All buckets of the organization, all pages."""

    async def find_bucket(self, org_id: str, name: str) -> Bucket | None:
        """The bucket of that exact name in that organization, or None."""

    async def get_bucket(self, org_id: str, bucket_id: str) -> Bucket | None:
        """The bucket of that id, whatever its name; None when the organization has none, or the token may not see it."""

    async def create_bucket(self, org_id: str, name: str, description: str, retention: int, shard_group: int) -> Bucket:
        """Create a bucket; seconds, retention 0 keeps for ever. Raises Conflict when the name is taken."""

    async def update_bucket(self, bucket_id: str, description: str, retention: int, shard_group: int) -> Bucket:
        """Set description, retention and shard group in one request. Raises NotFound."""

    async def delete_bucket(self, bucket_id: str) -> None:
        """Delete a bucket and all its points. Raises NotFound."""

    async def recent_runs(
        self, org_id: str, since: datetime, task_ids: Collection[str] | None = None, *, requested: bool = False
    ) -> list[Run]:
        """Finished runs that started at or after ``since``, of all tasks or of the given ones, one row a run id, without
        error texts, oldest first (one query over ``_tasks``). ``requested`` also asks when they were asked for by hand.
        """

    async def run_errors(self, org_id: str, since: datetime, run_ids: Collection[str]) -> dict[str, str]:
        """The cause of each of these failed runs, from the run's log, without the script that the log quotes."""

    async def list_runs(self, task_id: str, limit: int, slot: datetime | None = None) -> list[Run]:
        """A task's latest runs by its own endpoint, or those of one slot; also unfinished ones, newest first, with their
        causes. For one task, and for tokens that may not read ``_tasks``.
        """

    async def get_run(self, task_id: str, run_id: str) -> Run:
        """One run of a task, also an unfinished one. Raises NotFound: once ``_tasks`` has forgotten it, and for a moment
        when it has just ended, until its record is written.
        """

    async def run_log(self, task_id: str, run_id: str) -> list[LogLine]:
        """The log of a run, oldest first, without the script that it begins with. Raises NotFound."""

    async def start_run(self, task_id: str, slot: datetime) -> Run:
        """Ask for a run of a slot (whole seconds) of an ACTIVE task; the run begins within about a second, and one of a
        slot in the future when that comes. Nothing is deduplicated: asked twice, it runs twice. Raises NotFound, and
        Invalid for an inactive task.
        """

    async def count_points(
        self, org_id: str, bucket: str, start: datetime | None, stop: datetime | None, timeout: float
    ) -> PointCount:
        """Count the points of a bucket in [start, stop) (None: from the very first; to the very last), given ``timeout``
        seconds. ``points`` is None when time ran out.
        """

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
        """Run a whole script once, with ``now()`` at ``now``, and count the rows that it answers: those that its ``to()``
        wrote. ``timeout`` in seconds is for the whole run; the answer is streamed and never kept, so it may be of any
        length. Beyond ``hash_rows`` rows there is no checksum (0: none at all). ``answered`` is called when the server has done its
        part and only rows are left to be counted; never for a script that fails before.

        Raises ScriptFailed when the script itself fails, before or after it began to answer (also for a bucket that it
        names and that does not exist); TimedOut, after which the script may have written; Invalid for a client that
        only reads.
        """

    async def write_points(self, org_id: str, bucket: str, lines: Iterable[str]) -> None:
        """Write points in line protocol, times in nanoseconds, in batches. A point of the same series and time is merged:
        its fields replace those of the same name.

        Raises Invalid with the cause when points are refused (outside the retention, another type than the field has,
        bad syntax); the other points of that batch, and the batches before it, are written all the same. Raises NotFound
        for a bucket that does not exist.
        """

    async def delete_points(self, org_id: str, bucket: str, window: Window, measurement: str) -> None:
        """Delete the points of one measurement in [start, stop). Returns also when there were none. Raises NotFound for a
        bucket that does not exist, and Invalid for an empty measurement or one that InfluxDB's delete cannot name.
        """

    async def ledger_records(
        self, org_id: str, bucket: str, owner: str, start: datetime, stop: datetime
    ) -> list[WindowRecord]:
        """The records of one owner whose window begins in [start, stop), oldest first. What cannot be read as a record is
        left out. Raises NotFound for a bucket that does not exist.
        """

    async def ledger_left(self, org_id: str, bucket: str, owner: str, before: datetime) -> list[datetime]:
        """Where the owner's windows begin whose record is no SUCCESS, of whatever stage, and that begin before ``before``; oldest first,
        each once. Raises NotFound for a bucket that does not exist.
        """

    async def ledger_watermark(self, org_id: str, bucket: str, owner: str, before: datetime) -> Marks:
        """The owner's watermark as it was last written before ``before``, by the clock of who wrote it, and the era of the marks to come.
        Raises NotFound for a bucket that does not exist.
        """

    async def count_by_time(
        self, org_id: str, source: Source, start: datetime, stop: datetime, step: int, *, timeout: float | None = None
    ) -> dict[datetime, int]:
        """Field values of the source in each step of ``step`` seconds from ``start`` (on the grid that begins at
        1970-01-01T00:00Z) to before ``stop``, over all series, by the start of the step; steps without any are left out.
        A last step that ``stop`` cuts is counted up to ``stop``. One query, answered inside the storage engine.
        ``timeout`` in seconds, None: that of the connection.

        Raises ValueError for a start off the grid; NotFound for a bucket that does not exist.
        """

    async def count_by_series(
        self, org_id: str, source: Source, window: Window, *, timeout: float | None = None
    ) -> dict[Series, int]:
        """Field values of each series of the source in [start, stop); series without any are left out. One query, answered
        inside the storage engine. Raises NotFound for a bucket that does not exist.
        """

    async def read_written(
        self, org_id: str, target: Target, window: Window, *, hash_rows: int = HASH_ROWS, timeout: float | None = None
    ) -> Written:
        """What stands in the destination in [start, stop). The checksum is the one that ``run_script`` gave when the very
        same field values were written. Raises NotFound for a bucket that does not exist.
        """

    async def probe(self, org_id: str) -> frozenset[str]:
        """The rights that the token lacks, as names such as ``write:tasks`` (only what can be told without a write)."""

    async def close(self) -> None:
        """Close the connections. The port is of no use afterwards."""
