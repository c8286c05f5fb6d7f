"""Objects of pipelines: made, waited for, and what the ledger says of their windows."""

from __future__ import annotations

import asyncio
import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.clients import Influx, Kube, Refused
from bench.setup import is_ready, run
from bench.site import Site
from bench.windows import LEDGER, PIPELINES

LOOK = 0.25
"""Seconds between two looks at an object."""
_ENDED = (
    f'from(bucket: "{LEDGER}") |> range(start: 0) |> filter(fn: (r) => r._measurement == "window_state"'
    ' and (r._field == "finished_at" or r._field == "duration" or r._field == "backfill" or r._field == "stop"))'
    ' |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")'
)


@dataclass(frozen=True, slots=True)
class Ended:
    """One window as the ledger has it; Unix times in seconds."""

    stop: float
    began: float
    finished: float


def new(site: Site, collection: str, *bodies: dict[str, Any]) -> list[str]:
    """Create objects; their uids."""

    async def post() -> list[str]:
        async with Kube(site) as kube:
            return [str((await kube.call("POST", collection, body))["metadata"]["uid"]) for body in bodies]

    return run(post())


def reach(
    site: Site, collection: str, name: str, condition: Callable[[dict[str, Any]], bool], timeout: float
) -> dict[str, Any]:
    """Wait until an object meets the condition. Raises TimeoutError with what it was last."""

    async def look() -> dict[str, Any]:
        limit = time.monotonic() + timeout
        async with Kube(site) as kube:
            while not condition(found := await kube.call("GET", f"{collection}/{name}")):
                if time.monotonic() > limit:
                    raise TimeoutError(f"{collection}/{name}: {found.get('status')}")
                await asyncio.sleep(LOOK)
            return dict(found)

    return run(look())


def ready_pipeline(site: Site, name: str, timeout: float = 60.0) -> None:
    """Wait until an InfluxPipeline is Ready."""
    reach(site, PIPELINES, name, is_ready, timeout)


def succeeded(item: dict[str, Any]) -> bool:
    """Whether an InfluxBackfill is done. Raises Refused when it has failed."""
    status = item.get("status") or {}
    if status.get("phase") in {"Failed", "Refused"}:
        raise Refused(str(status))
    return status.get("phase") == "Succeeded"


def in_ledger(site: Site, count: int, backfill: str = "", timeout: float = 30.0) -> list[Ended]:
    """Windows that the ledger tells of, once it has so many; of one backfill, or of all schedules."""

    async def read() -> list[Ended]:
        limit = time.monotonic() + timeout
        async with Influx(site) as influx:
            while True:
                text = (await influx.query(_ENDED)).decode()
                found = [
                    _ended(row)
                    for table in text.split("\r\n\r\n")
                    for row in csv.DictReader(io.StringIO(table))
                    if row.get("backfill") == backfill
                ]
                if len(found) >= count:
                    return found
                if time.monotonic() > limit:
                    raise TimeoutError(f"the ledger has {len(found)} of {count} windows")
                await asyncio.sleep(LOOK)

    return run(read())


def _ended(row: dict[str, str]) -> Ended:
    finished = int(row["finished_at"]) / 1e9
    return Ended(int(row["stop"]) / 1e9, finished - float(row["duration"]), finished)


def seconds(ended: list[Ended]) -> float:
    """From the first start to the last end."""
    return max(one.finished for one in ended) - min(one.began for one in ended)
