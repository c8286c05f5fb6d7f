"""Writes the ledger of one pipeline: records in the order they came, many in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from influxops.core.pipeline.ledger import Mark, encode, encode_watermark
from influxops.core.pipeline.record import WindowRecord
from influxops.engine.link import LiveLink
from influxops.influx.errors import InfluxError, Invalid
from influxops.kube.errors import NotLeader
from influxops.telemetry.logs import get_logger

log = get_logger(__name__)

BATCH = 1000
"""Records in one request at most."""
FULL = 5000
"""Records that may wait; with more of them no window is started."""
GATHER = 0.5
"""Seconds to wait for more records before a request. What is lost with the process by then is only run once more."""
PAUSE = 2.0
"""Seconds after a request that failed."""
STRUGGLES = 60.0
"""Seconds of refusals after which the ledger is said to take nothing."""


class LedgerWriter:
    """Of one owner in one bucket."""

    def __init__(
        self,
        link: Callable[[], LiveLink | None],
        bucket: str,
        owner: str,
        on_written: Callable[[], None] = lambda: None,
    ) -> None:
        self.trouble = ""
        """Why the last request failed; empty when it did not."""
        self._troubled_since: float | None = None
        """When the first of the requests failed that have failed in a row, an outage of InfluxDB apart."""
        self._link = link
        self._on_written = on_written
        self.bucket = bucket
        self.owner = owner
        self._lines: list[str] = []
        self._put = 0
        """Records that were given, ever."""
        self._written = 0
        """Of those, the ones that are done with."""
        self._progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._flush = asyncio.Event()

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return len(self._lines)

    @property
    def struggles(self) -> bool:
        """Whether the ledger has taken nothing for so long that somebody has to look, although InfluxDB answers."""
        since = self._troubled_since
        return since is not None and _time() - since > STRUGGLES

    def put(self, record: WindowRecord) -> None:
        """Have a record written, after all that came before it."""
        self._add(encode(self.owner, record))

    def watermark(self, mark: Mark, now: datetime) -> int:
        """Have the watermark written, after the records of the windows that it settles. What to ask ``has`` for, whether it is."""
        self._add(encode_watermark(self.owner, mark, now))
        return self._put

    def mark(self) -> int:
        """Of everything that was put so far, for ``has``; it is written at once."""
        self._flush.set()
        return self._put

    def has(self, mark: int) -> bool:
        """Whether all that was put before a mark is written, or never will be."""
        return self._written >= mark

    async def settle(self, seconds: float) -> bool:
        """Wait until everything that was put so far is written, at most so long; whether it is."""
        mark = self.mark()
        try:
            async with asyncio.timeout(seconds):
                while not self.has(mark):
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    async def close(self, grace: float) -> None:
        """Write what waits, given so many seconds; the rest is found out again by whoever comes next."""
        if not await self.settle(grace):
            log.warning("records of windows were not written before the end", owner=self.owner, records=self.waiting)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _add(self, line: str) -> None:
        self._lines.append(line)
        self._put += 1
        if self._task is None or self._task.done():
            self._flush.clear()
            self._task = asyncio.create_task(self._run(), name=f"ledger {self.owner}")

    async def _run(self) -> None:
        while self._lines:
            if not self._flush.is_set():
                try:
                    async with asyncio.timeout(GATHER):
                        await self._flush.wait()
                except TimeoutError:
                    pass
            batch = self._lines[:BATCH]
            if await self._send(batch):
                del self._lines[: len(batch)]
                self._written += len(batch)
                self._progress.set()
                self._on_written()
            else:
                await asyncio.sleep(PAUSE)

    async def _send(self, batch: list[str]) -> bool:
        """Write one batch. False: it is to be tried again."""
        link = self._link()
        if link is None or link.problem is not None:
            self.trouble = "the connection is not ready"
            return False
        try:
            await link.call("write_ledger", lambda port: port.write_points(link.org_id, self.bucket, batch), write=True)
        except Invalid as error:
            # Points that the bucket does not keep are refused for good, and all others of the batch are written.
            self.trouble = str(error)
            log.warning("the ledger does not take records of windows", owner=self.owner, error=str(error))
            return True
        except (InfluxError, NotLeader) as error:
            self.trouble = str(error)
            self._troubled_since = self._troubled_since or _time()
            return False
        except Exception as error:
            self.trouble = f"{type(error).__name__}: see the operator's log"
            log.exception("the ledger was not written, in a way it should not: please report this", owner=self.owner)
            return False
        self.trouble, self._troubled_since = "", None
        return True


def _time() -> float:
    return asyncio.get_running_loop().time()
